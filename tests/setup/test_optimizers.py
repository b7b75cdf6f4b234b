"""Optimizers find the bottom of a bowl, and only matrices decay."""

from __future__ import annotations

import copy

import pytest
import torch
from pydantic import ValidationError

from luthier.setup.optimizers import AdamW, Muon, build


def weights() -> list[tuple[str, torch.Tensor]]:
    torch.manual_seed(0)
    shapes = {"embed.weight": (6, 4), "layer.weight": (4, 4), "norm.weight": (4,)}
    return [(n, torch.nn.Parameter(torch.randn(s))) for n, s in shapes.items()]


@pytest.mark.parametrize("spec", [AdamW(), Muon()])
def test_they_go_down_a_convex_problem(spec: AdamW | Muon) -> None:
    named = weights()
    goals = [torch.full_like(w, 0.5) for _, w in named]
    optimizer = build(spec, named, lr=0.2, weight_decay=0.0)
    losses = []
    for step in range(150):
        loss = sum(((w - g) ** 2).sum() for (_, w), g in zip(named, goals, strict=True))
        assert isinstance(loss, torch.Tensor)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step(0.2 * (1 - step / 150))
        for _, w in named:
            w.grad = None
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.02 * losses[0]


@pytest.mark.parametrize("spec", [AdamW(), Muon()])
def test_each_weight_is_in_exactly_one_group(spec: AdamW | Muon) -> None:
    named = weights()
    optimizer = build(spec, named, lr=0.1, weight_decay=0.1)
    held = [id(w) for part in optimizer.parts for g in part.param_groups for w in g["params"]]
    assert sorted(held) == sorted(id(w) for _, w in named)


@pytest.mark.parametrize("spec", [AdamW(), Muon()])
def test_only_matrices_decay(spec: AdamW | Muon) -> None:
    named = weights()
    before = {n: w.detach().clone() for n, w in named}
    for _, w in named:
        w.grad = torch.zeros_like(w)
    build(spec, named, lr=0.1, weight_decay=0.5).step(0.1)
    for name, w in named:
        factor = 1.0 if w.ndim < 2 else 1 - 0.1 * 0.5
        torch.testing.assert_close(w.detach(), before[name] * factor)


def test_muon_turns_hidden_matrices_only() -> None:
    named = weights()
    adamw, muon = build(Muon(), named, lr=0.1, weight_decay=0.0).parts
    assert [id(p) for p in muon.param_groups[0]["params"]] == [id(named[1][1])]
    assert isinstance(adamw, torch.optim.AdamW)


def test_the_first_adamw_step_by_hand() -> None:
    # the bias-corrected moments of one gradient g are g and g*g: a step of lr * sign(g)
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    weight.grad = torch.tensor([0.3, -4.0])
    build(AdamW(), [("b", weight)], lr=1.0, weight_decay=0.1).step(0.25)
    torch.testing.assert_close(weight.detach(), torch.tensor([0.75, -1.75]))


@pytest.mark.parametrize("spec", [AdamW(), Muon()])
def test_state_goes_on_where_it_was_saved(spec: AdamW | Muon) -> None:
    def steps(named: list[tuple[str, torch.Tensor]], optimizer: object, count: int) -> None:
        for _ in range(count):
            for _, w in named:
                w.grad = w.detach().sin()
            optimizer.step(0.03)  # type: ignore[attr-defined]

    straight = weights()
    one = build(spec, straight, lr=0.03, weight_decay=0.1)
    steps(straight, one, 3)
    state = copy.deepcopy(one.state_dict())  # a checkpoint does not change with the weights
    copied = [(n, torch.nn.Parameter(w.detach().clone())) for n, w in straight]
    two = build(spec, copied, lr=0.03, weight_decay=0.1)
    two.load_state_dict(state)
    steps(straight, one, 2)
    steps(copied, two, 2)
    for (_, a), (_, b) in zip(straight, copied, strict=True):
        assert torch.equal(a, b)


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValidationError):
        AdamW(eps=0.0)
    with pytest.raises(ValidationError):
        Muon(momentum=1.0)
