"""An answer leads back to every artifact and line it came from."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from serving_fakes import OTHER, PASSAGE, Echo, service

from luthier.core.errors import StoreError
from luthier.core.journal import Journal
from luthier.core.records import Message
from luthier.core.store import Artifact, Store
from luthier.models.generate import Sampling
from luthier.rag.spec import RagSpec
from luthier.serve.bundle import BundleInfo, open_bundle, write_bundle
from luthier.serve.service import Service
from luthier.serve.trace import render, trace


@dataclasses.dataclass
class House:
    store: Store
    journal: Journal
    answer_id: str
    made: dict[str, Artifact]


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A store with a bundle and what it was made from, and one answer."""
    store = Store(tmp_path / "store")
    collect = store.make("collect", 1, {"source": "c" * 64}, lambda _: {"documents": 3})
    prepare = store.make("prepare", 1, {"collected": collect}, lambda _: {"train": 80, "test": 20})
    tune = store.make("tune", 1, {"data": prepare, "model": "m" * 64}, fill_model)
    info = BundleInfo("t" * 64, Sampling(), ("q",), {"model": tune.name}, rag=RagSpec())

    def fill(folder: Path) -> dict[str, Any]:
        return write_bundle(
            folder, name="docs", route="rag+fine-tuned", model_folder=tune.path,
            index_folder=collect.path, info=info,
        )  # fmt: skip

    bundle = store.make("bundle", 1, {"model": tune, "index": [collect]}, fill)
    journal = Journal(store.root / "answers.sqlite")
    echo = Echo(passages=(PASSAGE, OTHER))
    serving = Service(open_bundle(bundle.path, verify=False), echo, journal)
    record = serving.answer([Message("user", "How to [bold]wrap[/bold]?")])
    made = {a.stage: a for a in (collect, prepare, tune, bundle)}
    return House(store, journal, record.id, made)


def fill_model(folder: Path) -> dict[str, Any]:
    (folder / "weights").write_bytes(b"w")
    return {"loss": 1.25, "curve": [3, 2], "tokens": 5000}


def screen(found: object) -> str:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(found)
    return console.export_text()


def test_the_chain_reaches_the_documents(house: House) -> None:
    found = trace(house.answer_id, house.journal, house.store)
    chain = {step.what: step for step in found.chain}
    names = ["bundle", "tuned weights", "documents", "dataset version"]
    assert [step.what for step in found.chain] == names
    assert chain["tuned weights"].name == house.made["tune"].name
    assert chain["tuned weights"].facts == {"loss": 1.25, "tokens": 5000}
    assert chain["tuned weights"].settings == {"model": "m" * 64}
    assert chain["tuned weights"].made_from == (house.made["prepare"].name,)
    assert chain["dataset version"].facts == {"train": 80, "test": 20}
    assert chain["documents"].settings == {"source": "c" * 64}
    assert [p.origin for p in found.cited] == ["textwrap.py:377"]
    assert found.broken == ""


def test_the_screen_shows_files_lines_and_chain(house: House) -> None:
    text = screen(render(trace("last", house.journal, house.store)))
    for word in (
        house.answer_id,
        "How to [bold]wrap[/bold]?",  # a question is text, not markup
        "textwrap.py:377",
        "textwrap.py:391",
        "train 80",
        *(artifact.name for artifact in house.made.values()),
    ):
        assert word in text
    cited = {line.split()[-2] for line in text.splitlines() if "textwrap.py" in line}
    assert cited == {"yes", "no"}


def test_what_a_stage_says_and_was_told_alike_stands_there_once(house: House) -> None:
    found = trace("last", house.journal, house.store)
    step = dataclasses.replace(found.chain[0], facts={"route": "rag"}, settings={"route": "rag"})
    assert screen(render(dataclasses.replace(found, chain=(step,)))).count("route rag") == 2


def test_json_holds_the_same(house: House) -> None:
    found = trace(house.answer_id[:8], house.journal, house.store)
    data = json.loads(json.dumps(found.as_json()))
    assert data["answer"]["id"] == house.answer_id
    assert data["cited"] == [
        {"id": "wrap#0", "title": "textwrap.wrap", "origin": "textwrap.py:377", "score": 0.9}
    ]
    assert len(data["chain"]) == 4


def test_a_bundle_that_is_gone_is_told(house: House) -> None:
    shutil.rmtree(house.made["bundle"].path)
    found = trace("last", house.journal, house.store)
    assert found.chain == ()
    assert "not in the store" in found.broken
    assert found.broken.replace("\n", "")[:20] in screen(render(found)).replace("\n", "")
    assert found.answer.passages[0].origin == "textwrap.py:377"


def test_a_broken_chain_is_told(house: House) -> None:
    shutil.rmtree(house.made["collect"].path)
    found = trace("last", house.journal, house.store)
    assert [step.what for step in found.chain] == ["bundle"]
    assert "gone" in found.broken


def test_a_damaged_bundle_beside_does_not_hide_the_right_one(house: House) -> None:
    beside = house.store.root / "artifacts" / "bundle-0000"
    beside.mkdir()
    (beside / "bundle.json").write_text("{")
    assert trace("last", house.journal, house.store).broken == ""


def test_an_unknown_answer(house: House) -> None:
    with pytest.raises(StoreError, match="no answer 'ans-x'"):
        trace("ans-x", house.journal, house.store)


def test_an_answer_without_passages(tmp_path: Path) -> None:
    answering = service(tmp_path, Echo())
    answering.answer([Message("user", "one")])
    found = trace("last", answering.journal, Store(tmp_path))
    assert "no passages" in screen(render(found))
