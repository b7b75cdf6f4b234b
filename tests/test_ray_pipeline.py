"""A project's data in this process, in several and on Ray: the same rows, sides and ledgers."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import random
import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from luthier import config, pipeline
from luthier.core.errors import ModelError, ResourceError
from luthier.core.ledger import Entry
from luthier.core.progress import Quiet
from luthier.core.records import Example, read_table

PROJECT = """
name: parts
data:
  sources:
    - {kind: csv, path: tickets.csv, text: body, label: topic}
    - {kind: csv, path: notes.csv, text: note}
    - {kind: csv, path: faq.csv, question: question, answer: answer}
  clean:
    language: {allowed: [en]}
    pii: {email: pseudonymise}
    exact_duplicates: {judges: all}
    near_duplicates: {judges: all}
  split: {kind: stratified}
  augment:
    augmenters: [{kind: characters}]
    only_labels: [rare]
    min_similarity: -1
  balance: {techniques: [{kind: over_sample}]}
  encoder: ENCODER
model: {name: scratch}
"""
STAGES = ("collect", "clean", "prepare", "augment", "balance")
TWO = "{kind: processes, workers: 2}"
RAY = "{kind: ray, workers: 2}"
WORDS = (
    "parcel", "arrived", "late", "broken", "send", "invoice", "refund", "money", "account", "card",
    "password", "bank", "order", "street", "delivery", "tracking", "number", "address", "weather",
    "should", "would", "never", "always", "another", "garden", "window", "kitchen", "bicycle",
    "morning", "letter", "answer", "simple", "question", "travel", "country", "company",
)  # fmt: skip
RARE = "the list of the lines and the path of the text and the width of the string and"
GERMAN = "Das Paket kam leider viel zu spät, und ich möchte bitte mein Geld zurück haben."

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="pip install 'luthier[ray]' to test Ray"
)


@pytest.fixture
def folder(tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose tables are cleaned in many batches."""
    monkeypatch.setattr("luthier.data.clean.clean.BATCH_ROWS", 40)
    draw = random.Random(7)
    said: list[str] = []
    for number in range(240):
        opening = RARE if number % 20 == 1 else "I think that my"
        text = f"{opening} {' '.join(draw.choices(WORDS, k=12))}"
        if number % 9 == 0:
            text += f", so write to me at anna{number}@woodmail.net"
        if number % 10 == 3:
            text = draw.choice(said)  # the same again
        if number % 10 == 6:
            text = draw.choice(said) + " thanks"  # nearly the same
        said.append(f"{GERMAN} {number}" if number % 12 == 11 else text)
    topics = ["rare" if i % 20 == 1 else ("billing", "delivery")[i % 2] for i in range(240)]
    tickets = [f'"{text}",{topic}\n' for text, topic in zip(said, topics, strict=True)]
    (tmp_path / "tickets.csv").write_text("body,topic\n" + "".join(tickets), encoding="utf-8")
    asked = [f'"What about {text}?","Say this: {text}."\n' for text in said[::2]]
    (tmp_path / "faq.csv").write_text("question,answer\n" + "".join(asked), encoding="utf-8")
    notes = [f'"{text} and then again the {text}"\n' for text in said[1::2]]
    (tmp_path / "notes.csv").write_text("note\n" + "".join(notes), encoding="utf-8")
    (tmp_path / "luthier.yaml").write_text(PROJECT.replace("ENCODER", str(tiny_encoder)))
    return tmp_path


def _run(folder: Path, runner: str, *sets: str) -> pipeline.RunResult:
    named = (f"data.runner={runner}", f"store={_store(runner)}", *sets)
    project = config.load(folder / "luthier.yaml", named)
    return pipeline.run(project, folder, Quiet(), until="balance")


def _store(runner: str) -> str:
    return "store-" + "".join(filter(str.isalpha, runner))


