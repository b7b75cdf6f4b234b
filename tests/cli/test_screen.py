"""The screen of results shows what a run made, within 100 columns, and leaves out the rest."""

from __future__ import annotations

import dataclasses
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from luthier.cli._screen import count, duration, show
from luthier.core.store import Artifact

PROJECT = Path("far", "luthier.yaml")


@dataclasses.dataclass(frozen=True)
class Result:
    """Shaped as the pipeline's."""

    artifacts: dict[str, Artifact]
    plan: dict[str, Any]
    seconds_s: float

    def as_json(self) -> dict[str, Any]:
        return {"seconds_s": self.seconds_s}


def artifact(
    stage: str, folder: Path, summary: Mapping[str, Any], wall_s: float = 2.0, reused: bool = False
) -> Artifact:
    path = folder / "artifacts" / f"{stage}-0123456789abcdef"
    path.mkdir(parents=True)
    return Artifact(stage, "0123456789abcdef" * 4, path, dict(summary), {}, wall_s, reused)


@pytest.fixture
def whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, comparison: dict[str, Any]) -> Result:
    """A run of a project elsewhere that made everything."""
    monkeypatch.chdir(tmp_path)
    PROJECT.parent.mkdir()
    PROJECT.write_text("name: far\ndata: {sources: [{kind: pydoc}]}\n")
    lost = {"empty docstring": 900, "not importable": 30, "near-duplicate": 9, "long": 2, "odd": 1}
    leakage = {
        "leaks": False, "overlaps": [], "shared_groups": [], "questions_in_corpus": [],
        "test_items": 300, "train_rows": 4100, "documents": 8100,
    }  # fmt: skip
    told: dict[str, Mapping[str, Any]] = {
        "collect": {"documents": 8100, "rows": 0, "refused": 942, "reasons": lost, "seconds": 9.1},
        "prepare": {
            "examples": 5120, "groups": 2400, "refused": 3, "reasons": {"answer too long": 3},
            "sides": {
                "train": {"fact": 2690, "form": 1000}, "validation": {"fact": 410, "form": 0},
                "test": {"fact": 1000, "form": 20},
            },
            "lock": "ab12cd34ef56" * 5,
        },
        "model": {
            "name": "starter", "parameters": 11_800_000, "bytes": 23_600_000,
            "context_length": 1024, "vocab_size": 8192,
        },
        "tune": {
            "steps": 120, "rows": 3690, "rows_refused": 2, "rows_changed": 3,
            "tokens_left_out": 1200, "validation_accuracy_before": 0.5,
            "validation_accuracy": 0.9, "trainable": 11_800_000,
            "method": "full", "loss_first": 4.2, "loss_last": 1.9, "best_step": 105,
            "validation_loss_before": 4.3, "validation_loss": 2.1, "tokens": 830_000,
            "seconds": 141.0, "tokens_per_s": 5886.0, "stopped_early": False,
        },
        "index": {"passages": 12_345, "documents": 8100, "seconds": 60.2},
        "compare": {**comparison, "leakage": leakage},
        "report": {},
        "bundle": {"route": "rag+fine-tuned"},
    }  # fmt: skip
    made = {
        stage: artifact(stage, tmp_path / "my store", summary, 200.0, reused=stage == "collect")
        for stage, summary in told.items()
    }
    (made["report"].path / "report.html").write_text("<html>")
    plan = {
        "device": "cpu", "precision": "bfloat16", "threads": 2, "micro_batch_tokens": 4096,
        "accumulation": 2, "memory_needed_bytes": 1.2e9, "memory_bytes": 14e9,
        "machine": "AMD EPYC",
    }  # fmt: skip
    return Result(made, plan, 421.0)


