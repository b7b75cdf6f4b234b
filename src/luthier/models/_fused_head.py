"""The last norm, the vocabulary projection and the cross-entropy, at learned positions only."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import torch
from torch import Tensor

from luthier.models._fused_library import Projection


class Head:
    """One forward and backward pass.

    Args:
        library: The kernels.
        weight: The projection, bfloat16 [vocabulary, width].
        gain: Of the norm.
        eps: Of the norm.
        targets: int64 [n].
        smoothing: Share of each target spread evenly over the vocabulary.
    """

    def __init__(
        self,
        library: Any,
        weight: Tensor,
        gain: Tensor,
        eps: float,
        targets: Tensor,
        smoothing: float = 0.0,
    ) -> None:
        self.library, self.weight, self.gain, self.eps = library, weight, gain, eps
        self.smoothing = smoothing
        self.count = len(targets)
        self.targets = torch.cat([targets, targets.new_zeros(-self.count % 32)])
        self.rows, self.width = len(self.targets), weight.shape[1]
        self.threads = torch.get_num_threads()
        self.rstd = torch.empty(self.rows)
        self.log_sums = torch.empty(self.rows)

    def forward(self, states: Tensor) -> Tensor:
        """Losses (nats), float32 [n], of states [n, width]."""
        self.states = torch.zeros(self.rows, self.width, dtype=torch.bfloat16)
        self.states[: self.count] = states
        self.hidden = torch.empty_like(self.states)
        self.library.rms_norm(
            self.states.data_ptr(),
            self.gain.data_ptr(),
            self.hidden.data_ptr(),
            self.width,
            self.rstd.data_ptr(),
            self.rows,
            self.width,
            self.eps,
        )
        chosen, spare = torch.empty(self.rows), torch.empty(2, self.threads, self.rows)
        shape = self._shape()
        self.library.head_forward(
            ctypes.addressof(shape),
            self.log_sums.data_ptr(),
            chosen.data_ptr(),
            spare[0].data_ptr(),
            spare[1].data_ptr(),
        )
        if self.smoothing:  # a mean of logits is the logit of the mean word
            mean = self.weight.detach().mean(0, dtype=torch.float32)
            chosen = torch.lerp(chosen, self.hidden.float() @ mean, self.smoothing)
        return (self.log_sums - chosen)[: self.count]

    def backward(self, factors: Tensor, to_weight: Tensor | None, to_gain: Tensor | None) -> Tensor:
        """Gradient by the states, of the losses times their factors (float32 [n]).

        Args:
            factors: Of each loss.
            to_weight: The projection's gradient is added to it.
            to_gain: And the norm's to this.
        """
        factor = torch.zeros(self.rows)
        factor[: self.count] = factors
        right = torch.empty_like(self.hidden)
        tiles = np.arange(self.rows // 16, dtype=np.uint64) * np.uint64(32 * self.width)
        tiles += np.uint64(self.hidden.data_ptr())
        self.library.pack_plain(
            tiles.ctypes.data, self.width, right.data_ptr(), self.rows, self.width
        )
        sums = torch.zeros(self.threads, self.rows, self.width)
        shape = self._shape()
        self.library.head_backward(
            ctypes.addressof(shape),
            self.log_sums.data_ptr(),
            factor.data_ptr(),
            right.data_ptr(),
            sums.data_ptr(),
            None if to_weight is None else to_weight.data_ptr(),
        )
        slope, result = sums.sum(0).bfloat16(), torch.zeros_like(self.states)
        gains = torch.zeros(self.threads, self.width)
        self.library.rms_norm_backward(
            slope.data_ptr(),
            self.width,
            self.states.data_ptr(),
            self.gain.data_ptr(),
            self.rstd.data_ptr(),
            result.data_ptr(),
            self.width,
            gains.data_ptr(),
            self.rows,
            self.width,
        )
        if to_gain is not None:
            to_gain += gains.sum(0)
        return result[: self.count]

    def _shape(self) -> Projection:
        return Projection(
            self.hidden.data_ptr(),
            self.weight.data_ptr(),
            self.targets.data_ptr(),
            self.rows,
            self.width,
            self.weight.shape[0],
            self.smoothing,
        )
