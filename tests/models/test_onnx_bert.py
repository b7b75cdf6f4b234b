"""Quantised matrices are as near as eight bits can be."""

from __future__ import annotations

import numpy as np

from luthier.models._onnx_bert import quantised


def test_each_output_has_its_own_step() -> None:
    matrix = np.random.default_rng(0).normal(size=(32, 5)).astype(np.float32)
    matrix[:, 3] *= 100.0
    matrix[:, 4] = 0.0
    whole, step = quantised(matrix)
    assert whole.dtype == np.int8
    assert np.abs(whole.astype(int)).max(axis=0).tolist() == [127, 127, 127, 127, 0]
    np.testing.assert_array_less(np.abs(whole * step - matrix).max(axis=0), 0.5001 * step + 1e-12)
