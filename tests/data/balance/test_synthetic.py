"""Rows become vectors, rare classes get more of them, and clean-up takes some away."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from luthier.core.ledger import Ledger
from luthier.core.records import Example, Message
from luthier.data.balance._synthetic import CleanUp, with_synthetic
from luthier.data.balance.vectors import VectorRows

# Angles on the unit circle, in degrees. One "b" stands among the "a"s, its twin in "a" beside it.
ANGLES = {"a": [0, 2, 4, 6, 8, 10, 12, 14], "b": [90, 92, 94, 7.1]}


def encode(texts: Sequence[str]) -> np.ndarray:
    angles = np.radians([float(text) for text in texts])
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def rows_of(angles: dict[str, list[float]]) -> list[Example]:
    return [
        Example(
            f"{label}{angle}",
            (Message("user", str(angle)), Message("assistant", label)),
            f"rows.csv:{label}{angle}",
            "",
            "",
            side="train",
            label=label,
        )
        for label, found in angles.items()
        for angle in found
    ]


def make(
    angles: dict[str, list[float]], then: CleanUp, ratio: float = 1.0
) -> tuple[list[Example], VectorRows, dict[str, str], Ledger]:
    ledger = Ledger()
    rows, vectors, other = with_synthetic(
        rows_of(angles),
        method="smote",
        ratio=ratio,
        neighbour_count=2,
        then=then,
        seed=3,
        encode=encode,
        ledger=ledger,
    )
    return rows, vectors, other, ledger


def test_rare_classes_get_vectors_of_length_one() -> None:
    rows, vectors, other, ledger = make(ANGLES, "nothing")
    assert len(rows) == 12
    assert vectors.labels.count("b") == vectors.labels.count("a") == 8
    assert vectors.ids == (*(row.id for row in rows), "", "", "", "")
    np.testing.assert_allclose(np.linalg.norm(vectors.vectors, axis=1), 1.0, rtol=1e-6)
    assert (other, ledger.entries) == ({}, [])


def test_the_ratio_says_how_many() -> None:
    assert make(ANGLES, "nothing", ratio=0.7)[1].labels.count("b") == 6  # 5.6, rounded up
    assert make(ANGLES, "nothing", ratio=0.5)[1].labels.count("b") == 4  # there already


@pytest.mark.parametrize(
    ("then", "reason", "gone"),
    [
        ("tomek", "Tomek link", {"rows.csv:a8", "rows.csv:b7.1"}),
        ("edited", "contradicted by neighbours", {"rows.csv:b7.1"}),
    ],
)
def test_clean_up_takes_out_what_stands_among_others(
    then: CleanUp, reason: str, gone: set[str]
) -> None:
    rows, vectors, _, ledger = make(ANGLES, then, ratio=0.5)
    assert {entry.origin for entry in ledger.entries} == gone
    assert ledger.reasons() == {reason: len(gone)}
    assert vectors.ids == tuple(row.id for row in rows)
    assert len(rows) == 12 - len(gone)


def test_the_last_rows_of_a_class_stay() -> None:
    rows, _, other, ledger = make({"a": ANGLES["a"], "b": [7.1]}, "edited", ratio=0.1)
    assert [row.label for row in rows].count("b") == 1
    assert (ledger.entries, other) == ([], {})
