"""Labels that were swapped on purpose are found."""

from __future__ import annotations

import numpy as np
import pytest

from luthier.data.clean.label_errors import suspects

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
