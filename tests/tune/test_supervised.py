"""Every supervised objective learns, with encoders and decoders, and is read by transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import labelled_rows as made
import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
)

from luthier.core.errors import ConfigError, DataError, LeakageError, ModelError
from luthier.core.ledger import read_ledger
from luthier.setup.losses import FocalLoss, Terms
from luthier.tune.classification import Classification
from luthier.tune.methods import Head, LastLayers, Lora
from luthier.tune.multi_label import MultiLabel
from luthier.tune.predict import load_predictor
from luthier.tune.regression import Regression
from luthier.tune.token_classification import TokenClassification


@pytest.mark.parametrize("kind", ["bert", "roberta", "modernbert", "llama", "gpt2"])
def test_labels_are_learned_and_transformers_computes_the_same(kind: str, tmp_path: Path) -> None:
    told = made.learn(Classification(), made.single(), tmp_path, kind=kind)
    assert told["validation_loss"] < told["validation_loss_before"]
    assert told["validation_accuracy"] > 0.8
    folder = tmp_path / "out" / "model"
    network = AutoModelForSequenceClassification.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for text, said in zip(
        made.texts(7), load_predictor(folder).predict(made.texts(7)), strict=True
    ):
        logits = network(**tokenizer(text, return_tensors="pt")).logits[0]
        theirs = torch.softmax(logits.float(), -1).tolist()
        assert list(said.probabilities.values()) == pytest.approx(theirs, abs=1e-5)
        assert said.answer == network.config.id2label[int(logits.argmax())]


@pytest.mark.parametrize("method", [Head(), LastLayers(layers=1), Lora(r=4)])
def test_parts_and_adapters_learn_with_the_head(method: Any, tmp_path: Path) -> None:
    told = made.learn(Classification(), made.single(), tmp_path, method=method)
    assert told["validation_loss"] < told["validation_loss_before"]
    assert len(load_predictor(tmp_path / "out" / "model").predict(made.texts(3))) == 3


def test_the_mean_of_all_tokens_is_another_pooling(tmp_path: Path) -> None:
    told = made.learn(Classification(pooling="mean"), made.single(), tmp_path)
    assert told["validation_accuracy"] > 0.8
    said = load_predictor(tmp_path / "out" / "model").predict(["violin", "guitar", "lute"])
    assert [one.answer for one in said] == ["a", "b", "c"]


def test_several_labels_get_thresholds_from_the_validation_rows(tmp_path: Path) -> None:
    told = made.learn(MultiLabel(), made.several(), tmp_path)
    assert told["validation_micro_f1"] > told["validation_micro_f1_before"]
    assert told["validation_micro_f1_with_thresholds"] >= told["validation_micro_f1"]
    said = load_predictor(tmp_path / "out" / "model").predict(["violin", "path"])
    assert "violin" in said[0].labels
    assert "violin" not in said[1].labels
    assert json.loads(said[0].answer) == list(said[0].labels)
    network = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out" / "model")
    assert network.config.problem_type == "multi_label_classification"


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_words_get_tags(kind: str, tmp_path: Path) -> None:
    told = made.learn(TokenClassification(), made.tagged(), tmp_path, kind=kind)
    assert told["validation_f1"] > 0.9
    assert told["learned_words"] > told["rows"]
    folder = tmp_path / "out" / "model"
    said = load_predictor(folder).predict(["wrap violin strings", ""])
    assert [one.answer for one in said] == ["O B-I O", ""]
    AutoModelForTokenClassification.from_pretrained(folder)


def test_numbers_come_back_in_their_own_unit(tmp_path: Path) -> None:
    told = made.learn(Regression(), made.numbers(), tmp_path, epochs=20.0)
    assert told["validation_mae"] < 60 < told["validation_mae_before"]
    assert told["validation_spearman"] > 0.9
    (said,) = load_predictor(tmp_path / "out" / "model").predict(["violin strings join"])
    assert said.value == pytest.approx(300, abs=100)
    assert float(said.answer) == pytest.approx(said.value, rel=1e-4)


def test_rows_that_cannot_be_learned_are_in_the_ledger(tmp_path: Path) -> None:
    rows = [made.row(100, "violin", ""), made.row(101, "lute", "z"), *made.single()]
    rows = [rows[0], *rows[2:-1], rows[1]]  # the unknown label is among the validation rows
    rows.insert(1, made.row(102, "violin " * 90, "a"))
    told = made.learn(Classification(), rows, tmp_path, max_refused=0.1)
    assert told["rows"] + told["rows_validation"] == len(rows) - 3
    entries = {e.origin: e.reason for e in read_ledger(tmp_path / "out").entries}
    assert entries == {
        "rows.csv:100": "no label",
        "rows.csv:101": "label of no training row",
        "rows.csv:102": "longer than max_length 64",
    }


def test_long_texts_stop_the_run_or_are_cut_as_is_asked(tmp_path: Path) -> None:
    rows = [made.row(i, "violin " * 40, "ab"[i % 2]) for i in range(30)]
    (tmp_path / "first").mkdir()
    with pytest.raises(LeakageError, match="longer than max_length"):
        made.learn(Classification(), rows, tmp_path / "first", epochs=1.0)
    told = made.learn(Classification(), rows, tmp_path, epochs=1.0, truncation="truncate_prompt")
    assert told["rows"] == 20
    entries = read_ledger(tmp_path / "out").entries
    assert [e.action for e in entries] == ["changed"] * 30


def test_bad_settings_are_told_before_any_step(tmp_path: Path) -> None:
    def refused(error: type[Exception], match: str, objective: Any, rows: Any, **how: Any) -> None:
        base = tmp_path / match.replace(" ", "-")
        base.mkdir()
        with pytest.raises(error, match=match):
            made.learn(objective, rows, base, **how)

    alike = [made.row(i, "violin", "a") for i in range(20)]
    refused(DataError, "one label only", Classification(), alike)
    refused(ConfigError, "no training row", Classification(out_of_scope="oos"), made.single())
    weights = FocalLoss(class_weights={"z": 2.0})
    refused(ConfigError, "no training row has the", Classification(loss=weights), made.single())
    refused(ModelError, "cannot pool by", Classification(pooling="last"), made.single())
    refused(ConfigError, "cannot be split", Classification(), made.single(), truncation="split")
    refused(DataError, "different numbers", Regression(), alike)


def test_class_weights_of_balancing_go_before_the_settings(tmp_path: Path) -> None:
    from luthier.core.ledger import Ledger
    from luthier.tune import supervised
    from luthier.tune.tune import open_model

    tuning, rows = made.spec(Classification()), made.single()
    model = open_model(made.folder_of("bert", tmp_path), tuning, made.plan(), rows)
    told = Terms(("a", "b", "c"), class_weights=(1.0, 2.0, 4.0))
    built = supervised.build(tuning.objective, rows, model, tuning, told, Ledger())
    assert built.weights.tolist() == [2.0 ** "abc".index(row.label) for row in rows]
