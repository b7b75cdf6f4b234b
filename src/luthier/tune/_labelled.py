"""The labelled vectors a classifier is trained on, from the folder of a data stage."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from luthier.core.errors import DataError
from luthier.core.records import Example, Side, read_table
from luthier.data.balance.vectors import (
    FILE_NAME as VECTORS_NAME,
    Encode,
    encode_texts,
    read_vectors,
)
from luthier.models.encode import Vectors
from luthier.setup.losses import FILE_NAME as LOSSES_NAME, Terms, read_losses

_PROBES = 4
_SAME_ENCODER = 0.99  # cosine; bfloat16 against float32 is above 0.999


@dataclasses.dataclass(frozen=True, slots=True)
class Labelled:
    """Vectors with their labels.

    Attributes:
        vectors: Shape (n, d).
        labels: As many.
    """

    vectors: Vectors
    labels: tuple[str, ...]


def read_training(folder: Path, encode: Encode) -> Labelled:
    """The training side: from ``vectors.npz`` where balancing made one, else its rows encoded.

    Raises:
        DataError: Fewer than two labels, or the vectors are another encoder's.
    """
    rows = _rows(folder, "train")
    if (folder / VECTORS_NAME).is_file():
        found = read_vectors(folder / VECTORS_NAME)
        _same_encoder(rows, dict(zip(found.ids, found.vectors, strict=True)), folder, encode)
        training = Labelled(found.vectors, found.labels)
    else:
        training = _encoded(rows, encode)
    if len(set(training.labels)) < 2:
        raise DataError(
            f"the training rows have {len(set(training.labels))} labels; a classifier takes two "
            "or more",
            where=str(folder),
            mend="Name the column of labels in the source (`label`).",
        )
    return training


def read_side(folder: Path, side: Side, encode: Encode) -> Labelled:
    """The labelled rows of a side, encoded; may be empty."""
    return _encoded(_rows(folder, side), encode)


def read_terms(folder: Path) -> Terms | None:
    """What balancing said about the loss, if it ran."""
    path = folder / LOSSES_NAME
    return read_losses(path) if path.is_file() else None


def targets_of(labels: Sequence[str], known: Sequence[str]) -> tuple[list[int], list[int]]:
    """Rows whose label is known, and the index of that label for each."""
    places = {label: place for place, label in enumerate(known)}
    rows = [row for row, label in enumerate(labels) if label in places]
    return rows, [places[labels[row]] for row in rows]


def _rows(folder: Path, side: Side) -> list[Example]:
    examples = read_table(folder / "examples.parquet", Example)
    return [e for e in examples if e.side == side and e.label]


def _encoded(rows: Sequence[Example], encode: Encode) -> Labelled:
    labels = tuple(row.label for row in rows)
    if not rows:
        return Labelled(np.zeros((0, 0), dtype=np.float32), labels)
    return Labelled(encode_texts([row.question for row in rows], encode), labels)


def _same_encoder(
    rows: Sequence[Example], vectors: dict[str, Vectors], folder: Path, encode: Encode
) -> None:
    """Encode a few rows again and compare: vectors of two encoders must not be mixed."""
    probes = [row for row in rows if row.id in vectors][:_PROBES]
    if not probes:
        return
    fresh = encode([row.question for row in probes])
    stored = np.stack([vectors[row.id] for row in probes])
    if fresh.shape != stored.shape or (fresh * stored).sum(axis=1).min() < _SAME_ENCODER:
        raise DataError(
            "these vectors were made by another encoder than the classifier's",
            where=str(folder / VECTORS_NAME),
            mend="Balance with the same encoder.",
        )
