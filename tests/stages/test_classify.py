"""A project of labelled rows from file to served label, and what remakes its classifier."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from luthier import config, pipeline
from luthier.core.errors import DataError
from luthier.core.journal import Journal
from luthier.core.progress import Quiet
from luthier.core.records import Message
from luthier.core.store import Store

PROJECT = """
name: wishes
data:
  sources: [{kind: csv, path: wishes.csv, text: text, label: wish}]
  split: {kind: stratified, test: 0.3, validation: 0.2}
  balance: {techniques: [{kind: smote}]}
  encoder: encoder
model:
  name: scratch
  scratch: {vocab_size: 330, hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1,
            num_attention_heads: 2, max_position_embeddings: 256}
setup: {precision: float32}
tune: null
rag: null
classifier: head
evaluate: {max_items: 12, latency_items: 2, resamples: 1000, max_new_tokens: 4, few_shot: 2}
"""


@pytest.fixture(scope="module")
def folder(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has been run once: two wishes, one of them rare."""
    folder = tmp_path_factory.mktemp("wishes")
    shutil.copytree(tiny_encoder, folder / "encoder")
    words = ["list", "string", "lines", "width", "return", "of", "and"]
    rows = [f"join {words[i % 7]} alpha{i} beta{i},path" for i in range(42)]
    rows += [f"wrap {words[i % 7]} gamma{i} delta{i},text" for i in range(10)]
    (folder / "wishes.csv").write_text("text,wish\n" + "\n".join(rows))
    (folder / "luthier.yaml").write_text(PROJECT)
    made = run(folder).artifacts
    assert list(made) == [
        "collect", "prepare", "balance", "leakage", "model", "classify", "compare", "bundle",
        "report",
    ]  # fmt: skip
    return folder


def run(folder: Path, *sets: str) -> pipeline.RunResult:
    return pipeline.run(config.load(folder / "luthier.yaml", sets), folder, Quiet())


def made(result: pipeline.RunResult) -> set[str]:
    return {name for name, artifact in result.artifacts.items() if not artifact.reused}


def test_it_learns_the_balanced_rows_and_is_measured_on_the_items_of_the_comparison(
    folder: Path,
) -> None:
    found = run(folder).artifacts
    told, compared = found["classify"].summary, found["compare"].summary
    assert told["rare"] == ["text"]
    learnt = sum(one["train_rows"] for one in told["classes"].values())
    assert told["trained_on"] > learnt  # SMOTE's vectors are among them
    assert told["test"]["rows"] == compared["items"] == 12
    assert told["validation"]["rows"] > 4
    route = compared["routes"]["classifier"]
    assert route["exact_match"]["overall"]["mean"] == pytest.approx(told["test"]["accuracy"])
    assert route["exact_match"]["overall"]["mean"] == 1.0
    assert (route["perplexity"]["overall"], route["scored"]) == (None, 0)
    assert route["faithfulness"]["overall"] is None
    assert compared["ranking"]["overall"][0] == "classifier"


def test_unchanged_nothing_is_remade_and_a_setting_remakes_what_follows(folder: Path) -> None:
    assert made(run(folder)) == set()
    changed = run(folder, "classifier.hidden=4")
    assert made(changed) == {"classify", "compare", "bundle", "report"}


def test_another_encoder_is_another_classifier(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "other")
    path = tmp_path / "other/encoder/tokenizer.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content, indent=1))
    again = pipeline.run(
        config.load(tmp_path / "other/luthier.yaml"), tmp_path / "other", Quiet(), until="tune"
    )
    assert made(again) == {"balance", "leakage", "classify"}


def test_the_best_route_is_served_and_traced(folder: Path) -> None:
    from luthier.serve.bundle import find_bundle, open_bundle
    from luthier.serve.service import open_service
    from luthier.serve.trace import trace

    result = run(folder)
    assert result.artifacts["bundle"].summary["route"] == "classifier"
    store = Store(folder / ".luthier")
    journal = Journal(folder / "answers.sqlite")
    bundle = open_bundle(find_bundle(store))
    record = open_service(bundle, journal, device="cpu").answer([Message("user", "wrap width")])
    assert (record.answer, record.route, record.finish_reason) == ("text", "classifier", "stop")
    told = json.dumps(trace(record.id, journal, store).as_json())
    assert "classify-" in told
    page = (result.artifacts["report"].path / "report.html").read_text(encoding="utf-8")
    assert "test: recall of rare labels" in page


def test_without_tuning_and_comparison_the_classifier_is_what_is_served(folder: Path) -> None:
    alone = run(folder, "evaluate=null").artifacts
    assert alone["bundle"].summary["route"] == "classifier"
    assert alone["classify"].summary["test"]["rows"] > 12  # all there are


def test_questions_without_a_label_are_refused_before_anything_is_trained(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder / "encoder", tmp_path / "encoder")
    shutil.copy(folder / "wishes.csv", tmp_path)
    faq = "\n".join(f"what is rule {i}?,it is {i}" for i in range(30))
    (tmp_path / "faq.csv").write_text(f"question,answer\n{faq}\n")
    more = "text, label: wish}, {kind: csv, path: faq.csv}]"
    (tmp_path / "luthier.yaml").write_text(PROJECT.replace("text, label: wish}]", more))
    with pytest.raises(DataError, match="their answer is not a label") as caught:
        run(tmp_path, "data.balance=null")
    assert caught.value.where.startswith("faq.csv:")
    assert not list((tmp_path / ".luthier/artifacts").glob("classify-*"))
    routes = run(tmp_path, "data.balance=null", "evaluate.routes=[base]").artifacts
    assert routes["classify"].summary["labels"] == 2
