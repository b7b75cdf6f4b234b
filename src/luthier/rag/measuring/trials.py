"""Trials of a search over retrieval: chosen by Optuna, kept in SQLite."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from luthier.core.errors import LuthierError, ResourceError
from luthier.core.progress import Task
from luthier.core.space import Dimension, Value, suggest
from luthier.rag.measuring.measured import Bench, Measured, Settings

if TYPE_CHECKING:
    from luthier.rag.tuning import TuningSpec

DATABASE = "trials.db"


def open_study(folder: Path, name: str) -> Any:
    """A study, new or as it was left.

    Raises:
        ResourceError: optuna is not installed.
    """
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise ResourceError(
            "optuna is not installed", where="rag.tune", mend="pip install 'luthier[search]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.RDBStorage(
        f"sqlite:///{folder / DATABASE}", engine_kwargs={"connect_args": {"timeout": 60}}
    )
    return optuna.create_study(
        storage=storage, study_name=name, direction="maximize", load_if_exists=True
    )


def run(study: Any, spec: TuningSpec, base: Settings, bench: Bench, task: Task) -> None:
    """Make the trials that are not made yet; the first is the base, if the space holds it.

    Trials that were running when the search was killed are made again.
    """
    from optuna.trial import TrialState

    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial({**trial.system_attrs.get("fixed_params", {}), **trial.params})
    if not study.get_trials(deepcopy=False) and all(
        _holds(dimension, base[name]) for name, dimension in spec.space.items()
    ):
        study.enqueue_trial({name: base[name] for name in spec.space})
    task.advance(_done(study))
    while (number := _done(study)) < spec.trials:
        study.sampler = _sampler(spec, number)
        trial = study.ask()
        drawn = {name: suggest(trial, name, own) for name, own in spec.space.items()}
        _one(study, trial, {**base, **drawn}, spec, bench)
        task.advance(1, _note(study))


def _one(study: Any, trial: Any, settings: Settings, spec: TuningSpec, bench: Bench) -> None:
    from optuna.trial import TrialState

    try:
        made = bench.measure(settings)
    except LuthierError as error:
        trial.set_user_attr("problem", error.what)
        trial.set_user_attr("mend", error.mend)
        study.tell(trial, state=TrialState.FAIL)
        return
    trial.set_user_attr("p50_ms", made.latency_ms(50))
    trial.set_user_attr("p95_ms", made.latency_ms(95))
    trial.set_user_attr("over_ms", over_ms(spec, made))
    study.tell(trial, made.value)


def over_ms(spec: TuningSpec, made: Measured) -> float:
    """By how much a measurement is slower than allowed; 0 or less if it is not."""
    if spec.latency_limit_ms is None:
        return 0.0
    return made.latency_ms(spec.percentile) - spec.latency_limit_ms


def _holds(dimension: Dimension, value: Value) -> bool:
    if dimension.choices:
        return any(value == one and type(value) is type(one) for one in dimension.choices)
    low, high = dimension.low, dimension.high
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and low is not None and high is not None and low <= float(value) <= high


def _sampler(spec: TuningSpec, number: int) -> Any:
    """TPE that learns of the limit too; its seed follows from the number: resumed is the same."""
    from optuna import samplers

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some options are called experimental
        return samplers.TPESampler(
            n_startup_trials=spec.startup_trials,
            multivariate=True,
            constraints_func=lambda trial: (trial.user_attrs.get("over_ms", 0.0),),
            seed=(spec.seed * 1_000_003 + number) % (1 << 31),
        )


def _done(study: Any) -> int:
    """Trials that came to an end, or failed with a reason; not those that were killed."""
    return sum(
        t.state.name == "COMPLETE" or (t.state.name == "FAIL" and "problem" in t.user_attrs)
        for t in study.get_trials(deepcopy=False)
    )


def _note(study: Any) -> str:
    whole = [
        t.value
        for t in study.get_trials(deepcopy=False)
        if t.state.name == "COMPLETE" and t.user_attrs["over_ms"] <= 0
    ]
    return f"best {max(whole):.4f}" if whole else ""
