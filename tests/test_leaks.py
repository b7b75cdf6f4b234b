"""The leakage check is something a run fails on: commands that end with exit code 4."""

from __future__ import annotations

import dataclasses
import json
import os
import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from luthier import config, pipeline
from luthier.cli.main import main
from luthier.core.progress import Quiet
from luthier.core.records import Example, read_table, write_table
from luthier.core.store import Artifact

EXAMPLES = Path(__file__).parents[1] / "examples" / "data"
PROJECT = """
name: leaky
data:
  sources:
    - {kind: csv, path: faq.csv, question: question, answer: answer}
  questions: null
  split: {test: 0.3, validation: 0.1}
model:
  name: scratch
  scratch: {vocab_size: 300, hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1,
            num_attention_heads: 1, max_position_embeddings: 128}
tune: null
rag: null
evaluate: null
"""
ROWS = [f"Which gauge has string number {i} of the set?,Gauge {i * 7}." for i in range(40)]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "luthier.yaml").write_text(PROJECT)
    (tmp_path / "faq.csv").write_text("\n".join(["question,answer", *ROWS]))
    return tmp_path


def luthier(*arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--quiet"])


def split(*sets: str) -> Path:
    """Split by the command; where the rows lie."""
    done = luthier("data", "split", "--json", *sets)
    assert done.exit_code == 0, done.stderr
    return Path(json.loads(done.stdout)["path"]) / "examples.parquet"


def planned(*sets: str) -> dict[str, Artifact]:
    """A run up to the training plan, which must succeed."""
    project = config.load(Path("luthier.yaml"), sets)
    return pipeline.run(project, Path(), Quiet(), until="plan").artifacts


def plant(rows: Path) -> tuple[Example, Example]:
    """Put a copy of a test row among the training rows, behind the split's back."""
    examples = read_table(rows, Example)
    test = next(e for e in examples if e.side == "test")
    copy = dataclasses.replace(test, id="copy", origin="late.csv:7", group="late", side="train")
    write_table(rows, [*examples, copy], Example)
    return test, copy


@pytest.mark.parametrize(
    "command",
    [
        ("run",),
        ("run", "--set", "evaluate={max_items: 2}"),
        ("data", "profile"),
        ("tune", "--set", "tune={}"),
    ],
    ids=" ".join,
)
def test_a_copy_planted_after_the_split_ends_every_command_that_trains_or_judges(
    command: tuple[str, ...], project: Path
) -> None:
    test, copy = plant(split())
    done = luthier(*command)
    assert done.exit_code == 4, done.output
    said = " ".join(done.stderr.split())
    assert f"'{test.question}' ({test.origin}): same as {copy.origin}" in said
    listed = json.loads((project / ".luthier" / "leakage.json").read_text(encoding="utf-8"))
    (found,) = listed["overlaps"]
    assert (found["test_id"], found["other_id"]) == (test.id, "copy")
    assert not list((project / ".luthier" / "artifacts").glob("model-*")), "it fails before that"


def test_nothing_planted_is_nothing_found(project: Path) -> None:
    split()
    assert planned()["leakage"].summary["leakage"]["leaks"] is False


def test_a_test_question_in_the_retrieval_corpus(project: Path) -> None:
    test = next(e for e in read_table(split(), Example) if e.side == "test")
    page = f"Our exam asks: {test.question} Few people know."
    (project / "exam.txt").write_text(f"{page}\n")
    source = "data.sources=[{kind: csv, path: faq.csv}, {kind: text, paths: [exam.txt]}]"
    done = luthier("run", "--set", source, "--set", "rag={}")
    assert done.exit_code == 4, done.output
    said = " ".join(done.stderr.split())
    assert f"'{test.question}' ({test.origin}): in the corpus, exam.txt:1" in said
    planned(source)  # no retrieval: nobody searches the page


def test_without_a_test_side_there_is_nothing_to_hold_against(project: Path) -> None:
    none = "data.split={test: 0, validation: 0.1}"
    assert "leakage" not in planned(none)
    asked = luthier("run", "--set", none, "--set", "evaluate={}")
    assert asked.exit_code == 3
    assert "no row fell on the test side" in asked.stderr
    assert "`evaluate: null`" in asked.stderr, "the way out that the line above takes"


# CLINC150 as it is published.


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The example project, with both published sides; the settings that read them."""
    source = Path(os.environ.get("LUTHIER_DATA", "")) / "clinc150"
    if not (source / "data_full.json").is_file():
        pytest.skip("NOT TESTED: set LUTHIER_DATA to a folder that holds clinc150/data_full.json")
    for name in ("luthier.yaml", "published.py"):
        shutil.copy(EXAMPLES / "clinc150" / name, tmp_path)
    (tmp_path / "data").symlink_to(source)
    monkeypatch.chdir(tmp_path)
    runpy.run_path("published.py")
    one = "{{kind: json, path: data/data_full.json, records: {}, columns: [text, label]}}"
    sets = (
        f"data.sources=[{one.format('train')}, {one.format('test')}]",
        "data.split={kind: random, keep: sides.json}",
    )
    return [part for one in sets for part in ("--set", one)]


def as_published(rows: Path) -> None:
    """Undo what the split mended: every row that was collected, on its published side."""
    (collected,) = Path(".luthier/artifacts").glob("collect-*")
    sides: dict[str, Any] = json.loads(Path("sides.json").read_text(encoding="utf-8"))
    everything = read_table(collected / "rows.parquet", Example)
    write_table(rows, [dataclasses.replace(e, side=sides[e.origin]) for e in everything], Example)


def test_the_two_test_texts_in_the_training_set_of_clinc150_end_the_run(
    published: list[str],
) -> None:
    mended = split(*published)
    planned(*published[1::2])
    shutil.rmtree(*Path(".luthier/artifacts").glob("leakage-*"))
    as_published(mended)
    done = luthier("run", *published)
    assert done.exit_code == 4, done.output
    said = " ".join(done.stderr.split())
    file = "data/data_full.json"
    for text, train in (("what's your designation", 12066), ("where did you grow up", 14018)):
        assert f"'{text}' ({file}:test[" in said
        assert f"same as {file}:train[{train}]" in said
    assert "near-copies of one of 15,000" in said
