"""A checkpoint gives back everything, is never half written, and says when it is no use."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from luthier.core.errors import ResourceError, TuneError
from luthier.setup.optimizers import AdamW, build
from luthier.tune._checkpoint import GOOD, LATEST, Checkpoints, remove
from luthier.tune._history import History
from luthier.tune._weights import Weights


def network(seed: int = 0, width: int = 3) -> torch.nn.Linear:
    torch.manual_seed(seed)
    return torch.nn.Linear(width, 2)


def checkpoints(net: torch.nn.Linear, folder: Path) -> Checkpoints:
    weights = Weights(net)
    return Checkpoints(weights, build(AdamW(), weights.named, lr=0.1, weight_decay=0.0), folder)


def step(found: Checkpoints, net: torch.nn.Linear) -> None:
    net(torch.ones(1, net.in_features)).square().sum().backward()
    found.weights.gather()
    found.optimizer.step(0.1)
    found.weights.scatter()


def test_a_restored_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    straight, other = network(), network(seed=1)
    one = checkpoints(straight, tmp_path)
    step(one, straight)
    one.keep_best()
    one.save(History(step=1, tokens=7))
    step(one, straight)
    two = checkpoints(other, tmp_path)
    assert two.resume() == History(step=1, tokens=7)
    assert torch.equal(two.best[0], one.best[0])
    step(two, other)
    assert torch.equal(other.weight, straight.weight)


def test_the_furthest_checkpoint_is_taken(tmp_path: Path) -> None:
    net = network()
    found = checkpoints(net, tmp_path)
    assert found.resume() == History()
    found.save(History(step=3), LATEST)
    found.save(History(step=5), GOOD)
    assert found.resume().step == 5
    found.save(History(step=6), LATEST)
    assert found.resume().step == 6
    good = found.roll_back()
    assert good is not None
    assert good.step == 5
    remove(tmp_path)
    assert found.roll_back() is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / LATEST).write_bytes(b"not one")
    with pytest.raises(TuneError, match="cannot be read") as caught:
        checkpoints(network(), tmp_path).resume()
    assert "afresh" in caught.value.mend


def test_a_tensor_that_was_damaged_on_the_disk(tmp_path: Path) -> None:
    net = network(width=64)
    checkpoints(net, tmp_path).save(History(step=1))
    whole = (tmp_path / LATEST).read_bytes()
    values = net.weight.detach().numpy().tobytes()
    place = whole.index(values) + 5
    (tmp_path / LATEST).write_bytes(whole[:place] + b"\xff\xfe" + whole[place + 2 :])
    with pytest.raises(TuneError, match="cannot be read"):
        checkpoints(network(width=64), tmp_path).resume()


@pytest.mark.skipif(not Path("/proc/self/maps").is_file(), reason="NOT TESTED: only Linux tells")
def test_no_checkpoint_stays_mapped(tmp_path: Path) -> None:
    net = network(width=2000)
    found = checkpoints(net, tmp_path)
    step(found, net)
    found.keep_best()
    for name in (LATEST, GOOD):
        found.save(History(step=1), name)
    again = checkpoints(network(seed=1, width=2000), tmp_path)
    assert again.resume().step == 1
    assert torch.equal(again.best[0], found.best[0])
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()


def test_a_checkpoint_of_another_model(tmp_path: Path) -> None:
    checkpoints(network(width=5), tmp_path).save(History(step=1))
    with pytest.raises(TuneError, match="cannot be read"):
        checkpoints(network(), tmp_path).resume()


def test_a_full_disk_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = checkpoints(network(), tmp_path)
    found.save(History(step=1))
    before = (tmp_path / LATEST).read_bytes()

    def full(state: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("file write failed")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(ResourceError, match="cannot be written"):
        found.save(History(step=2))
    assert [p.name for p in tmp_path.iterdir()] == [LATEST]
    assert (tmp_path / LATEST).read_bytes() == before