def screen(result: Result, width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=True)
    show(result, console, PROJECT)  # type: ignore[arg-type]
    return re.sub(r"\x1b\[[0-9;]*m", "", console.file.getvalue())  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "words",
    [
        "8,100 documents",
        "2 refused · 3 cut · 1,200 tokens left out",
        "accuracy 0.500 to 0.900",
        "942 refused: 900 empty docstring, 30 not importable, 9 near-duplicate, 2 long",
        "5,120 kept",
        "3,690 train, 410 validation, 1,020 test",
        "test side locked as ab12cd34ef56",
        "nothing leaks between 300 test questions, 4,100 training rows, 8,100 documents",
        "starter · 11.8 M parameters · 23.6 MB",
        "AMD EPYC · 2 threads · 14.0 GB free",
        "bfloat16 · 4,096 tokens at once · 2 passes to a step · needs 1.20 GB",
        "training 4.20 to 1.90 · validation 4.300 to 2.100 · best at step 105",
        "830,000 tokens · in 2 min 21 s · 5,886 tokens/s",
        "12,345 passages · of 8,100 documents · in 1 min",
        "rag+fine-tuned beats rag by ",
        "report.html",
        "talk to it",
        "luthier chat --project far/luthier.yaml --store '",
        "8 stages in 7 min 1 s: 7 made, 1 reused",
    ],
)
def test_what_a_newcomer_must_see(whole: Result, words: str) -> None:
    assert words in " ".join(screen(whole).split())


@pytest.mark.parametrize("width", [80, 100, 300])
def test_nothing_but_paths_and_commands_is_wider_than_the_screen(whole: Result, width: int) -> None:
    text = screen(whole, width)
    assert "…" not in text
    for line in text.splitlines():
        if not any(word in line for word in ("report ", "bundle ", "luthier ")):
            assert len(line.rstrip()) <= min(width, 100), line


def test_a_narrow_terminal_gets_fewer_figures_and_a_file_gets_all(whole: Result) -> None:
    assert "perpl." not in screen(whole, 80)
    assert "perpl." in screen(whole, 100)
    file = Console(file=io.StringIO(), width=80)
    show(whole, file, PROJECT)  # type: ignore[arg-type]
    assert "perpl." in file.file.getvalue()  # type: ignore[attr-defined]


def test_each_stage_says_whether_it_was_made_or_reused(whole: Result) -> None:
    heads = [line for line in screen(whole).splitlines() if not line.startswith(" ")]
    assert any(h.startswith("Tuning") and h.endswith("made in 3 min 20 s") for h in heads)
    reused = dataclasses.replace(
        whole,
        artifacts={k: dataclasses.replace(a, reused=True) for k, a in whole.artifacts.items()},
    )
    text = screen(reused)
    assert text.count("reused (made in ") == 6
    assert "0 made, 8 reused" in text


def test_leaks_are_told_loudly(whole: Result) -> None:
    compared = whole.artifacts["compare"]
    leakage = {**compared.summary["leakage"], "leaks": True, "overlaps": [1, 2]}
    made = {
        **whole.artifacts,
        "compare": dataclasses.replace(compared, summary={**compared.summary, "leakage": leakage}),
    }
    text = screen(dataclasses.replace(whole, artifacts=made))
    assert "leaks: 2 test questions are like training rows" in " ".join(text.split())
    assert "nothing leaks" not in text


@pytest.mark.parametrize("missing", ["collect", "prepare", "model", "tune", "index", "compare",
                                     "report", "bundle"])  # fmt: skip
def test_a_stage_that_was_not_made_is_left_out(whole: Result, missing: str) -> None:
    made = {k: a for k, a in whole.artifacts.items() if k != missing}
    text = screen(dataclasses.replace(whole, artifacts=made))
    assert "None" not in text
    titles = {"tune": "Tuning", "index": "Index", "compare": "Comparison"}
    assert titles.get(missing, "no such title") not in text


def test_stages_that_told_nothing(whole: Result) -> None:
    silent = {
        k: dataclasses.replace(a, summary={}) for k, a in whole.artifacts.items() if k != "compare"
    }
    text = screen(Result(silent, {}, 1.0))
    assert "None" not in text
    assert "Tuning" in text
    assert screen(Result({}, {}, 0.0)).strip() == "0 stages in 0.0 s: 0 made, 0 reused"


def test_durations_and_counts() -> None:
    assert [duration(s) for s in (0, 9.94, 9.96, 59.4, 59.6, 200, 3599.4, 7500)] == [
        "0.0 s", "9.9 s", "10 s", "59 s", "1 min", "3 min 20 s", "59 min 59 s", "2 h 5 min",
    ]  # fmt: skip
    assert [count(n) for n in (0, 1234, 999_999, 11_840_000, 7e9)] == [
        "0", "1,234", "999,999", "11.8 M", "7.0 B",
    ]  # fmt: skip
