"""``vectors.npz``: the vectors a classifier learns from where SMOTE has added some without text."""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from luthier.core.errors import DataError
from luthier.models.encode import Vectors

FILE_NAME = "vectors.npz"

Encode = Callable[[Sequence[str]], Vectors]


@dataclasses.dataclass(frozen=True, slots=True)
class VectorRows:
    """Labelled vectors of the training side.

    Attributes:
        vectors: float32, length 1 each, shape (n, d).
        labels: The class of each.
        ids: The example each encodes; "" for a synthetic one.
        parents: For a synthetic one the ids of the two examples it lies between; else two "".
    """

    vectors: Vectors
    labels: tuple[str, ...]
    ids: tuple[str, ...]
    parents: tuple[tuple[str, str], ...]


def encode_texts(texts: Sequence[str], encode: Encode) -> Vectors:
    """Encode each distinct text once and return a vector for each text, in order."""
    distinct = list(dict.fromkeys(texts))
    places = {text: place for place, text in enumerate(distinct)}
    vectors = encode(distinct)
    return vectors[[places[text] for text in texts]]


def write_vectors(path: Path, rows: VectorRows) -> None:
    """Write ``vectors.npz``: plain arrays, no pickles."""
    np.savez(
        path,
        vectors=rows.vectors.astype(np.float32),
        labels=np.asarray(rows.labels, dtype=np.str_),
        ids=np.asarray(rows.ids, dtype=np.str_),
        parents=np.asarray(rows.parents, dtype=np.str_).reshape(-1, 2),
    )


def read_vectors(path: Path) -> VectorRows:
    """Read what ``write_vectors`` wrote.

    Raises:
        DataError: The file is missing or damaged, or its arrays don't fit together.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            rows = VectorRows(
                vectors=found["vectors"].astype(np.float32),
                labels=tuple(found["labels"].tolist()),
                ids=tuple(found["ids"].tolist()),
                parents=tuple((a, b) for a, b in found["parents"].tolist()),
            )
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"cannot read these vectors: {error}", where=str(path)) from error
    sizes = {len(rows.vectors), len(rows.labels), len(rows.ids), len(rows.parents)}
    if rows.vectors.ndim != 2 or len(sizes) != 1:
        raise DataError("these arrays are not of one length", where=str(path))
    return rows
