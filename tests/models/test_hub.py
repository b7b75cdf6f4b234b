"""What is fetched from the hub is known by its commit; offline, nothing is asked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tiny_models import tiny, write

from luthier.core.errors import ModelError
from luthier.models import hub
from luthier.models.folder import facts
from luthier.models.load import ModelSpec, find

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub's cache with one model at one commit, under the name of a branch."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    kept = tmp_path / "models--me--tiny"
    folder = write(tiny(), kept / "snapshots" / COMMIT)
    (kept / "refs").mkdir()
    (kept / "refs" / "v2").write_text(COMMIT)
    return folder


@pytest.mark.parametrize("revision", ["v2", COMMIT])
def test_a_revision_is_found_and_its_commit_recorded(
    revision: str, cached: Path, tmp_path: Path
) -> None:
    spec = ModelSpec(name="me/tiny", revision=revision, offline=True)
    assert find(spec, tmp_path / "elsewhere") == cached
    assert facts(cached)["revision"] == COMMIT


def test_another_revision_is_not_taken_for_it(cached: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="'me/tiny' at main2 is no local folder") as caught:
        find(ModelSpec(name="me/tiny", revision="main2", offline=True), tmp_path / "elsewhere")
    assert "hf download me/tiny" in caught.value.mend
    assert cached.is_dir()


def test_a_folder_of_ones_own_has_no_commit(tmp_path: Path) -> None:
    assert hub.commit(tmp_path) is None
    assert hub.commit(tmp_path / "snapshots" / "main") is None


def test_libraries_that_are_there_already_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for name in ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "RAY_USAGE_STATS_ENABLED"):
        monkeypatch.delenv(name, raising=False)
    assert not hub.is_offline()
    hub.go_offline()
    assert hub.is_offline()
    assert constants.HF_HUB_OFFLINE is True
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_weights_in_the_cache_are_found_and_nothing_is_asked(cached: Path) -> None:
    assert hub.cached("me/tiny", "v2") == cached
    assert hub.cached("me/tiny", "v3") is None
    assert hub.cached("not a name/at/all", None) is None
    for weights in cached.glob("*.safetensors"):
        weights.unlink()
    assert hub.cached("me/tiny", "v2") is None  # its config.json alone
