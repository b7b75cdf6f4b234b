"""Search for the configuration of retrieval that serves validation questions best.

A Bayesian search (the tree-structured Parzen estimator of Bergstra et al. 2011, with the limit on
latency as a constraint: Watanabe & Hutter 2023, "c-TPE") goes over whatever can be set: how texts
are cut, the encoder, fusion, depth, steps of the query, reranker, budget. Configurations that are
too slow are marked and learned from, and never win. Around the best each step is switched off, or
on, to see what it gains and costs (an ablation), in pairs over the same questions.

The best of many trials looks better on the questions that chose it than it is. So the figures that
count are those of locked questions, measured once at the end: `report`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from luthier.core.errors import ConfigError, TuneError
from luthier.core.progress import Progress
from luthier.core.space import Dimension, Value
from luthier.core.spec import Spec, digest_of
from luthier.core.statistics import holm
from luthier.core.store import write_atomic
from luthier.rag.measuring.measured import Bench, Compared, Measured, Settings, compare, verdict_of
from luthier.rag.measuring.trials import open_study, over_ms, run

TUNING_VERSION = 1
RESULTS = "tuning.json"


class TuningSpec(Spec):
    """What is searched, how often, and how fast the outcome must be."""

    space: dict[str, Dimension] = Field(min_length=1)
    """The settings that are searched, by dotted name such as ``words.b``: their values."""
    trials: int = Field(40, ge=1)
    """How many configurations are measured."""
    startup_trials: int = Field(10, ge=1)
    """Trials drawn by chance before the model is asked."""
    metric: str = "ndcg@10"
    """The figure of each question that decides."""
    latency_limit_ms: float | None = Field(None, gt=0)
    """Slowest that is allowed, for one question end to end; null for no limit."""
    percentile: Literal[50, 95] = 95
    """Of the questions' latencies, the one that the limit is for."""
    seed: int = 0
    """Of the choice of trials."""


@dataclasses.dataclass(frozen=True, slots=True)
class Switch:
    """How a step is switched.

    Attributes:
        off: Settings without it.
        on: Settings with it, to try it where the best configuration has it off; empty for not.
    """

    off: Mapping[str, Value]
    on: Mapping[str, Value] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Figures:
    """A configuration and what it did.

    Attributes:
        settings: All that were told to evaluate.
        value: Mean of the metric.
        p50_ms: Median latency.
        p95_ms: 95th percentile.
        feasible: Whether it keeps to the limit.
    """

    settings: dict[str, Value]
    value: float
    p50_ms: float
    p95_ms: float
    feasible: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Trial:
    """One configuration that was tried.

    Attributes:
        number: From 0.
        settings: Those that were searched.
        value: Mean of the metric; None if it failed.
        p95_ms: 95th percentile of latency; None if it failed.
        feasible: Whether it keeps to the limit.
        problem: Why it failed, or "".
    """

    number: int
    settings: dict[str, Value]
    value: float | None
    p95_ms: float | None
    feasible: bool
    problem: str


@dataclasses.dataclass(frozen=True, slots=True)
class StepEffect:
    """What one step gains and costs in the best configuration.

    Attributes:
        name: Of the step.
        used: Whether the best configuration has it.
        effect: With it against without it.
    """

    name: str
    used: bool
    effect: Compared


