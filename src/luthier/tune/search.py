"""Search for the settings of tuning that serve the validation rows best.

Trials lie in a SQLite file (Optuna), so that a search that was killed goes on where it stopped and
several processes may work on one. The test side is never read. What the best settings gain over
the ones in the project file is measured at the end, with other seeds than the search had.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, GetJsonSchemaHandler, ValidationError, model_validator
from pydantic_core import CoreSchema

from luthier.core.errors import ConfigError, TuneError
from luthier.core.progress import Progress
from luthier.core.space import Dimension, probes
from luthier.core.spec import Spec, allow_bare, runtime
from luthier.setup.plan import Plan
from luthier.tune.tune import TuneSpec

SEARCH_VERSION = 3
SHORTHANDS = {"sampler": "kind", "pruner": "kind"}
"""``sampler: gp`` means ``sampler: {kind: gp}``."""
RESULTS, SETTINGS = "search.json", "best.yaml"


class RandomSampler(Spec):
    """Each trial is drawn by chance (Bergstra & Bengio 2012)."""

    kind: Literal["random"] = "random"
    """Tag."""


class GridSampler(Spec):
    """All combinations of the values named; ranges need ``steps``."""

    kind: Literal["grid"] = "grid"
    """Tag."""


class TpeSampler(Spec):
    """Tree-structured Parzen estimator (Bergstra et al. 2011): Bayesian, for any settings."""

    kind: Literal["tpe"] = "tpe"
    """Tag."""
    startup_trials: int = Field(8, ge=1)
    """Trials drawn by chance before the model is asked."""


class GpSampler(Spec):
    """Gaussian process with expected improvement: Bayesian, best for few trials of few numbers."""

    kind: Literal["gp"] = "gp"
    """Tag."""
    startup_trials: int = Field(8, ge=1)
    """Trials drawn by chance before the model is asked."""


SamplerSpec = Annotated[
    RandomSampler | GridSampler | TpeSampler | GpSampler, Field(discriminator="kind")
]


class NoPruner(Spec):
    """Every trial runs to its end."""

    kind: Literal["none"] = "none"
    """Tag."""


class MedianPruner(Spec):
    """A trial ends early if it is worse than the median of the others at the same step."""

    kind: Literal["median"] = "median"
    """Tag."""
    startup_trials: int = Field(4, ge=0)
    """Whole trials before any is ended early."""


class HalvingPruner(Spec):
    """Successive halving, asynchronous (Li et al. 2020): the best go on at each rung."""

    kind: Literal["halving"] = "halving"
    """Tag."""


PrunerSpec = Annotated[NoPruner | MedianPruner | HalvingPruner, Field(discriminator="kind")]


class SearchSpec(Spec):
    """Which settings of tuning are tried, how, and how often."""

    space: dict[str, Dimension] = Field(min_length=1)
    """The settings of ``tune`` that are searched, such as ``lr`` or ``method.r``: their values."""
    trials: int = Field(20, ge=1)
    """How many are made; a grid may have fewer."""
    sampler: SamplerSpec = TpeSampler()
    """How the next trial is chosen. A bare kind is enough: ``sampler: gp``."""
    pruner: PrunerSpec = MedianPruner()
    """Which trials end early. A bare kind is enough: ``pruner: none``."""
    metric: str = "loss"
    """The figure of the validation rows that decides."""
    confirm: int = Field(3, ge=0)
    """Seeds with which the best settings and those of the file are run again, to tell a gain
    from luck; 0 to believe the search."""
    at_once: int = runtime(default=1, ge=1)
    """Trials that run at the same time, each with its share of the threads."""
    seed: int = 0
    """Of the choice of trials."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """The schema for editors, which also allows the shorthands."""
        return allow_bare(handler.resolve_ref_schema(handler(core_schema)), SHORTHANDS)

    @model_validator(mode="after")
    def _grid_has_steps(self) -> SearchSpec:
        endless = [n for n, d in self.space.items() if not d.choices and d.steps is None]
        if isinstance(self.sampler, GridSampler) and endless:
            raise ValueError(f"a grid needs steps or choices: {endless[0]}")
        return self


def with_settings(spec: TuneSpec, settings: dict[str, Any]) -> TuneSpec:
    """A tuning with some settings changed.

    Args:
        spec: The tuning.
        settings: Values by dotted key, such as ``method.r``.

    Raises:
        ConfigError: There is no such setting, or it cannot have that value.
    """
    told = spec.model_dump(mode="json")
    for key, value in settings.items():
        *sections, last = key.split(".")
        at = told
        for section in sections:
            at = at.get(section) if isinstance(at, dict) else None  # type: ignore[assignment]
        if not isinstance(at, dict) or last not in at:
            raise ConfigError(
                f"there is no setting tune.{key} with these settings",
                where=f"search.space.{key}",
                mend="Name settings of `tune` as they are written there: lr, method.r ...",
            )
        at[last] = value
    try:
        return TuneSpec.model_validate_json(json.dumps(told))
    except ValidationError as error:
        named = ", ".join(f"tune.{key} = {value}" for key, value in settings.items())
        why = "; ".join(one["msg"] for one in error.errors(include_url=False))
        raise ConfigError(
            f"{named} cannot be: {why.removeprefix('Value error, ')}",
            where=f"search.space.{next(iter(settings))}" if len(settings) == 1 else "search.space",
        ) from error


def mistakes(spec: SearchSpec, base: TuneSpec) -> Iterator[ConfigError]:
    """Settings of a space that do not exist, or cannot have the values at its ends.

    Args:
        spec: What is tried.
        base: The settings of the project file.
    """
    for name, dimension in spec.space.items():
        try:
            for value in probes(dimension):
                with_settings(base, {name: value})
        except ConfigError as error:
            yield error


def search(
    model: Path,
    rows: Path,
    texts: Path | None,
    base: TuneSpec,
    spec: SearchSpec,
    plan: Plan,
    folder: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Try settings, run the best again beside the base, and write what was found.

    Args:
        model: The model's folder.
        rows: Folder of the prepared rows; its test side is not read.
        texts: Folder of the documents to learn, or None.
        base: The settings of the project file: what is not searched, and what the best is held
            against.
        spec: What is tried.
        plan: Of one trial.
        folder: Gets ``search.json``, ``best.yaml`` and ``trials.db``; a search found there goes on.
        progress: Shows trials as they end.

    Returns:
        ``best`` (settings and value), ``verdict``, ``gain`` with its interval, ``importance``,
        ``trials`` by state.

    Raises:
        ConfigError: A setting that does not exist, or with a value it cannot have; there are no
            validation rows.
        TuneError: No trial came to its end.
        ResourceError: optuna is not installed, or a process died.
    """
    from luthier.data.prepare import read_examples
    from luthier.tune import _confirm, _trials

    for error in mistakes(spec, base):  # told before anything runs
        raise error
    if not read_examples(rows, "validation"):
        raise _undecided()
    plan = dataclasses.replace(plan, processes=1)  # trials run beside each other, each in one
    job = _trials.Job(str(model), str(rows), str(texts or ""), base, spec, plan, str(folder))
    _trials.run(job, progress)
    found = _trials.results(job)
    if found["best"] is None:
        raise _fruitless(found["trials"])
    confirmed = _confirm.confirm(job, found["best"]["settings"], progress)
    found |= {"confirmed": confirmed}
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    (folder / RESULTS).write_text(text, encoding="utf-8")
    (folder / SETTINGS).write_text(_yaml(found), encoding="utf-8")
    return {
        "metric": spec.metric,
        "best": found["best"],
        "default": found["default"],
        "importance": found["importance"],
        "trials": found["states"],
        **confirmed,
    }


