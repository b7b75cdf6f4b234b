"""What several stages share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from luthier import config
from luthier.core.progress import Quiet
from luthier.core.store import Store
from luthier.stages.work import Work

PROJECT = """
name: shop
data:
  sources: [{kind: csv, path: faq.csv}]
  encoder: encoder
"""


def test_the_encoders_folder_is_found_from_the_project_file(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    shutil.copytree(tiny_encoder, tmp_path / "encoder")
    (tmp_path / "luthier.yaml").write_text(PROJECT)
    work = Work(config.load(tmp_path / "luthier.yaml"), tmp_path, Quiet())
    assert work.encode(["wrap a line", "join paths"]).shape == (2, 16)
    assert len(work.encoder_digest()) == 64


def _journal(folder: Path, writer: str, more: str = "") -> Path:
    (folder / "luthier.yaml").write_text(f"{PROJECT}  writer: {writer}\n{more}")
    return Work(config.load(folder / "luthier.yaml"), folder, Quiet()).journal()


def test_a_writers_answers_are_found_whatever_else_is_set(tmp_path: Path) -> None:
    here = "kind: openai, base_url: 'http://here/v1', model: big/model-1.5"
    first = _journal(tmp_path, f"{{{here}}}")
    assert first.parent == tmp_path / ".luthier" / "calls"
    assert first.name.startswith("big-model-1.5-")
    dearer = f"{{{here}, prompt_price: 3.0, workers: 9, api_key: '${{KEY}}'}}"
    assert _journal(tmp_path, dearer, "seed: 3\n") == first
    assert _journal(tmp_path, f"{{{here.replace('/v1', '/v1/')}}}") == first
    others = {
        _journal(tmp_path, f"{{{here}0}}"),
        _journal(tmp_path, f"{{{here}}}".replace("here/", "there/")),
    }
    assert len(others | {first}) == 3


def test_collecting_garbage_leaves_the_answers(tmp_path: Path) -> None:
    path = _journal(tmp_path, "{kind: openai, base_url: 'http://here/v1', model: m}")
    path.parent.mkdir(parents=True)
    path.write_text("paid\n")
    assert Store(tmp_path / ".luthier").collect_garbage() == []
    assert path.read_text() == "paid\n"
