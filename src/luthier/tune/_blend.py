"""Tuned weights drawn back towards those they came from.

A network tuned on few rows knows those rows, and forgets some of what it could. The straight line
between its weights before and after often holds networks that keep most of both (WiSE-FT: Wortsman
et al. 2022, "Robust fine-tuning of zero-shot models", arXiv:2109.01903).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def weights_of(network: Any) -> dict[str, Tensor]:
    """A copy of all weights by name, in the computer's own memory."""
    return {name: one.detach().cpu().clone() for name, one in network.named_parameters()}


def blend(network: Any, before: Mapping[str, Tensor], share: float) -> None:
    """Move weights back towards what they were.

    Args:
        network: Tuned, adapters folded in; changed in place.
        before: What `weights_of` told. Weights that were not there stay as they are.
        share: Of the tuned weights, 0 to 1; 1 changes nothing.
    """
    with torch.no_grad():
        for name, tuned in network.named_parameters():
            if name in before:
                old = before[name].to(tuned.device, torch.float32)
                tuned.copy_(torch.lerp(old, tuned.float(), share))
