"""The network of an encoder or cross-encoder: token ids in, one state for each row out.

Three things compute it: Luthier's own kernels for BERT (bfloat16, on processors with matrix tiles),
ONNX Runtime (float32 or int8), and PyTorch, which knows every architecture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, assert_never

import numpy as np
import numpy.typing as npt

from luthier.core.errors import ModelError, ResourceError
from luthier.models._quiet import quietly

if TYPE_CHECKING:
    import torch

Vectors = npt.NDArray[np.float32]
Ids = Sequence[Sequence[int]]
Pooling = Literal["mean", "first"]
Precision = Literal["auto", "float32", "bfloat16", "int8"]
Runtime = Literal["auto", "fused", "onnx", "torch"]


class Body(Protocol):
    """A network that is ready to compute.

    Attributes:
        told: What computes, and in what precision, for people: ``fused kernels, bfloat16``.
        batch_tokens: Tokens, padding included, that are computed at once.
    """

    told: str
    batch_tokens: int

    def pooled(self, ids: Ids, pooling: Pooling, kinds: Ids | None = None) -> Vectors:
        """One state for each row, float32 [rows, width].

        Args:
            ids: Tokens of each row, none of them empty.
            pooling: The mean of all tokens' last states, or the first token's.
            kinds: Which text each token belongs to (0 or 1); all to the first if None.
        """


class UnknownToKernelsError(ModelError):
    """The kernels cannot compute a network; others may."""


def open_body(
    folder: Path, *, runtime: Runtime, precision: Precision, device: str | None = None
) -> Body:
    """Open a network with what computes it fastest, or with what is asked for.

    ``auto`` takes a GPU; else the kernels, where they can run; else PyTorch, in bfloat16 where the
    processor computes with it natively. In float32 PyTorch is about as fast as ONNX Runtime, which
    starts quicker and is taken if asked for. int8 changes vectors visibly, so it is taken only if
    asked for: by the kernels, or else by ONNX Runtime.

    Args:
        folder: A model folder in transformers' layout.
        runtime: What computes.
        precision: Of the arithmetic.
        device: A torch device; by default a GPU if there is one.

    Raises:
        ModelError: The folder cannot be loaded, or what was asked for cannot compute it.
        ResourceError: A library is missing.
    """
    chosen, opened = _choose(folder, precision, device) if runtime == "auto" else (runtime, None)
    match chosen:
        case "fused":
            from luthier.models._body_fused import FusedBody

            if precision == "float32":
                raise ModelError(
                    "the kernels compute in bfloat16 or int8, not float32",
                    where="encoder.precision",
                    mend="Leave `precision` out, or take runtime onnx or torch.",
                )
            return opened or FusedBody(_bert(folder), int8=precision == "int8")
        case "onnx":
            from luthier.models._body_onnx import OnnxBody

            if precision == "bfloat16":
                raise ModelError(
                    "ONNX Runtime computes in float32 or int8 here, not bfloat16",
                    where="encoder.precision",
                    mend="Take runtime torch, or leave `runtime` out.",
                )
            return OnnxBody(folder, "int8" if precision == "int8" else "float32")
        case "torch":
            from luthier.models._body_torch import TorchBody

            if precision == "int8":
                raise ModelError(
                    "int8 is computed by ONNX Runtime, not PyTorch",
                    where="encoder.runtime",
                    mend="Leave `runtime` out, or take `onnx`.",
                )
            return TorchBody(folder, precision, device)
        case _:
            assert_never(chosen)


def _choose(
    folder: Path, precision: Precision, device: str | None
) -> tuple[Literal["fused", "onnx", "torch"], Body | None]:
    """What computes, already open where that had to be tried."""
    from luthier.models._body_fused import FusedBody
    from luthier.models._fused_library import library
    from luthier.models.folder import read_config

    if precision != "int8" and not on_cpu(device):
        return "torch", None
    bert = read_config(folder).get("model_type") == "bert"
    if precision != "float32" and bert and library()[0] is not None:
        try:
            return "fused", FusedBody(_bert(folder), int8=precision == "int8")
        except UnknownToKernelsError:
            pass
    return ("onnx" if precision == "int8" else "torch"), None


def _bert(folder: Path) -> Any:
    from luthier.models._slim_bert import slim_bert

    return slim_bert(folder) or load_body(folder, "bfloat16")


def on_cpu(device: str | None) -> bool:
    """Whether a torch device, or the one taken by default, is the processor."""
    import torch

    return not torch.cuda.is_available() if device is None else device.startswith("cpu")


def load_body(folder: Path, precision: Literal["float32", "bfloat16"]) -> Any:
    """The network of a folder without any head, on the CPU.

    Raises:
        ModelError: The files cannot be loaded, or lack weights.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModel

    from luthier.models._pretrained import refuse_random

    try:
        with quietly():
            loaded: Any = AutoModel.from_pretrained(
                folder,
                dtype=getattr(torch, precision),
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"this encoder cannot be loaded: {error}", where=str(folder)) from error
    network, report = loaded
    # what pools the states of BERT is of no use here
    refuse_random(folder, sorted(k for k in report["missing_keys"] if "pooler" not in k))
    return network.eval()


def bfloat16_is_native(device: str) -> bool:
    """Whether a processor or GPU has instructions for bfloat16."""
    import torch

    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # private, may vanish
    return bool(native()) if native is not None else False


def in_batches(
    lengths: Sequence[int], tokens: int, most: int | None = None
) -> Iterator[npt.NDArray[np.int64]]:
    """Row numbers in batches of about equal length, the longest first.

    Args:
        lengths: Tokens of each row.
        tokens: Of a batch, padding included; a longer row is a batch of its own.
        most: Rows of a batch.
    """
    if len(lengths) == 1:  # a question
        yield np.zeros(1, np.int64)
        return
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    begin = 0
    while begin < len(order):
        rows = max(1, tokens // max(1, lengths[order[begin]]))
        end = begin + min(rows, most or rows)
        yield order[begin:end]
        begin = end


def padded(ids: Ids, fill: int) -> npt.NDArray[np.int64]:
    """Rows side by side, int64 [rows, longest], with a filling behind the shorter ones."""
    found = np.full((len(ids), max(1, *map(len, ids))), fill, dtype=np.int64)
    for row, one in enumerate(ids):
        found[row, : len(one)] = one
    return found


def each_batch(
    body: Body,
    ids: Ids,
    compute: Callable[[npt.NDArray[np.int64]], Vectors],
    found: Vectors,
    batch_size: int | None,
    advance: Callable[[int], None] | None,
) -> Vectors:
    """Fill an array row by row, batch by batch.

    Args:
        body: Says how many tokens a batch holds.
        ids: Tokens of each row.
        compute: Row numbers to their values.
        found: Gets them.
        batch_size: Rows computed at once at most; None leaves it to the body.
        advance: Called after each batch with the number of rows done in it.
    """
    for batch in in_batches([len(one) for one in ids], body.batch_tokens, batch_size):
        found[batch] = compute(batch)
        if advance is not None:
            advance(len(batch))
    return found


def missing(library: str, where: str) -> ResourceError:
    """The error for a library that is not installed."""
    return ResourceError(
        f"{library} is not installed", where=where, mend="pip install 'luthier[rag]'"
    )


def mean_of(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The mean state of each row's tokens: [rows, longest, width] and [rows, longest]."""
    weight = mask.unsqueeze(-1).float()
    return (states * weight).sum(1) / weight.sum(1).clamp(min=1.0)
