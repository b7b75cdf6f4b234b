"""Nearness of meaning: the cosine with the nearest reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from luthier.evaluate.scorers.near import similarity

VECTORS = {"east": (1.0, 0.0), "north": (0.0, 1.0), "west": (-1.0, 0.0), "north-east": (0.6, 0.8)}


def encode(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    return np.array([VECTORS.get(text, (1.0, 0.0)) for text in texts], dtype=np.float32)


def test_the_nearest_reference_counts_and_opposites_are_0() -> None:
    said = ["east", "east", "east", " "]
    references = [["north", "north-east"], ["west"], ["east"], ["east"]]
    assert similarity(said, references, encode) == pytest.approx([0.6, 0.0, 1.0, 0.0])
