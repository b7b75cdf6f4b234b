"""Placing the starter model: files are copied, the card stays, a model too large is refused."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "place_starter.py"


@pytest.fixture
def script() -> Any:
    spec = importlib.util.spec_from_file_location("place_starter", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def result(tmp_path: Path) -> dict[str, Any]:
    model = tmp_path / "made" / "model"
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"12345")
    return {"stages": {"tune": {"path": str(model.parent), "summary": {"steps": 3}}}}


def test_files_are_replaced_and_the_card_stays(
    script: Any, result: dict[str, Any], tmp_path: Path
) -> None:
    place = tmp_path / "starter"
    place.mkdir()
    (place / "README.md").write_text("the card")
    (place / "config.json").write_text("old")
    assert script.place(result, place) == 7
    assert (place / "config.json").read_text() == "{}"
    assert (place / "model.safetensors").read_bytes() == b"12345"
    assert (place / "README.md").read_text() == "the card"


def test_a_model_too_large_is_refused_and_nothing_is_replaced(
    script: Any, result: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "LARGEST", 6)
    with pytest.raises(SystemExit, match="7 bytes"):
        script.place(result, tmp_path / "starter")
    assert not (tmp_path / "starter").exists()
