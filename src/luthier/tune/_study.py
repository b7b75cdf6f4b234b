"""The study behind a search: Optuna's samplers and pruners, and trials kept in SQLite."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Literal, assert_never

import numpy as np

from luthier.core.errors import ResourceError
from luthier.core.space import points
from luthier.tune._history import LESS_IS_BETTER
from luthier.tune.search import (
    GpSampler,
    GridSampler,
    HalvingPruner,
    MedianPruner,
    NoPruner,
    RandomSampler,
    SearchSpec,
    TpeSampler,
)

DATABASE, STUDY = "trials.db", "search"
LEAST_FOR_IMPORTANCE = 4  # whole trials


def direction(spec: SearchSpec) -> Literal["minimize", "maximize"]:
    """Which way the metric of a search is better: ``minimize`` or ``maximize``."""
    return "minimize" if spec.metric in LESS_IS_BETTER else "maximize"


def open_study(folder: Path, spec: SearchSpec) -> Any:
    """The study of a search, new or as it was left.

    Args:
        folder: Of the search.
        spec: Its pruner, and which way its metric is better.

    Raises:
        ResourceError: optuna is not installed.
    """
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise ResourceError(
            "optuna is not installed", where="search", mend="pip install 'luthier[search]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # a database that another process writes to is waited for
    storage = optuna.storages.RDBStorage(
        f"sqlite:///{folder / DATABASE}",
        engine_kwargs={"connect_args": {"timeout": 60}},
    )
    return optuna.create_study(
        storage=storage,
        study_name=STUDY,
        direction=direction(spec),
        pruner=_pruner(spec),
        load_if_exists=True,
    )


def told_of(trial: Any) -> dict[str, Any]:
    """A trial as plain JSON."""
    killed = trial.state.name == "FAIL" and "problem" not in trial.user_attrs
    return {
        "number": trial.number,
        "state": "killed" if killed else trial.state.name.lower(),
        "settings": dict(trial.params),
        "value": trial.value,
        "curve": sorted(trial.intermediate_values.items()),
        "seconds": trial.user_attrs.get("seconds"),
        "problem": trial.user_attrs.get("problem", ""),
        "mend": trial.user_attrs.get("mend", ""),
    }


def importance(study: Any, whole: int) -> dict[str, float]:
    """Which settings matter near the best trials (PED-ANOVA, Watanabe et al. 2023)."""
    import warnings

    import optuna

    if whole < LEAST_FOR_IMPORTANCE:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is called experimental
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: round(float(value), 4) for name, value in found.items()}


def sampler(spec: SearchSpec, number: int) -> Any:
    """The sampler of a trial; its seed follows from the number, so a resumed search is the same."""
    import warnings

    from optuna import samplers

    seed = (spec.seed * 1_000_003 + number) % (1 << 31)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some options are called experimental
        match spec.sampler:
            case RandomSampler() | GridSampler():  # the points of a grid stand in line already
                return samplers.RandomSampler(seed=seed)
            case TpeSampler():
                return samplers.TPESampler(
                    n_startup_trials=spec.sampler.startup_trials, multivariate=True, seed=seed
                )
            case GpSampler():
                return samplers.GPSampler(n_startup_trials=spec.sampler.startup_trials, seed=seed)
            case _:
                assert_never(spec.sampler)


def _pruner(spec: SearchSpec) -> Any:
    from optuna import pruners

    match spec.pruner:
        case NoPruner():
            return pruners.NopPruner()
        case MedianPruner():
            return pruners.MedianPruner(n_startup_trials=spec.pruner.startup_trials)
        case HalvingPruner():
            return pruners.SuccessiveHalvingPruner()
        case _:
            assert_never(spec.pruner)


def grid(spec: SearchSpec) -> list[dict[str, Any]]:
    """The points of a grid in an order that the seed decides, as many as there may be trials."""
    if not isinstance(spec.sampler, GridSampler):
        return []
    every = list(itertools.product(*(points(dimension) for dimension in spec.space.values())))
    order = np.random.default_rng(spec.seed).permutation(len(every))
    return [dict(zip(spec.space, every[i], strict=True)) for i in order[: spec.trials]]


def done(study: Any) -> int:
    """Trials that came to an end, or failed with a reason; not those that were killed."""
    return sum(
        t.state.is_finished() and (t.state.name != "FAIL" or "problem" in t.user_attrs)
        for t in study.get_trials(deepcopy=False)
    )


def running(study: Any) -> int:
    """Trials that some process works on."""
    return sum(t.state.name == "RUNNING" for t in study.get_trials(deepcopy=False))


def take_back(study: Any) -> None:
    """Trials that were running when all processes were killed are made again."""
    from optuna.trial import TrialState

    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        # its point of a grid, if it was killed before all of it was written down
        study.enqueue_trial({**trial.system_attrs.get("fixed_params", {}), **trial.params})


def best_so_far(study: Any) -> str:
    """The best value of a whole trial, in words."""
    whole = [t.value for t in study.get_trials(deepcopy=False) if t.state.name == "COMPLETE"]
    if not whole:
        return ""
    best = min(whole) if study.direction.name == "MINIMIZE" else max(whole)
    return f"best {best:.4g}"
