"""Folding an adapter into the weights, and looking whether the answers are still the same."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from luthier.core.errors import TuneError
from luthier.models._quiet import quietly
from luthier.models.quantise import dequantise
from luthier.tune._objective import judging

_ROWS, _LENGTH = 4, 24
_EXACT, _ROUNDED = 1e-3, 0.1
"""How much probability may move; in half precision the folded weights are rounded."""


def merged(network: Any) -> Any:
    """The network of transformers with PEFT's adapter folded in.

    Four rows of random tokens are read before and after. At no token may more than 0.1 % of the
    probability move to others (10 % in half precision, where the folded weights are rounded), and
    the likeliest must be the same wherever it leads the second by more than twice that.

    A base in 4 or 8 bits is first made whole, for folding into it would round the update away
    (peft#1043).

    Args:
        network: Wrapped by PEFT, with an adapter that can be folded in.

    Raises:
        TuneError: The answers differ.
    """
    training, before = network.training, answers(network)
    whole = dequantise(network)
    with quietly():
        folded = whole.merge_and_unload(safe_merge=True)
    verify(before, answers(folded), folded.dtype)
    return folded.train(training)


def answers(network: Any) -> Tensor:
    """What a network says of probes: float32 [rows, ..., choices].

    Probabilities of tokens or labels; for a single score the score.
    """
    vocabulary = network.get_input_embeddings().weight.shape[0]
    random = torch.Generator().manual_seed(0)
    ids = torch.randint(vocabulary, (_ROWS, _LENGTH), generator=random).to(network.device)
    with judging(network):
        out = network(input_ids=ids, attention_mask=torch.ones_like(ids))
    scores = getattr(out, "logits", None)
    found: Tensor = (out[0] if scores is None else scores).float().cpu()
    return found if scores is None or found.shape[-1] == 1 else found.softmax(-1)


def verify(before: Tensor, after: Tensor, dtype: torch.dtype) -> None:
    """Hold the answers after folding against those before.

    Args:
        before: What ``answers`` gave for the network with its adapter.
        after: For the folded network.
        dtype: Of its weights.

    Raises:
        TuneError: They differ by more than rounding.
    """
    allowed = _EXACT if dtype == torch.float32 else _ROUNDED
    moved = (before - after).abs().sum(-1) / 2  # total variation
    most, other = float(moved.max()), 0
    if before.shape[-1] > 1:
        best = before.topk(2, dim=-1)
        leads = best.values[..., 0] - best.values[..., 1] > 2 * allowed
        other = int((leads & (after.argmax(-1) != best.indices[..., 0])).sum())
    if not most <= allowed or other:  # a NaN is refused too
        raise TuneError(
            f"folding the adapter into the weights changes the answers: up to {most:.2g} of the "
            f"probability moves (allowed: {allowed:g}), "
            f"{other} of {moved.numel()} likeliest tokens are others",
            mend="Keep the adapter beside the model (the folder `adapter`), or fold it into a "
            "base loaded in float32.",
        )
