"""``luthier tune --compare-optimizers``: names, the table, and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from luthier import pipeline
from luthier.cli import _compare_optimizers
from luthier.cli.main import main
from luthier.core.store import Artifact

CURVE = [[0, 0, 4.0], [20, 1600, 1.0]]
BEST = {"kind": "muon", "lr": 0.001, "tried": {"4e-05": 3.0, "0.0002": 2.0, "0.001": 1.5},
        "failed": "", "loss": 1.0, "steps": 20, "tokens": 1600, "tokens_per_s": 812.3,
        "optimizer_bytes": 5_000_000, "peak_bytes": 20_000_000, "curve": CURVE}  # fmt: skip
LOST = {"kind": "sgd", "lr": 0.002, "tried": {"0.002": None}, "failed": "the loss grew to 9"}
SUMMARY = {"outcomes": [LOST, BEST], "target": 1.3}


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Which optimizers were compared; nothing is really made."""
    seen: list[list[str]] = []

    def compared(work: Any, kinds: Sequence[str]) -> Artifact:
        seen.append(list(kinds))
        folder = tmp_path / "optimizers-1"
        folder.mkdir(exist_ok=True)
        (folder / "curves.svg").write_text("<svg/>")
        return Artifact("optimizers", "0" * 64, folder, SUMMARY, {}, 1.0, False)

    monkeypatch.setattr(_compare_optimizers, "compare_optimizers", compared)
    monkeypatch.setattr(pipeline, "STAGES", (("tune", None),))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "luthier.yaml").write_text(
        "name: demo\ndata:\n  sources: [{kind: csv, path: faq.csv}]\ntune: {}\n"
    )
    return seen


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["tune", *arguments])


def test_the_table_shows_who_did_best_and_where_the_curves_are(asked: list[list[str]]) -> None:
    result = call("luthier.yaml", "--compare-optimizers=muon, sgd")
    assert result.exit_code == 0, result.stderr
    assert asked == [["muon", "sgd"]]
    words = " ".join(result.stdout.split())
    assert "muon 0.001 ↑ 1.0000 18 20 812 5.0 MB 20.0 MB" in words
    assert "sgd 0.002 diverged" in words
    assert "sgd: the loss grew to 9" in words
    assert "one beyond may be better" in words
    assert "curves.svg" in words
    assert "curves.html" not in words  # plotly did not write it


def test_all_are_compared_if_none_is_named(asked: list[list[str]]) -> None:
    assert call("--compare-optimizers").exit_code == 0
    assert len(asked[0]) == 11


def test_json_is_the_summary_and_the_folder(asked: list[list[str]]) -> None:
    told = json.loads(call("--compare-optimizers", "--json", "--quiet").stdout)
    assert told["outcomes"] == SUMMARY["outcomes"]
    assert Path(told["path"]).name == "optimizers-1"


def test_a_name_that_is_none_is_told_before_anything_is_made(asked: list[list[str]]) -> None:
    result = call("--compare-optimizers", "luthier.yaml")
    assert (result.exit_code, asked) == (2, [])
    assert "there is no optimizer 'luthier.yaml'" in result.stderr
    assert "The project file goes before this option." in " ".join(result.stderr.split())


def test_the_table_alone(capsys: pytest.CaptureFixture[str]) -> None:
    _compare_optimizers.show({"outcomes": [BEST], "target": None}, Console(width=200))
    assert "steps to " in capsys.readouterr().out


def test_names_are_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    long = {**BEST, "kind": "gradient_descent"}
    _compare_optimizers.show({"outcomes": [long], "target": 2.346}, Console(width=60))
    assert "gradient_descent" in capsys.readouterr().out