@dataclasses.dataclass(frozen=True, slots=True)
class Tuned:
    """What a search found on validation questions.

    Attributes:
        metric: See `TuningSpec`.
        questions: How many decided.
        limit: In words, such as ``p95 at most 12 ms``, or "".
        base: The configuration as it was.
        best: The best that keeps to the limit.
        compared: The best against the base; it is too kind to the best, see the module.
        steps: What each step gains and costs around the best.
        trials: All of them.
    """

    metric: str
    questions: int
    limit: str
    base: Figures
    best: Figures
    compared: Compared
    steps: tuple[StepEffect, ...]
    trials: tuple[Trial, ...]

    @property
    def settings(self) -> dict[str, Value]:
        """What to use: the best, unless it is not told apart from a base that is fast enough."""
        keep = self.base.feasible and self.compared.verdict != "better"
        return self.base.settings if keep else self.best.settings

    def as_json(self) -> dict[str, Any]:
        """Everything as plain JSON data."""
        return {
            "version": TUNING_VERSION,
            **dataclasses.asdict(self),
            "settings": dict(self.settings),
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Locked:
    """What the chosen configuration does with locked questions.

    Attributes:
        base: The configuration as it was.
        best: The one that was found.
        compared: Best against base.
        looks: How many different configurations these questions have judged by now; with more than
            one they are no longer fresh.
    """

    base: Figures
    best: Figures
    compared: Compared
    looks: int

    def as_json(self) -> dict[str, Any]:
        """Everything as plain JSON data."""
        return {"version": TUNING_VERSION, **dataclasses.asdict(self)}


def tune(
    spec: TuningSpec,
    base: Settings,
    bench: Bench,
    progress: Progress,
    steps: Mapping[str, Switch] | None = None,
) -> Tuned:
    """Search, and take the best apart.

    Args:
        spec: See `TuningSpec`.
        base: The settings as they are, each of the space's among them.
        bench: Measures settings on validation questions. Its folder keeps the trials, too: a search
            that was killed goes on, one with other settings, documents or questions begins anew.
        progress: Shows trials as they end.
        steps: Steps to be switched around the best, by name.

    Raises:
        ConfigError: A setting of the space has no base.
        DataError: Measurements do not fit each other.
        TuneError: No trial came to its end, or none keeps to the limit.
        ResourceError: optuna is not installed.
    """
    if lacking := sorted(set(spec.space) - set(base)):
        raise ConfigError(f"there is no setting {lacking[0]}", where=f"rag.tune.space.{lacking[0]}")
    study = open_study(bench.folder, _study_name(spec, base, bench))
    with progress.task("searching", spec.trials) as task:
        run(study, spec, base, bench, task)
    trials = tuple(_told(trial) for trial in study.get_trials(deepcopy=False))
    best_settings = {**base, **_best(spec, trials).settings}
    first, best = bench.measure(base), bench.measure(best_settings)
    tuned = Tuned(
        spec.metric,
        len(best.values),
        _limit(spec),
        _figures(base, first, spec),
        _figures(best_settings, best, spec),
        compare(best, first, bench.groups),
        _ablated(best_settings, best, bench, steps or {}, progress),
        trials,
    )
    write_atomic(bench.folder / RESULTS, json.dumps(tuned.as_json(), indent=2, ensure_ascii=False))
    return tuned


def report(tuned: Tuned, spec: TuningSpec, bench: Bench) -> Locked:
    """Hold the best against the base on locked questions, once.

    A second call with the same configurations reads what the first found. How many configurations
    these questions have judged is counted and told.

    Args:
        tuned: What `tune` found.
        spec: See `TuningSpec`.
        bench: Measures settings on the locked questions; with the folder of the search the indexes
            there are used again.
    """
    base, settings = tuned.base.settings, tuned.best.settings
    first, best = bench.measure(base), bench.measure(settings)
    path = bench.folder / f"locked-{bench.about}.json"
    judged: list[str] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    if (now := digest_of(settings)) not in judged:
        judged.append(now)
        write_atomic(path, json.dumps(judged))
    return Locked(
        _figures(base, first, spec),
        _figures(settings, best, spec),
        compare(best, first, bench.groups),
        len(judged),
    )


def _ablated(
    settings: Settings,
    best: Measured,
    bench: Bench,
    steps: Mapping[str, Switch],
    progress: Progress,
) -> tuple[StepEffect, ...]:
    """Each step switched the other way; p-values adjusted for the number of steps."""
    effects = []
    with progress.task("switching steps", len(steps)) as task:
        for name, switch in steps.items():
            without = {**settings, **switch.off}
            if without != settings:
                effects.append(
                    StepEffect(name, True, compare(best, bench.measure(without), bench.groups))
                )
            elif switch.on:
                other = bench.measure({**settings, **switch.on})
                effects.append(StepEffect(name, False, compare(other, best, bench.groups)))
            task.advance(1, name)
    adjusted = holm([one.effect.p for one in effects])
    return tuple(
        dataclasses.replace(
            one, effect=dataclasses.replace(one.effect, p=p, verdict=verdict_of(one.effect.gain, p))
        )
        for one, p in zip(effects, adjusted, strict=True)
    )


def _best(spec: TuningSpec, trials: Sequence[Trial]) -> Trial:
    """The best that keeps to the limit; of equals the faster, then the earlier."""
    whole = [t for t in trials if t.value is not None]
    if not whole:
        failed = next((t for t in trials if t.problem), None)
        raise TuneError(
            f"no trial came to its end: {failed.problem if failed else 'none was made'}",
            where="rag.tune.space",
        )
    fast = [t for t in whole if t.feasible]
    if not fast:
        near = min(whole, key=lambda t: t.p95_ms or 0.0)
        raise TuneError(
            f"none of {len(whole)} trials keeps to {_limit(spec)}; the fastest (trial "
            f"{near.number}) has a p95 of {near.p95_ms:.1f} ms",
            where="rag.tune.latency_limit_ms",
            mend="Raise it, or let the space hold cheaper settings (no reranker, less depth).",
        )
    return min(fast, key=lambda t: (-(t.value or 0.0), t.p95_ms or 0.0, t.number))


def _figures(settings: Settings, made: Measured, spec: TuningSpec) -> Figures:
    return Figures(
        dict(settings),
        made.value,
        made.latency_ms(50),
        made.latency_ms(95),
        over_ms(spec, made) <= 0,
    )


def _told(trial: Any) -> Trial:
    whole = trial.state.name == "COMPLETE"
    told = trial.user_attrs
    return Trial(
        trial.number,
        dict(trial.params),
        trial.value if whole else None,
        told.get("p95_ms") if whole else None,
        whole and told["over_ms"] <= 0,
        told.get("problem", "" if whole else "killed"),
    )


def _limit(spec: TuningSpec) -> str:
    if spec.latency_limit_ms is None:
        return ""
    return f"p{spec.percentile} at most {spec.latency_limit_ms:g} ms"


def _study_name(spec: TuningSpec, base: Settings, bench: Bench) -> str:
    """Searches that differ in what chooses trials are kept apart; more trials only go on."""
    chooses = spec.model_dump(mode="json", exclude={"trials", "metric"})
    about = bench.about + bench.rest
    return digest_of({**chooses, "base": dict(base), "about": about})[:24]
