"""The search over retrieval: what it finds, keeps, marks, takes apart, and how it goes on."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from luthier.core.errors import ConfigError, DataError, TuneError
from luthier.core.progress import Quiet
from luthier.core.records import Passage
from luthier.core.space import Dimension
from luthier.rag.measuring.measured import Bench, Measured, Settings
from luthier.rag.queries.language import words
from luthier.rag.tuning import Switch, Tuned, TuningSpec, report, tune

SPACE = {
    "weight": Dimension(low=0.0, high=1.0),
    "size": Dimension(choices=(64, 128, 256)),
    "rerank": Dimension(choices=(True, False)),
}
BASE: Settings = {"weight": 0.0, "size": 64, "rerank": False, "depth": 10}
STEPS = {
    "reranker": Switch({"rerank": False}, {"rerank": True}),
    "depth": Switch({"depth": 10}, {"depth": 100}),
    "nothing": Switch({"size": 64}),
}


class World:
    """Quality peaks at weight 0.6 and size 128; the reranker helps, and takes 20 ms."""

    def __init__(self, folder: Path, questions: int = 40) -> None:
        self.asked: list[Settings] = []
        self.built: list[Settings] = []
        noise = np.random.default_rng(0).normal(scale=0.01, size=questions)
        self.noise = noise.tolist()
        self.bench = Bench(self.evaluate, folder, "docs", "questions", self.build, ("size",))

    def build(self, settings: Settings, folder: Path) -> None:
        self.built.append(settings)

    def evaluate(self, settings: Settings, folder: Path) -> Measured:
        self.asked.append(settings)
        assert folder.is_dir()
        value = 0.5 - (float(settings["weight"]) - 0.6) ** 2
        value += 0.1 * (settings["size"] == 128) + 0.05 * bool(settings["rerank"])
        ms = 2.0 + 20.0 * bool(settings["rerank"]) + 0.01 * float(settings["depth"])
        # the reranker helps every question a little differently
        own = [value + n * (2 if settings["rerank"] else 1) for n in self.noise]
        return Measured(tuple(own), (ms,) * len(own))


def _tune(world: World, **changes: object) -> Tuned:
    spec = TuningSpec(space=SPACE, trials=30, startup_trials=8).model_copy(update=changes)
    return tune(spec, BASE, world.bench, Quiet(), STEPS)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Tuned]:
    world = World(tmp_path_factory.mktemp("searched"))
    return world, _tune(world)


def test_it_finds_what_is_good_and_takes_it_apart(searched: tuple[World, Tuned]) -> None:
    world, tuned = searched
    assert tuned.best.settings["size"] == 128
    assert tuned.best.settings["rerank"] is True
    assert abs(float(tuned.best.settings["weight"]) - 0.6) < 0.15
    assert tuned.compared.verdict == "better"
    assert tuned.settings == tuned.best.settings
    assert tuned.trials[0].settings == {"weight": 0.0, "size": 64, "rerank": False}  # the base
    steps = {one.name: one for one in tuned.steps}
    reranker = steps["reranker"]
    assert (reranker.used, reranker.effect.verdict) == (True, "better")
    assert reranker.effect.gain.mean == pytest.approx(0.05, abs=0.01)
    assert reranker.effect.p95_ms == pytest.approx(20.0)
    assert (steps["depth"].used, steps["depth"].effect.verdict) == (False, "cannot tell apart")
    assert steps["depth"].effect.p50_ms == pytest.approx(0.9)
    assert steps["nothing"].used  # its size is not 64
    told = json.loads((world.bench.folder / "tuning.json").read_text())
    assert told == json.loads(json.dumps(tuned.as_json()))
    assert told["settings"]["size"] == 128


def test_an_index_is_built_once_for_each_size(searched: tuple[World, Tuned]) -> None:
    world, _ = searched
    sizes = [one["size"] for one in world.built]
    assert sorted(sizes) == [64, 128, 256]
    assert len(world.asked) == len({json.dumps(dict(one), sort_keys=True) for one in world.asked})


def test_what_is_too_slow_is_marked_and_never_wins(tmp_path: Path) -> None:
    tuned = _tune(World(tmp_path), latency_limit_ms=12.0, trials=16)
    slow = [t for t in tuned.trials if not t.feasible]
    assert slow
    assert all(t.settings["rerank"] is True and t.value is not None for t in slow)
    assert tuned.best.settings["rerank"] is False
    assert tuned.limit == "p95 at most 12 ms"
    steps = {one.name: one for one in tuned.steps}
    assert not steps["reranker"].used
    assert steps["reranker"].effect.p95_ms == pytest.approx(20.0)


def test_nothing_fast_enough_says_what_was_fastest(tmp_path: Path) -> None:
    with pytest.raises(TuneError, match=r"p50 at most 1 ms; the fastest .* 2\.1 ms"):
        _tune(World(tmp_path), latency_limit_ms=1.0, percentile=50, trials=3)


def test_a_search_goes_on_where_it_was_killed(
    tmp_path: Path, searched: tuple[World, Tuned]
) -> None:
    _, whole = searched
    world = World(tmp_path)
    evaluate, left = world.bench.evaluate, [12]

    def killed(settings: Settings, folder: Path) -> Measured:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return evaluate(settings, folder)

    broken = dataclasses.replace(world.bench, evaluate=killed)
    spec = TuningSpec(space=SPACE, trials=30, startup_trials=8)
    with pytest.raises(KeyboardInterrupt):
        tune(spec, BASE, broken, Quiet(), STEPS)
    before = len(world.asked)
    tuned = _tune(world)
    assert before == 12
    done = [t for t in tuned.trials if t.value is not None]
    assert len(done) == 30
    assert [t.settings for t in done] == [t.settings for t in whole.trials]
    assert tuned.best == whole.best


def test_more_trials_go_on_and_other_questions_begin_anew(tmp_path: Path) -> None:
    world = World(tmp_path)
    few = _tune(world, trials=5)
    more = _tune(world, trials=8)
    assert more.trials[:5] == few.trials
    assert len(more.trials) == 8
    other = dataclasses.replace(world.bench, questions="others")
    spec = TuningSpec(space=SPACE, trials=3)
    assert len(tune(spec, BASE, other, Quiet()).trials) == 3


def test_a_trial_that_fails_is_told_and_the_search_goes_on(tmp_path: Path) -> None:
    world = World(tmp_path)
    evaluate = world.bench.evaluate

    def fails(settings: Settings, folder: Path) -> Measured:
        if settings["size"] == 256:
            raise DataError("passages of 256 do not fit")
        return evaluate(settings, folder)

    spec = TuningSpec(space=SPACE, trials=10, startup_trials=10)
    broken = dataclasses.replace(world.bench, evaluate=fails)
    tuned = tune(spec, BASE, broken, Quiet())
    failed = [t for t in tuned.trials if t.problem]
    assert failed
    assert {t.problem for t in failed} == {"passages of 256 do not fit"}
    assert len(tuned.trials) == 10
    space = {"size": Dimension(choices=(256,))}
    with pytest.raises(TuneError, match="no trial came to its end: passages of 256"):
        tune(TuningSpec(space=space, trials=2), {**BASE, "size": 256}, broken, Quiet())


def test_a_base_outside_the_space_is_measured_all_the_same(tmp_path: Path) -> None:
    world = World(tmp_path)
    base = {**BASE, "size": 100}
    tuned = tune(TuningSpec(space=SPACE, trials=4), base, world.bench, Quiet())
    assert tuned.base.settings["size"] == 100
    assert all(t.settings["size"] != 100 for t in tuned.trials)


def test_a_base_not_told_from_the_best_is_kept(tmp_path: Path) -> None:
    world = World(tmp_path)
    space = {"depth": Dimension(choices=(10, 11))}  # changes nothing but time
    tuned = tune(TuningSpec(space=space, trials=3), BASE, world.bench, Quiet())
    assert tuned.compared.verdict == "cannot tell apart"
    assert tuned.settings == BASE


def test_a_setting_without_a_base_is_named(tmp_path: Path) -> None:
    spec = TuningSpec(space={"magic": Dimension(choices=(1, 2))})
    with pytest.raises(ConfigError, match="no setting magic"):
        tune(spec, BASE, World(tmp_path).bench, Quiet())
    with pytest.raises(ValidationError):
        TuningSpec(space={})


def test_locked_questions_judge_once_and_looks_are_counted(tmp_path: Path) -> None:
    world, spec = World(tmp_path), TuningSpec(space=SPACE, trials=3)
    tuned = _tune(world, trials=3)
    fresh = World(tmp_path, questions=60)
    locked = dataclasses.replace(fresh.bench, questions="locked")
    first = report(tuned, spec, locked)
    assert first.compared.gain.n == 60
    assert (first.looks, len(fresh.asked), fresh.built) == (1, 2, [])
    assert report(tuned, spec, locked) == first
    assert len(fresh.asked) == 2
    other = dataclasses.replace(tuned, best=tuned.base)
    assert report(other, spec, locked).looks == 2
    assert json.loads(json.dumps(first.as_json()))["looks"] == 1


def test_a_small_real_search_by_words(tmp_path: Path) -> None:
    """Cutting and depth of a tiny corpus, with counts of shared words for a search."""
    texts = [
        f"The {animal} lives in the {place}. It eats {food} at {hour} o'clock."
        for animal, place, food, hour in zip(
            ["heron", "otter", "badger", "lynx", "vole", "stoat"],
            ["marsh", "river", "wood", "hill", "field", "hedge"],
            ["fish", "crabs", "worms", "hares", "seeds", "mice"],
            range(1, 7),
            strict=True,
        )
    ]
    questions = [
        (f"Who eats {text.split()[-4]} in the {text.split()[5]}?", i)
        for i, text in enumerate(texts)
    ]

    def build(settings: Settings, folder: Path) -> None:
        size = int(settings["size"])
        cut = [
            Passage(f"{n}#{at}", str(n), "", text[at : at + size], "x", at, at + size)
            for n, text in enumerate(texts)
            for at in range(0, len(text), size)
        ]
        rows = [[p.document_id, p.text] for p in cut]
        (folder / "passages.json").write_text(json.dumps(rows))

    def evaluate(settings: Settings, folder: Path) -> Measured:
        rows = json.loads((folder / "passages.json").read_text())
        values = []
        for question, wanted in questions:
            asked = {w.strip(".").lower() for w in words(question)}
            scores = [len(asked & {w.lower() for w in words(text)}) for _, text in rows]
            best = sorted(range(len(rows)), key=lambda i: -scores[i])[: int(settings["depth"])]
            ranks = [r for r, i in enumerate(best, 1) if rows[i][0] == str(wanted)]
            values.append(1 / ranks[0] if ranks else 0.0)
        return Measured(tuple(values), (1.0,) * len(values))

    bench = Bench(evaluate, tmp_path, "animals", "six", build, ("size",))
    space = {"size": Dimension(choices=(8, 80)), "depth": Dimension(low=1, high=5, integer=True)}
    base: Settings = {"size": 8, "depth": 1}
    tuned = tune(TuningSpec(space=space, trials=8, startup_trials=4), base, bench, Quiet())
    assert tuned.best.settings["size"] == 80
    assert tuned.best.value == 1.0 > tuned.base.value
    assert len(list((tmp_path / "indexes").iterdir())) == 2
