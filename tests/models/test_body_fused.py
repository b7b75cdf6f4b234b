"""Kernels with weights packed once give what those that pack at each pass give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from luthier.models._body import load_body
from luthier.models._body_fused import FusedBody
from luthier.models._fused_library import library

pytestmark = pytest.mark.skipif(library()[0] is None, reason=f"NOT TESTED: {library()[1]}")


def test_a_row_is_the_same_in_any_batch(wide_encoder: Path) -> None:
    body = FusedBody(load_body(wide_encoder, "bfloat16"))
    rows = [[2, 4, 5, 3], [2, *range(4, 24), 3], [2, 6, 3]]
    together = body.pooled(rows, "mean")
    alone = np.concatenate([body.pooled([row], "mean") for row in rows])
    np.testing.assert_allclose(together, alone, atol=0.02)
