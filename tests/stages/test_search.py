"""Which settings a run tunes with; the way through the command is in ``tests/cli``."""

from __future__ import annotations

import json
import types
from pathlib import Path
from typing import Any

import pytest

from luthier import config
from luthier.core.progress import Quiet
from luthier.stages.search import chosen, search
from luthier.stages.work import NotMadeError, Work
from luthier.tune.tune import TuneSpec

BASE = TuneSpec(lr=0.1)
PROJECT = "name: a\ndata: {sources: [{kind: csv, path: a.csv}]}\ntune: {lr: 0.1}\n"


def work(tmp_path: Path, verdict: str | None) -> Any:
    made = {}
    if verdict is not None:
        told = {"best": {"settings": {"lr": 0.5}}, "confirmed": {"verdict": verdict}}
        (tmp_path / "search.json").write_text(json.dumps(told))
        made["search"] = types.SimpleNamespace(path=tmp_path)
    project = types.SimpleNamespace(tune=BASE, search=None)
    return types.SimpleNamespace(project=project, made=made, finished=lambda artifact: artifact)


@pytest.mark.parametrize(
    ("verdict", "lr"),
    [
        (None, 0.1),
        ("better", 0.5),
        ("not confirmed", 0.5),
        ("cannot tell apart", 0.1),
        ("worse", 0.1),
    ],
)
def test_only_a_gain_beyond_noise_replaces_the_settings(
    verdict: str | None, lr: float, tmp_path: Path
) -> None:
    found = chosen(work(tmp_path, verdict))
    assert found is not None
    assert found.lr == lr


def test_without_a_section_nothing_is_searched(tmp_path: Path) -> None:
    given = work(tmp_path, None)
    search(given)
    assert given.made == {}


def test_settings_of_a_search_that_is_not_made_are_not_known(tmp_path: Path) -> None:
    (tmp_path / "luthier.yaml").write_text(PROJECT)
    dry = Work(config.load(tmp_path / "luthier.yaml"), tmp_path, Quiet(), dry=True)
    dry.make("search", 1, {}, lambda _: {})
    with pytest.raises(NotMadeError, match="settled once 'search' is made"):
        chosen(dry)
