"""A classifier from data folder to predictions, with every way of balancing before it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from luthier.core.errors import DataError, ModelError
from luthier.core.progress import Quiet
from luthier.core.records import Example, Message, Side, write_table
from luthier.data.balance.balance import BalanceSpec, balance
from luthier.models.encode import load_encoder
from luthier.setup.losses import CrossEntropy, ExpectedCost, FocalLoss
from luthier.tune._scores import scores
from luthier.tune.classifier import (
    AdaBoost,
    AnySpec,
    Bagging,
    Card,
    Forest,
    GradientBoosting,
    Head,
    load_classifier,
    train_classifier,
)

LABELS = ("ask", "pay", "send")
COUNTS = {"ask": 120, "pay": 40, "send": 5}
SPECS = [
    Head(),
    Head(hidden=12, loss=FocalLoss()),
    Bagging(estimators=3),
    Forest(estimators=15, balanced=True),
    AdaBoost(estimators=8),
    GradientBoosting(iterations=8),
]


def encode(texts: Sequence[str]) -> np.ndarray:
    found = []
    for text in texts:
        label, number, side = text.split()
        random = np.random.default_rng([ord(label[0]), int(number), ord(side[1])])
        centre = np.random.default_rng(ord(label[0])).normal(size=10)
        found.append(centre + 1.5 * random.normal(size=10))
    return np.array([v / np.linalg.norm(v) for v in found], dtype=np.float32).reshape(-1, 10)


def rows_of(side: Side, counts: dict[str, int]) -> list[Example]:
    rows = []
    for label, count in counts.items():
        for i in range(count):
            text = f"{label} {i} {side}"
            turns = (Message("user", text), Message("assistant", label))
            rows.append(Example(text, turns, text, text, "", side=side, label=label))
    return rows


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    rows = rows_of("train", COUNTS)
    rows += rows_of("validation", {"ask": 24, "pay": 8, "send": 3, "zebra": 1})
    rows += rows_of("test", dict.fromkeys(LABELS, 60))
    write_table(folder / "examples.parquet", rows, Example)
    return folder


def train(spec: AnySpec, prepared: Path, folder: Path, seed: int = 0) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    return train_classifier(spec, prepared, folder, Quiet(), encode=encode, seed=seed, side="test")


def balanced(prepared: Path, folder: Path, **technique: Any) -> Path:
    folder.mkdir()
    spec = TypeAdapter(BalanceSpec).validate_json(
        BalanceSpec.model_validate({"techniques": (technique,)}).model_dump_json()
    )
    balance(spec, prepared, folder, Quiet(), seed=1, encode=encode)
    return folder


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_every_kind_learns_and_is_loaded_as_saved(
    prepared: Path, tmp_path: Path, spec: AnySpec
) -> None:
    told = train(spec, prepared, tmp_path)
    assert told["accuracy"] > 0.5  # a third by chance
    assert set(told["recall"]) == set(LABELS)
    assert (told["trained_on"], told["unknown_validation_labels"]) == (165, 1)
    test = rows_of("test", dict.fromkeys(LABELS, 60))
    said = load_classifier(tmp_path, encode).predict([row.question for row in test])
    again = scores([row.label for row in test], [p.label for p in said])
    assert again["macro_f1"] == pytest.approx(told["macro_f1"])
    for one in said:
        assert sum(one.probabilities.values()) == pytest.approx(1.0)
        assert one.probability == one.probabilities[one.label] == max(one.probabilities.values())


def test_the_same_seed_trains_the_same_head(prepared: Path, tmp_path: Path) -> None:
    train(Head(hidden=4, epochs=3), prepared, tmp_path / "1", seed=3)
    train(Head(hidden=4, epochs=3), prepared, tmp_path / "2", seed=3)
    for name in ("head.safetensors", "labels.json"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


@pytest.mark.parametrize(
    "technique",
    [
        {"kind": "over_sample"},
        {"kind": "smote"},
        {"kind": "class_weights"},
        {"kind": "costs", "of_class": {"send": 8.0, "pay": 2.0}},
    ],
    ids=str,
)
def test_balancing_reaches_the_rare_class(
    prepared: Path, tmp_path: Path, technique: dict[str, Any]
) -> None:
    plain = train(Head(), prepared, tmp_path / "plain")
    told = train(Head(), balanced(prepared, tmp_path / "data", **technique), tmp_path / "head")
    assert told["recall"]["send"] > plain["recall"]["send"] + 0.05
    assert told["macro_f1"] > plain["macro_f1"]


def test_losses_of_the_data_go_before_the_settings(prepared: Path, tmp_path: Path) -> None:
    data = balanced(prepared, tmp_path / "data", kind="focal", gamma=3.0)
    train(Head(loss=FocalLoss(gamma=0.5)), data, tmp_path / "told")
    train(Head(loss=FocalLoss(gamma=3.0)), prepared, tmp_path / "set")
    train(Head(loss=FocalLoss(gamma=0.5)), prepared, tmp_path / "own")
    weights = [
        (tmp_path / name / "head.safetensors").read_bytes() for name in ("told", "set", "own")
    ]
    assert weights[0] == weights[1] != weights[2]


def test_costs_of_the_settings_decide_too(prepared: Path, tmp_path: Path) -> None:
    dear = ExpectedCost(costs={"send": {"ask": 50.0, "pay": 50.0}})
    told = train(Head(loss=dear), prepared, tmp_path / "dear")
    plain = train(Head(loss=CrossEntropy()), prepared, tmp_path / "plain")
    assert told["recall"]["send"] > plain["recall"]["send"]
    assert told["recall"]["ask"] <= plain["recall"]["ask"]
    card = Card.model_validate_json((tmp_path / "dear" / "labels.json").read_bytes())
    assert card.costs == ((0, 1, 1), (1, 0, 1), (50, 50, 0))


def test_an_ensemble_says_which_losses_it_cannot_use(prepared: Path, tmp_path: Path) -> None:
    focal = balanced(prepared, tmp_path / "focal", kind="focal")
    assert train(Forest(estimators=2), focal, tmp_path / "1")["loss_terms_not_used"] == [
        "focal_gamma"
    ]
    weights = balanced(prepared, tmp_path / "weights", kind="class_weights")
    assert train(Forest(estimators=2), weights, tmp_path / "2")["loss_terms_not_used"] == []
    even = Forest(estimators=2, balanced=True)
    assert train(even, weights, tmp_path / "3")["loss_terms_not_used"] == ["class_weights"]


def test_probabilities_are_calibrated_on_the_validation_side(tmp_path: Path) -> None:
    rows = rows_of("train", {"ask": 12, "pay": 12}) + rows_of("validation", {"ask": 90, "pay": 90})
    rows += rows_of("test", {"ask": 150, "pay": 150})
    write_table(tmp_path / "examples.parquet", rows, Example)
    spec = Bagging(estimators=3, base="tree")  # sure of itself, and wrong
    told = train(spec, tmp_path, tmp_path / "out")
    assert told["temperature"] > 1.5
    test = [row for row in rows if row.side == "test"]
    said = load_classifier(tmp_path / "out", encode).predict([row.question for row in test])
    sure = np.mean([p.probability for p in said])
    assert abs(sure - told["accuracy"]) < 0.12


def test_nothing_to_measure_is_an_error(tmp_path: Path) -> None:
    write_table(tmp_path / "examples.parquet", rows_of("train", {"ask": 3, "pay": 3}), Example)
    with pytest.raises(DataError, match="no row of the test side"):
        train(Head(), tmp_path, tmp_path / "out")


def test_without_validation_rows_the_training_loss_is_watched(tmp_path: Path) -> None:
    rows = rows_of("train", {"ask": 30, "pay": 30}) + rows_of("test", {"ask": 9, "pay": 9})
    write_table(tmp_path / "examples.parquet", rows, Example)
    told = train(Head(epochs=5), tmp_path, tmp_path / "out")
    assert (told["epochs"], told["temperature"]) == (5, 1.0)


def test_damaged_classifiers_and_other_encoders_are_refused(prepared: Path, tmp_path: Path) -> None:
    train(Forest(estimators=2), prepared, tmp_path)
    with pytest.raises(ModelError, match="takes vectors of 10 numbers"):
        load_classifier(tmp_path, lambda texts: np.ones((len(texts), 4), dtype=np.float32)).predict(
            ["ask 1 test"]
        )
    assert load_classifier(tmp_path, encode).predict([]) == []
    (tmp_path / "rows.npz").write_bytes(b"no zip")
    with pytest.raises(ModelError, match="rows cannot be read"):
        load_classifier(tmp_path, encode)
    (tmp_path / "labels.json").write_text("{}")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_classifier(tmp_path, encode)


def test_a_real_encoder_will_do(tiny_encoder: Path, tmp_path: Path) -> None:
    rows = []
    for side in ("train", "validation", "test"):
        for label, word in (("path", "join paths"), ("text", "wrap the text")):
            for i in range(12):
                said = f"{word} {'and ' * (i % 4)}{'of ' * (i % 3)}"
                turns = (Message("user", said), Message("assistant", label))
                rows.append(Example(f"{side}{label}{i}", turns, said, "g", "", "", side, label))
    write_table(tmp_path / "examples.parquet", rows, Example)
    encoder = load_encoder(str(tiny_encoder), device="cpu")
    told = train_classifier(
        Head(), tmp_path, tmp_path, Quiet(), encode=lambda t: encoder.encode(t), seed=0, side="test"
    )
    assert told["accuracy"] == 1.0