def _undecided() -> ConfigError:
    return ConfigError(
        "there are no validation rows to decide by",
        where="data.split.validation",
        mend="Set it to 0.1, for instance.",
    )


def _fruitless(trials: Sequence[dict[str, Any]]) -> TuneError:
    failed = next((t for t in trials if t["problem"]), None)
    return TuneError(
        f"no trial came to its end: {failed['problem'] if failed else 'all ended early'}",
        where="search.space",
        mend=failed["mend"] if failed else "Let more come to their end: search.pruner: none",
    )


def winner(folder: Path, base: TuneSpec) -> TuneSpec:
    """The settings to tune with: the best if they gained beyond noise, else those of the file.

    The best, too, if they were not to be confirmed, or if those of the file fail.

    Args:
        folder: What ``search`` filled.
        base: The settings of the project file.
    """
    found = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    if found["confirmed"]["verdict"] in ("better", "not confirmed", "default fails"):
        return with_settings(base, found["best"]["settings"])
    return base


def _yaml(found: dict[str, Any]) -> str:
    """The best settings as they would stand in the project file."""
    import io

    from ruamel.yaml import YAML

    tree: dict[str, Any] = {}
    for key, value in found["best"]["settings"].items():
        *sections, last = key.split(".")
        at = tree
        for section in sections:
            at = at.setdefault(section, {})
        at[last] = value
    stream = io.StringIO()
    YAML(typ="safe", pure=True).dump({"tune": tree}, stream)
    return stream.getvalue()
