"""Passages embedded on a local Ray cluster come back in order, from workers of their own."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import pytest

from luthier.rag.rows import shared
from luthier.rag.spec import RagSpec

pytest.importorskip("ray", reason="NOT TESTED: pip install 'luthier[ray]'")


def _numbers(passages: Sequence[int]) -> np.ndarray:
    """As a worker does that encodes: one row for each passage, and which process made it."""
    return np.array([[number, os.getpid()] for number in passages], np.float32)


def test_two_ray_workers_share_the_passages() -> None:
    spec = RagSpec.model_validate({"embed_on": {"kind": "ray", "workers": 2}})
    made = list(shared(spec)(_numbers, [[n, n + 1] for n in range(0, 12, 2)]))
    whole = np.concatenate(made)
    assert whole[:, 0].tolist() == list(range(12))
    assert os.getpid() not in whole[:, 1]
