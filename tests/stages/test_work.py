"""What several stages share."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import labelled_rows as made
import pytest
import torch
from tiny_models import ask, plan

from luthier import config
from luthier.core.progress import Quiet
from luthier.core.records import Document, write_table
from luthier.core.store import Artifact, Store
from luthier.data.collect import DOCUMENTS
from luthier.data.prepare import read_documents
from luthier.evaluate import labels
from luthier.models.generate import Sampling
from luthier.models.load import ModelSpec
from luthier.models.quantise import is_quantised
from luthier.stages.work import NotMadeError, Work
from luthier.tune.classification import Classification
from luthier.tune.predict import Predictor, load_predictor

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


@pytest.mark.parametrize(
    ("section", "precision", "quantisation"),
    [("{}", "float32", "none"), ("{precision: bfloat16, quantisation: 8bit}", "bfloat16", "8bit")],
)
def test_a_model_tuned_on_labels_is_opened_as_the_section_says(
    section: str,
    precision: str,
    quantisation: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if quantisation == "8bit" and importlib.util.find_spec("torchao") is None:
        pytest.skip("NOT TESTED: torchao is not installed")
    made.learn(Classification(), made.single(30), tmp_path, epochs=1.0)
    (tmp_path / "luthier.yaml").write_text(f"{PROJECT}model: {section}\n")
    work = Work(config.load(tmp_path / "luthier.yaml"), tmp_path, Quiet())
    tuned = Artifact("tune", "d" * 64, tmp_path / "out", {}, {}, 0.0, reused=True)
    work.made["tune"], work.plan = tuned, plan()
    opened: list[Predictor] = []

    def opening(folder: Path, **how: Any) -> Predictor:
        opened.append(load_predictor(folder, **how))
        return opened[-1]

    monkeypatch.setattr(labels, "load_predictor", opening)
    (reply,) = work.answerer("fine-tuned").generate([ask("violin")], Sampling())
    assert reply.text in ("a", "b", "c")
    network = opened[0].model.network
    assert network.classifier.weight.dtype == getattr(torch, precision)
    assert is_quantised(network) is (quantisation != "none")


def test_where_nothing_is_made_no_model_is_downloaded(tmp_path: Path) -> None:
    (tmp_path / "luthier.yaml").write_text(PROJECT)
    project = config.load(tmp_path / "luthier.yaml")
    dry = Work(project, tmp_path, Quiet(), dry=True)
    with pytest.raises(NotMadeError, match="'me/there-is-no-such-model' is downloaded"):
        dry.find_model(ModelSpec(name="me/there-is-no-such-model"))
    assert dry.find_model(ModelSpec()).name == "starter"


@pytest.mark.parametrize(("closed_rows", "learned"), [("warn", 2), ("refuse", 1)])
def test_documents_not_for_everyone_are_told_of_or_not_learned_from(
    tmp_path: Path, closed_rows: str, learned: int
) -> None:
    path = tmp_path / "luthier.yaml"
    path.write_text(f"{PROJECT}  closed_rows: {closed_rows}\n")
    told = Quiet()
    work = Work(config.load(path), tmp_path, told)
    rows = [
        Document("a", "t", "for all", "f:1", "text", "a"),
        Document("b", "t", "for sales", "f:2", "text", "b", access=("sales",)),
    ]

    def fill(folder: Path) -> dict[str, Any]:
        write_table(folder / DOCUMENTS, rows, Document)
        return {}

    work.make("collect", 1, {}, fill)
    for _ in range(2):
        assert len(read_documents(work.learned().path)) == learned
    assert len(work.documents()) == 2
    [line] = told.lines
    assert line.startswith("1 documents that not all may see")
