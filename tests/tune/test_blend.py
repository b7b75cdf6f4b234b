"""Weights between those before tuning and those after."""

from __future__ import annotations

import torch

from luthier.tune._blend import blend, weights_of


def test_a_share_of_the_way_is_gone() -> None:
    network = torch.nn.Linear(2, 1)
    before = weights_of(network)
    with torch.no_grad():
        network.weight += 2.0
        network.bias -= 1.0
    blend(network, before, 0.25)
    torch.testing.assert_close(network.weight, before["weight"] + 0.5)
    torch.testing.assert_close(network.bias, before["bias"] - 0.25)


def test_all_of_the_way_changes_nothing_and_new_weights_stay() -> None:
    network = torch.nn.Linear(2, 1).to(torch.bfloat16)
    before = {"weight": torch.zeros(1, 2)}
    wanted = weights_of(network)
    blend(network, before, 1.0)
    assert torch.equal(network.weight, wanted["weight"])
    blend(network, before, 0.0)
    assert not network.weight.any()
    assert torch.equal(network.bias, wanted["bias"])
    assert network.weight.dtype is torch.bfloat16
