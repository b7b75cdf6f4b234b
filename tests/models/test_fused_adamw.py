"""One pass over the weights does what PyTorch's clipping, AdamW and rounding do."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from luthier.models._fused_adamw import Update, fits
from luthier.models._fused_library import library

SIZES = [(300, 70), (5,), (16384 * 2 + 3,), ()]

pytestmark = pytest.mark.skipif(library()[0] is None, reason=f"NOT TESTED: {library()[1]}")


def weights() -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(size).requires_grad_() for size in SIZES]


def optimizer(parts: list[Tensor]) -> Any:
    groups = [
        {"params": parts[:1], "weight_decay": 0.1},
        {"params": parts[1:], "weight_decay": 0.0, "lr": 3e-3},
    ]
    return torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.98), fused=True)


def learn(parts: list[Tensor], step: int) -> None:
    torch.manual_seed(step)
    for number, part in enumerate(parts):
        slope = torch.randn(part.shape)
        part.grad = None if number == 1 and step == 2 else slope


def test_steps_are_those_of_pytorch() -> None:
    ours, theirs = weights(), weights()
    own, other = optimizer(ours), optimizer(theirs)
    rounded = {id(part): torch.empty_like(part, dtype=torch.bfloat16) for part in ours[:3]}
    for step in range(5):
        learn(ours, step)
        learn(theirs, step)
        norm = torch.nn.utils.clip_grad_norm_(theirs, 1.0)
        other.step()
        update = Update(own, rounded)
        assert update.norm() == pytest.approx(float(norm), rel=1e-5)
        update.apply(1.0 / (update.norm() + 1e-6))
        for one, two in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-6)
        for one in ours[:3]:
            if one.grad is not None:
                assert torch.equal(rounded[id(one)], one.detach().bfloat16())
    for one, two in zip(ours, theirs, strict=True):
        assert own.state[one].keys() == other.state[two].keys()
        for name, value in own.state[one].items():
            torch.testing.assert_close(value, other.state[two][name], rtol=1e-5, atol=1e-6)


def test_a_state_saved_by_one_is_gone_on_with_by_the_other() -> None:
    parts = weights()
    first = optimizer(parts)
    learn(parts, 0)
    first.step()
    after = [copy.deepcopy(part.detach()).requires_grad_() for part in parts]
    second = optimizer(after)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    learn(parts, 1)
    learn(after, 1)
    first.step()
    Update(second, {}).apply(1.0)
    for one, two in zip(parts, after, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-6)


def test_any_number_of_threads_gives_the_same_bits() -> None:
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            parts = weights()
            learn(parts, 0)
            update = Update(optimizer(parts), {})
            norm = update.norm()
            update.apply(0.5)
            found.append([torch.tensor(norm), *(part.detach() for part in parts)])
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(one, two) for one, two in zip(*found, strict=True))


def test_it_fits_pytorchs_adamw_alone_and_float32() -> None:
    parts = weights()
    assert fits(optimizer(parts), parts)
    assert not fits(torch.optim.Adam(parts), parts)
    assert not fits(torch.optim.AdamW(parts, amsgrad=True), parts)
    assert not fits(optimizer(parts), [*parts, torch.ones(3, dtype=torch.float64)])
    assert not fits(optimizer(parts), [*parts, torch.ones(3, 4).T])
