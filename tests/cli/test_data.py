"""``luthier data``: each step asks the pipeline to stop there, and shows what the stage did."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any, get_args

import pytest
from click.testing import CliRunner, Result as Outcome
from rich.console import Console

import luthier
from luthier import pipeline as real
from luthier.cli.data import STEPS, show_step
from luthier.cli.main import main
from luthier.core.errors import LeakageError
from luthier.core.progress import Progress, Quiet, Terminal
from luthier.core.store import Artifact

PROJECT = """\
name: demo
data:
  sources: [{kind: csv, path: faq.csv}]
  clean: {}
  annotate: {labels: [a, b]}
  synthesize: {methods: [{kind: few-shot}]}
  augment: {augmenters: [{kind: characters}]}
  balance: {techniques: [{kind: over_sample}]}
"""
OPTIONAL = ("clean", "annotate", "synthesize", "augment", "balance")


def artifact(stage: str, summary: dict[str, Any], *, reused: bool = False) -> Artifact:
    folder = Path("somewhere") / f"{stage}-0123456789abcdef"
    return Artifact(stage, "0123456789abcdef" * 4, folder, summary, {}, 2.5, reused)


class FakePipeline(types.ModuleType):
    """Notes what it was asked for; every stage has done something."""

    Stop = real.Stop

    def __init__(self) -> None:
        super().__init__("luthier.pipeline")
        self.calls: list[dict[str, Any]] = []
        self.error: BaseException | None = None

    def run(self, project: Any, base: Path, progress: Progress, *, until: str) -> Any:
        self.calls.append({"project": project, "base": base, "progress": progress, "until": until})
        if self.error:
            raise self.error
        made = {s: artifact(s, {"note": f"naïve {s}", "rows": 1234}) for _, s in STEPS.values()}
        return real.RunResult(made, {}, 1.5)


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> FakePipeline:
    fake = FakePipeline()
    monkeypatch.setitem(sys.modules, "luthier.pipeline", fake)
    monkeypatch.setattr(luthier, "pipeline", fake, raising=False)
    return fake


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "luthier.yaml").write_text(PROJECT)
    return tmp_path / "luthier.yaml"


def call(*arguments: str) -> Outcome:
    return CliRunner().invoke(main, list(arguments))


def test_every_step_is_one_the_pipeline_knows() -> None:
    assert set(STEPS) <= set(get_args(real.Stop))
    assert [name for name, _ in real.STAGES if name in STEPS] == list(STEPS)[:-1]


@pytest.mark.parametrize("step", STEPS)
def test_a_step_stops_there_and_shows_its_own_stage(
    step: str, pipeline: FakePipeline, project: Path
) -> None:
    result = call("data", step)
    assert result.exit_code == 0, result.stderr
    asked = pipeline.calls[0]
    assert (asked["until"], asked["project"].name, asked["base"]) == (step, "demo", Path())
    assert isinstance(asked["progress"], Terminal)
    stage = STEPS[step][1]
    assert f"naïve {stage}" in result.stdout
    assert "1,234" in result.stdout
    assert "made in 2.5 s" in result.stdout
    assert f"somewhere/{stage}-0123456789abcdef" in result.stdout.replace("\n", "")


@pytest.mark.parametrize("step", STEPS)
def test_json_is_the_stage_and_nothing_else(
    step: str, pipeline: FakePipeline, project: Path
) -> None:
    result = call("data", step, "--json", "--quiet", "--set", "seed=7")
    told = json.loads(result.stdout)
    assert told["summary"] == {"note": f"naïve {STEPS[step][1]}", "rows": 1234}
    assert not told["reused"]
    assert "naïve" in result.stdout, "readable as it is"
    assert pipeline.calls[0]["project"].seed == 7
    assert isinstance(pipeline.calls[0]["progress"], Quiet)


@pytest.mark.parametrize("step", OPTIONAL)
def test_a_step_the_project_lacks_is_named_before_anything_is_made(
    step: str, pipeline: FakePipeline, project: Path
) -> None:
    result = call("data", step, "--set", f"data.{step}=null")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"`data.{step}`" in result.stderr
    assert "luthier.yaml" in result.stderr
    assert pipeline.calls == []


@pytest.mark.parametrize("step", [s for s in STEPS if s not in OPTIONAL])
def test_other_steps_need_no_section(step: str, pipeline: FakePipeline, project: Path) -> None:
    project.write_text("name: demo\ndata:\n  sources: [{kind: csv, path: faq.csv}]\n")
    assert call("data", step).exit_code == 0


def test_wrong_settings_and_failed_stages(pipeline: FakePipeline, project: Path) -> None:
    result = call("data", "split", "--set", "data.splt.test=0.1")
    assert result.exit_code == 2
    assert "did you mean 'split'?" in result.stderr
    assert pipeline.calls == []
    pipeline.error = LeakageError("too many refused", where="faq.csv:3")
    result = call("data", "collect", "--json")
    assert (result.exit_code, result.stdout) == (4, "")
    assert result.stderr == "error: faq.csv:3: too many refused\n"


def shown(summary: dict[str, Any], *, reused: bool = False, width: int = 100) -> str:
    console = Console(width=width, record=True, file=None, force_terminal=False, quiet=False)
    with console.capture() as capture:
        show_step("clean", artifact("clean", summary, reused=reused), console)
    return capture.get()


def test_figures_tables_and_lists() -> None:
    told = shown(
        {
            "rows_in": {"documents": 12345, "rows": 7},
            "personal_data": {"email": {"found": 3, "rows": 2}, "card": {"found": 1}},
            "left_out": None,
            "budget_spent": True,
            "share": 0.123456,
            "reasons": {},
            "examples": [{"after": f"naïve {i}", "reasons": ["x"]} for i in range(20)],
        },
        reused=True,
    )
    lines = [" ".join(line.split()) for line in told.splitlines()]
    assert lines[0] == "clean reused"
    assert {"left out -", "budget spent yes", "share 0.1235", "documents 12,345"} <= set(lines)
    assert {"found rows", "email 3 2", "card 1 -"} <= set(lines)
    assert "after naïve 11" in lines
    assert "after naïve 12" not in lines
    assert "reasons" not in told


def test_what_lies_deeper_is_written_out() -> None:
    found = [{"name": "alpha", "annotators": ["anna", "bert"], "low": None}, {"name": "kappa"}]
    told = shown({"people": {"labels": 6, "agreement": found, "reliability": {"anna": 0.72694}}})
    lines = [" ".join(line.split()) for line in told.splitlines()]
    assert "agreement name alpha, annotators anna and bert, low -" in lines
    assert "name kappa" in lines
    assert "reliability anna 0.7269" in lines


def test_things_with_names_are_a_table() -> None:
    found = [
        {"name": "by words", "labels": ["a"], "coverage": 0.25},
        {"name": "b", "coverage": 1.0},
    ]
    lines = [" ".join(line.split()) for line in shown({"functions": found}).splitlines()]
    assert {"functions", "coverage", "by words 0.25", "b 1"} <= set(lines)


def test_a_table_too_wide_for_a_screen_is_turned_on_its_side() -> None:
    kinds = {f"kind {n}": n for n in range(9)}
    lines = [" ".join(line.split()) for line in shown({"sides": {"train": kinds}}).splitlines()]
    assert {"train", "kind 0 0", "kind 8 8"} <= set(lines)
    narrow = {"a": 1, "b": 2}
    lines = [" ".join(line.split()) for line in shown({"sides": {"train": narrow}}).splitlines()]
    assert {"a b", "train 1 2"} <= set(lines)


def test_square_brackets_of_rows_are_no_markup() -> None:
    told = shown({"first": "[red]x[/red]", "reasons": {"[bold]y[/bold]": 1}, "notes": ["[b]z"]})
    assert all(text in told for text in ("[red]x[/red]", "[bold]y[/bold]", "[b]z"))


def test_words_stand_left_and_figures_right() -> None:
    told = shown({"lights": {"size": {"light": "red", "mend": "Add sources."},
                             "items": {"light": "green", "mend": "-"}}})  # fmt: skip
    columns = [line.index(word) for line in told.splitlines() for word in ("Add", " -")
               if word in line]  # fmt: skip
    assert columns[0] == columns[1] + 1
