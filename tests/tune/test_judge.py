"""What a classifier is said to be worth, class by class, against counts done by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from luthier.core.progress import Quiet
from luthier.core.records import Example, Message, Side, write_table
from luthier.tune.classifier import Card, Classifier, Head, load_classifier
from luthier.tune.judge import judge, train_and_judge

LABELS = ("ask", "pay")


def row(label: str, text: str, side: Side = "test") -> Example:
    turns = (Message("user", text), Message("assistant", label or "free text"))
    return Example(f"{side} {text}", turns, text, text, "", side=side, label=label)


def encode(texts: Sequence[str]) -> np.ndarray:
    """Texts that begin with ``p`` lie at one end, all others at the other."""
    ends = [[0.0, 1.0] if text.startswith("p") else [1.0, 0.0] for text in texts]
    return np.array(ends, dtype=np.float32).reshape(-1, 2)


def sure(factor: float) -> Classifier:
    """Says ``pay`` of texts that begin with ``p``."""
    card = Card(labels=LABELS, dimension=2, temperature=1.0, costs=None, classifier=Head(), seed=0)
    return Classifier(card, lambda vectors: vectors * factor, encode)


def test_figures_are_those_of_the_rows() -> None:
    rows = [row("ask", f"a{i}") for i in range(6)] + [row("ask", "p too")]
    rows += [row("pay", "p1"), row("pay", "a wrong one"), row("zebra", "a zebra")]
    found, hits = judge(sure(50.0), rows, ("pay", "zebra", "not here"))
    assert (found["rows"], found["right"], found["unknown_labels"]) == (10, 7, 1)
    assert found["accuracy"] == pytest.approx(0.7)
    assert (found["rare_rows"], found["rare_right"]) == (3, 1)
    assert found["minority_recall"] == pytest.approx((1 / 2 + 0) / 2)
    assert found["macro_recall"] == pytest.approx((6 / 7 + 1 / 2 + 0) / 3)
    assert found["calibration_error"] == pytest.approx(0.3, abs=1e-6)  # always sure, 7 of 10 right
    assert hits == {"ask": 6, "pay": 1}


def test_without_rare_labels_there_is_no_minority_recall() -> None:
    found, _ = judge(sure(1.0), [row("ask", "a")], ())
    assert (found["minority_recall"], found["rare_rows"]) == (None, 0)


def test_what_is_rare_follows_from_the_split_not_from_what_was_added(tmp_path: Path) -> None:
    split = [row("ask", f"a{i}", "train") for i in range(9)] + [row("pay", "p0", "train")]
    copies = [row("pay", f"p{i}", "train") for i in range(1, 9)]
    write_table(tmp_path / "examples.parquet", [*split, *copies], Example)
    sides = {"validation": [row("", "no label")], "test": [row("ask", "a"), row("pay", "p x")]}
    told = train_and_judge(
        Head(epochs=40), tmp_path, tmp_path, Quiet(),
        encode=encode, seed=0, split=split, sides=sides,
    )  # fmt: skip
    assert told["trained_on"] == 18
    assert told["rare"] == ["pay"]
    assert told["validation"] is None
    assert told["test"]["accuracy"] == 1.0
    assert told["classes"] == {
        "ask": {"train_rows": 9, "test_rows": 1, "test_right": 1},
        "pay": {"train_rows": 1, "test_rows": 1, "test_right": 1},
    }
    assert load_classifier(tmp_path, encode).predict(["p again"])[0].label == "pay"