def _files(result: pipeline.RunResult) -> dict[tuple[str, str], bytes]:
    """Every file of every stage but the manifests; without the seconds a stage says it took."""
    return {
        (stage, path.name): re.sub(rb'"seconds": [0-9.]+', b"", path.read_bytes())
        for stage, artifact in result.artifacts.items()
        for path in sorted(artifact.path.iterdir())
        if path.name != "manifest.json"
    }


def _same(folder: Path, runner: str) -> None:
    here, there = _run(folder, "{kind: embedded}"), _run(folder, runner)
    assert tuple(here.artifacts) == tuple(there.artifacts) == STAGES
    assert not there.artifacts["clean"].reused
    expected, found = _files(here), _files(there)
    assert expected.keys() == found.keys()
    assert [name for name in expected if expected[name] != found[name]] == []
    digests = {stage: artifact.digest for stage, artifact in here.artifacts.items()}
    assert {stage: artifact.digest for stage, artifact in there.artifacts.items()} == digests


def test_the_project_has_something_for_every_stage_to_do(folder: Path) -> None:
    made = _run(folder, "{kind: embedded}").artifacts
    assert min(made["clean"].summary["rows_in"].values()) > 100  # documents and rows
    reasons = {e.reason for e in read_table(made["clean"].path / "ledger.parquet", Entry)}
    assert {"other language", "exact duplicate", "near-duplicate"} <= reasons
    assert made["clean"].summary["personal_data"]["email"]["rows"] > 20
    rows = read_table(made["balance"].path / "examples.parquet", Example)
    assert {row.side for row in rows} == {"train", "validation", "test"}
    assert any(row.parent for row in read_table(made["augment"].path / "examples.parquet", Example))
    assert len(rows) > 300


def test_several_processes_give_the_same_tables(folder: Path) -> None:
    _same(folder, TWO)


@needs_ray
def test_ray_gives_the_same_tables(folder: Path) -> None:
    _same(folder, RAY)


def test_an_error_in_a_worker_is_the_one_told_here(folder: Path) -> None:
    (folder / "judge").mkdir()
    (folder / "judge" / "tokenizer.json").write_text("{ no tokenizer")
    judged = "data.clean.length={max_tokens: 100, tokenizer: judge}"
    told = []
    for one in ("{kind: embedded}", TWO):
        with pytest.raises(ModelError) as caught:
            _run(folder, one, judged)
        told.append((type(caught.value), str(caught.value)))
        _assert_nothing_half_written(folder, one)
    assert told[0] == told[1]


def test_a_killed_worker_ends_the_run_with_nothing_half_written(folder: Path) -> None:
    died = pytest.raises(ResourceError, match="a worker process died")
    with _Kills(lambda: [p.pid for p in multiprocessing.active_children() if p.pid]), died:
        _run(folder, TWO)
    _assert_nothing_half_written(folder, TWO)
    assert not multiprocessing.active_children()
    _same(folder, TWO)


@needs_ray
def test_a_killed_worker_of_ray_changes_no_row(folder: Path) -> None:
    with _Kills(_ray_workers):
        _same(folder, RAY)


def _assert_nothing_half_written(folder: Path, runner: str) -> None:
    store = folder / _store(runner)
    assert [path.name.partition("-")[0] for path in (store / "artifacts").iterdir()] == ["collect"]
    assert not list((store / "drafts").iterdir())


def _ray_workers() -> list[int]:
    """Those at work on a batch."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if process.cmdline()[:1] == ["ray::_call"]:
                found.append(process.pid)
        except psutil.Error:  # it ended meanwhile
            continue
    return found


class _Kills:
    """Kills the first process that is found while the block runs, as the kernel does."""

    def __init__(self, find: Callable[[], list[int]]) -> None:
        self._find, self._ended, self._killed = find, threading.Event(), 0
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._ended.is_set():
            for pid in self._find()[:1]:
                os.kill(pid, signal.SIGKILL)
                self._killed = pid
                return
            time.sleep(0.002)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        assert self._killed, "no worker was found to kill"
