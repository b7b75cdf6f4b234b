"""Labels that were swapped on purpose are found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from luthier.core.errors import ConfigError
from luthier.core.records import Example, Message, read_table, write_table
from luthier.data.clean._books import Books
from luthier.data.clean.label_errors import LabelErrorsSpec, suspects, without_suspects

pytest.importorskip("cleanlab")


def blobs(rows: int = 60) -> tuple[np.ndarray, list[str]]:
    random = np.random.default_rng(3)
    centres = np.eye(3, 8)
    labels = [i % 3 for i in range(rows)]
    vectors = centres[labels] + random.normal(scale=0.1, size=(rows, 8))
    return vectors.astype(np.float32), [["arch", "bridge", "crown"][i] for i in labels]


def test_swapped_labels_are_found_and_what_they_should_be() -> None:
    vectors, labels = blobs()
    wrong = {4: "arch", 20: "bridge", 33: "crown"}
    for row, label in wrong.items():
        assert labels[row] != label
    truth = {row: labels[row] for row in wrong}
    spoilt = [wrong.get(i, label) for i, label in enumerate(labels)]
    found = suspects(vectors, spoilt)
    assert found is not None
    assert {s.row: s.rather for s in found} == truth
    assert found == sorted(found, key=lambda s: s.confidence)


def test_clean_labels_are_not_suspect() -> None:
    assert suspects(*blobs()) == []


def test_rare_classes_are_not_judged() -> None:
    vectors, labels = blobs(30)
    labels[0] = "scroll"
    found = suspects(vectors, labels)
    assert found is not None
    assert all(s.row != 0 for s in found)
    assert suspects(vectors[:4], ["a", "b", "c", "d"]) is None


def test_suspect_rows_are_refused_with_their_books(tmp_path: Path) -> None:
    vectors, labels = blobs()
    labels[4], labels[20] = "arch", "bridge"
    rows = [
        Example(f"r{i}", (Message("user", str(i)), Message("assistant", label)), f"f:{i}", "g", "k",
                label=label)
        for i, label in enumerate(labels)
    ]  # fmt: skip
    write_table(tmp_path / "rows.parquet", rows, Example)
    encode = lambda texts: vectors[[int(t) for t in texts]]  # noqa: E731
    with Books(tmp_path) as books:
        count = without_suspects(tmp_path / "rows.parquet", LabelErrorsSpec(), encode, 0, books)
    assert count == books.refused == 2
    assert [r.id for r in read_table(tmp_path / "rows.parquet", Example)] == [
        f"r{i}" for i in range(60) if i not in (4, 20)
    ]
    with Books(tmp_path) as books, pytest.raises(ConfigError, match="encoder"):
        without_suspects(tmp_path / "rows.parquet", LabelErrorsSpec(), None, 0, books)
