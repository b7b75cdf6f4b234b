"""How rows become steps: every row once in each pass, in windows of the size asked for."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from numpy.typing import NDArray

from luthier.setup.optimizers import GradientDescent, Sgd
from luthier.tune._objective import judging, order_seed, steps, tensors, total_steps, windows
from luthier.tune.tune import TuneSpec

LENGTHS = st.lists(st.integers(1, 400), min_size=1, max_size=60)


@dataclasses.dataclass
class Only:
    """Lengths, all that the order of steps depends on."""

    lengths: NDArray[np.int64]


def spec(**changes: Any) -> TuneSpec:
    return TuneSpec(**{"batch_tokens": 256, **changes})


@given(LENGTHS, st.integers(16, 2000), st.integers(0, 3))
def test_every_row_is_in_exactly_one_window(lengths: list[int], size: int, epoch: int) -> None:
    found = windows(np.array(lengths), spec(batch_tokens=size), epoch=epoch)
    assert sorted(row for window in found for row in window) == list(range(len(lengths)))
    assert all(found)


@given(LENGTHS, st.integers(16, 2000))
def test_all_passes_have_equally_many_windows(lengths: list[int], size: int) -> None:
    given_ = spec(batch_tokens=size)
    counts = {len(windows(np.array(lengths), given_, epoch=e)) for e in range(4)}
    assert counts == {min(len(lengths), -(-sum(lengths) // size))}


@given(LENGTHS)
def test_windows_hold_about_the_tokens_asked_for(lengths: list[int]) -> None:
    found = windows(np.array(lengths), spec(batch_tokens=500), epoch=0)
    fair = sum(lengths) / len(found)
    for window in found:
        if len(window) > 1:
            assert sum(lengths[row] for row in window) <= fair + 2 * max(lengths)


def test_rows_decide_where_they_are_asked_for() -> None:
    lengths = np.arange(1, 11)
    sizes = [len(w) for w in windows(lengths, spec(batch_rows=4), epoch=0)]
    assert sizes == [4, 4, 2]
    assert len(windows(lengths, spec(optimizer=GradientDescent()), epoch=0)) == 1
    alone = windows(lengths, spec(optimizer=Sgd()), epoch=0)
    assert [len(w) for w in alone] == [1] * 10


def test_each_pass_has_another_order_and_each_seed_too() -> None:
    lengths = np.ones(50, dtype=np.int64)
    orders = [
        [row for window in windows(lengths, spec(seed=s), epoch=e) for row in window]
        for s, e in ((0, 0), (0, 1), (1, 0))
    ]
    assert orders[0] != orders[1] != orders[2] != orders[0]
    assert order_seed(0, 1) != order_seed(1, 0)


@pytest.mark.parametrize(("changes", "wanted"), [
    ({}, 4), ({"epochs": 5.0}, 20), ({"epochs": 0.01}, 1), ({"epochs": 5.0, "max_steps": 3}, 3),
])  # fmt: skip
def test_steps_of_the_whole_run(changes: dict[str, Any], wanted: int) -> None:
    rows: Any = Only(np.full(20, 50))
    given_ = spec(**changes)
    total = total_steps(rows, given_)
    assert total == wanted
    assert [step for step, _ in steps(rows, given_, total, 0)] == list(range(wanted))


def test_a_resumed_run_goes_on_with_the_rows_that_follow() -> None:
    rows: Any = Only(np.full(20, 50))
    given_ = spec(epochs=3.0)
    whole = list(steps(rows, given_, 12, 0))
    assert list(steps(rows, given_, 12, 5)) == whole[5:]


@pytest.mark.parametrize("training", [False, True])
def test_judging_has_no_dropout_and_no_gradients_and_leaves_the_mode(training: bool) -> None:
    network = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Dropout(0.5)).train(training)
    with pytest.raises(KeyError), judging(network):
        found = network(torch.ones(2, 4))
        assert torch.equal(found[0], network[0](torch.ones(4)))
        assert not found.requires_grad
        raise KeyError
    assert network.training == network[1].training == training
    assert torch.is_grad_enabled()


def test_arrays_become_tensors_of_their_names() -> None:
    found = tensors({"ids": np.arange(3), "weights": np.ones(2, np.float32)}, "cpu")
    assert {name: (t.dtype, len(t)) for name, t in found.items()} == {
        "ids": (torch.int64, 3),
        "weights": (torch.float32, 2),
    }
