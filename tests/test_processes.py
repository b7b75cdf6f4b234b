"""Objectives and methods in two processes: the losses of one, and runs that change their number."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import labelled_rows
import pytest
import torch
from safetensors.torch import load_file
from tiny_models import examples, plan, tiny
from tiny_runs import killed_after
from torch import distributed, multiprocessing

from luthier.core.progress import Quiet
from luthier.core.records import Example, Message
from luthier.models.load import load, save
from luthier.tune._history import read_history
from luthier.tune._world import World, leave
from luthier.tune.classification import Classification
from luthier.tune.methods import Bottleneck, Half, Lora
from luthier.tune.objectives import Instruction
from luthier.tune.preference import Dpo, Kto, Orpo
from luthier.tune.tune import TuneSpec, open_model, tune

CASES: dict[str, dict[str, Any]] = {
    "dpo": {"objective": Dpo()},
    "dpo, ipo, lora": {"objective": Dpo(loss_type="ipo"), "method": Lora(r=4)},
    "orpo": {"objective": Orpo()},
    "kto": {"objective": Kto()},
    "kto, lora": {"objective": Kto(), "method": Lora(r=4)},
    "half in two rounds": {"objective": Instruction(), "method": Half(rounds=2)},
    "half, dpo": {"objective": Dpo(), "method": Half()},
    "bottleneck": {"objective": Instruction(), "method": Bottleneck(bottleneck_size=4)},
    "classification": {"objective": Classification()},
}
COMMON: dict[str, Any] = {
    "lr": 0.005,
    "batch_rows": 8,
    "max_length": 64,
    "epochs": 2.0,
    "max_steps": 4,
    "validation_every": 2,
    "checkpoint_every_s": 0.0,
    "save_last": True,
    "report_to": (),
}
PARALLEL = ("ddp", "fsdp2")
STOP = 3  # steps after which the runs that change their processes are stopped


def rows(spec: TuneSpec) -> tuple[list[Example], list[Example]]:
    if isinstance(spec.objective, Classification):
        made = labelled_rows.single(28)
        return made[:20], made[20:]
    if isinstance(spec.objective, Instruction):
        return examples(20), examples(6, begin=60)
    return compared(20), compared(6, begin=60)


def compared(count: int, begin: int = 0) -> list[Example]:
    found = []
    for row in examples(count, begin=begin):
        better, worse = (Message("assistant", f"{w}: {row.answer}") for w in ("Gladly", "No"))
        turns = (row.messages[0], better)
        found.append(dataclasses.replace(row, messages=turns, rejected=(worse,)))
    return found


def work(folder: Path, base: Path, case: str, world: World | None = None) -> None:
    """One run; a small micro-batch, so that each step has several parts to share out."""
    spec = TuneSpec(**COMMON, **CASES[case])
    here = plan(micro=64)
    if world:
        here = dataclasses.replace(here, processes=world.size, parallel=world.parallel)
    train, held_out = rows(spec)
    folder.mkdir(exist_ok=True)
    model = open_model(base, spec, here, train)
    tune(model, train, held_out, (), spec, here, folder, Quiet(), world=world)


def stopped(folder: Path, base: Path, case: str, world: World | None = None) -> None:
    """The same, ended after some steps."""
    with killed_after(STOP):
        work(folder, base, case, world)


def in_each(rank: int, folder: str, base: str) -> None:
    torch.set_num_threads(1)
    here, model = Path(folder), Path(base)
    store = distributed.FileStore(f"{folder}/meet", 2)
    distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
    for parallel in PARALLEL:
        world = World(rank, 2, parallel)  # type: ignore[arg-type]
        for case in CASES:
            work(here / f"{case} {parallel}", model, case, world)
        work(here / f"one, then {parallel}", model, "kto", world)
        stopped(here / f"{parallel}, then one", model, "half in two rounds", world)
    leave()


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All runs: two processes make theirs one after the other, for they are slow to start."""
    here = tmp_path_factory.mktemp("processes")
    save(tiny(), here / "base")
    for parallel in PARALLEL:
        stopped(here / f"one, then {parallel}", here / "base", "kto")
    given = (str(here), str(here / "base"))
    multiprocessing.start_processes(in_each, args=given, nprocs=2, start_method="fork")
    for parallel in PARALLEL:
        work(here / f"{parallel}, then one", here / "base", "half in two rounds")
    for case in CASES:
        work(here / case, here / "base", case)
    return here


def same(one: Path, other: Path) -> None:
    """The same figures at every step, and the same weights at the end, the last ones too."""
    ours, theirs = read_history(one), read_history(other)
    assert ours.step == theirs.step == COMMON["max_steps"]
    for number in (1, 5):  # the loss, the norm of the gradient
        assert [line[number] for line in ours.train] == pytest.approx(
            [line[number] for line in theirs.train], rel=1e-3, abs=1e-5
        )
    for a, b in zip(ours.validation, theirs.validation, strict=True):
        assert a == pytest.approx(b, rel=1e-3, abs=1e-4)
    for file in (f.relative_to(other) for f in other.rglob("*.safetensors")):
        found, wanted = load_file(one / file), load_file(other / file)
        assert set(found) == set(wanted)
        for name, tensor in wanted.items():
            torch.testing.assert_close(found[name], tensor, rtol=1e-2, atol=2e-3)


@pytest.mark.parametrize("parallel", PARALLEL)
@pytest.mark.parametrize("case", CASES)
def test_two_processes_have_the_losses_of_one(case: str, parallel: str, done: Path) -> None:
    same(done / f"{case} {parallel}", done / case)


@pytest.mark.parametrize("parallel", PARALLEL)
def test_a_run_of_one_process_goes_on_in_two(parallel: str, done: Path) -> None:
    same(done / f"one, then {parallel}", done / "kto")


@pytest.mark.parametrize("parallel", PARALLEL)
def test_a_run_of_two_processes_goes_on_in_one(parallel: str, done: Path) -> None:
    same(done / f"{parallel}, then one", done / "half in two rounds")


@pytest.mark.parametrize("parallel", PARALLEL)
def test_the_frozen_half_keeps_every_bit_in_two_processes(parallel: str, done: Path) -> None:
    before = load_file(done / "base" / "model.safetensors")
    after = load_file(done / f"half, dpo {parallel}" / "model" / "model.safetensors")
    alone = load_file(done / "half, dpo" / "model" / "model.safetensors")
    kept = {name for name in before if torch.equal(before[name], after[name])}
    assert kept == {name for name in before if torch.equal(before[name], alone[name])}
    assert len(before) / 4 < len(kept) < len(before) * 3 / 4


def test_the_last_weights_are_whole(done: Path) -> None:
    last = done / "dpo fsdp2" / "last" / "model.safetensors"
    whole = load_file(done / "base" / "model.safetensors")
    assert {n: t.shape for n, t in load_file(last).items()} == {
        n: t.shape for n, t in whole.items()
    }
    assert load(done / "dpo fsdp2" / "model").parameters == tiny().parameters
