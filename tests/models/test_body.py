"""What computes a network is chosen as told, and all of them say the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from luthier.core.errors import ModelError
from luthier.models._body import in_batches, open_body, padded
from luthier.models._body_fused import FusedBody
from luthier.models._body_torch import TorchBody
from luthier.models._fused_library import library

IDS = [[2, 5, 6, 3], [2, 3], [2, *range(4, 26), 3]]
KINDS = [[0, 0, 1, 1], [0, 0], [0] * 10 + [1] * 14]


@pytest.mark.parametrize("pooling", ["mean", "first"])
@pytest.mark.parametrize("kinds", [None, KINDS])
def test_onnx_computes_what_pytorch_does(
    tiny_encoder: Path, pooling: str, kinds: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnx")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    bodies = [
        open_body(tiny_encoder, runtime=runtime, precision="float32", device="cpu")
        for runtime in ("torch", "onnx")
    ]
    wanted, found = (body.pooled(IDS, pooling, kinds) for body in bodies)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=2e-6)
    assert [body.told.split()[0] for body in bodies] == ["PyTorch,", "ONNX"]


@pytest.mark.skipif(library()[0] is None, reason=f"NOT TESTED: {library()[1]}")
@pytest.mark.parametrize("pooling", ["mean", "first"])
@pytest.mark.parametrize("kinds", [None, KINDS])
def test_kernels_compute_what_pytorch_does(wide_encoder: Path, pooling: str, kinds: object) -> None:
    exact = open_body(wide_encoder, runtime="torch", precision="float32", device="cpu")
    kernels = open_body(wide_encoder, runtime="auto", precision="auto", device="cpu")
    assert isinstance(kernels, FusedBody)
    wanted, found = (body.pooled(IDS, pooling, kinds) for body in (exact, kernels))
    cosines = (found * wanted).sum(1) / np.linalg.norm(found, axis=1)
    assert (cosines / np.linalg.norm(wanted, axis=1)).min() > 0.999
    alone = np.concatenate(
        [kernels.pooled([one], pooling, kinds and [kinds[i]]) for i, one in enumerate(IDS)]
    )
    np.testing.assert_allclose(alone, found, atol=0.02)


def test_what_the_kernels_do_not_know_falls_to_others(tiny_encoder: Path) -> None:
    with pytest.raises(ModelError, match=r"multiples of 32|matrix tiles|compiler"):
        open_body(tiny_encoder, runtime="fused", precision="auto", device="cpu")
    assert isinstance(
        open_body(tiny_encoder, runtime="auto", precision="bfloat16", device="cpu"), TorchBody
    )


@pytest.mark.parametrize(
    ("runtime", "precision"), [("fused", "float32"), ("onnx", "bfloat16"), ("torch", "int8")]
)
def test_a_precision_that_a_runtime_lacks_is_refused(
    tiny_encoder: Path, runtime: str, precision: str
) -> None:
    with pytest.raises(ModelError, match=precision):
        open_body(tiny_encoder, runtime=runtime, precision=precision, device="cpu")


def test_batches_hold_each_row_once_and_stay_within_their_size() -> None:
    lengths = [3, 50, 7, 120, 3, 9]
    batches = list(in_batches(lengths, 100))
    assert [b.tolist() for b in batches] == [[3], [1, 5], [2, 0, 4]]
    assert [len(b) for b in in_batches(lengths, 100, 2)] == [1, 2, 2, 1]
    assert padded([[1, 2], [3]], 9).tolist() == [[1, 2], [3, 9]]
