"""The runs on each side of a gate, their items put side by side."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Sequence
from typing import Any

import numpy as np

from luthier.core.errors import DataError
from luthier.core.statistics import Floats
from luthier.evaluate.runs.rows import RunRows

COLUMNS = ("latency_s", "cost", "prompt_tokens", "completion_tokens", "nll_nats")


@dataclasses.dataclass(frozen=True, slots=True)
class Side:
    """Runs of one suite by one recipe: one, or one for each seed.

    Attributes:
        runs: At least one, all of the same suite.
    """

    runs: tuple[RunRows, ...]

    @property
    def suite(self) -> str:
        """The suite's name."""
        return suite_of(self.runs[0])

    @property
    def name(self) -> str:
        """Who answered."""
        return ", ".join(dict.fromkeys(run.name for run in self.runs))

    def scores(self, metric: str) -> Floats:
        """A metric of each item in each run; shape (runs, items), nan where it does not apply.

        Items stand in the order of the first run.

        Raises:
            DataError: No such metric, or nothing it applies to.
        """
        order = self.runs[0].item_ids
        rows = []
        for run in self.runs:
            place = {name: i for i, name in enumerate(run.item_ids.tolist())}
            rows.append(_column(run, metric)[[place[name] for name in order.tolist()]])
        found = np.stack(rows)
        if np.isnan(found).all():
            raise DataError(
                f"'{metric}' applies to no item of this run", where=str(self.runs[0].folder or "")
            )
        return found

    def figure(self, metric: str) -> dict[str, float] | None:
        """A figure of the whole suite, with its interval, that is no mean over items; else None."""
        if len(self.runs) > 1 or metric in self.runs[0].scores:
            return None
        told: dict[str, float] | None = self.runs[0].run.get("summary", {}).get(metric)
        return told


def sides(runs: Sequence[RunRows]) -> dict[str, Side]:
    """Runs by the name of their suite.

    Raises:
        DataError: Two runs of one name are of different suites.
    """
    held: dict[str, list[RunRows]] = {}
    for run in runs:
        held.setdefault(suite_of(run), []).append(run)
    for own in held.values():
        for run in own[1:]:
            check_same(own[0], run)
    return {name: Side(tuple(own)) for name, own in held.items()}


def suite_of(run: RunRows) -> str:
    """The name of a run's suite."""
    return str(run.run.get("suite", {}).get("name", ""))


def check_same(first: RunRows, second: RunRows) -> None:
    """Two runs can be compared only if they were asked the same items.

    Raises:
        DataError: They were not.
    """
    same = set(first.item_ids.tolist()) == set(second.item_ids.tolist())
    if first.suite_digest != second.suite_digest or not same:
        raise DataError(
            f"these runs were not asked the same items: the suite '{suite_of(first)}' of one is "
            f"{first.suite_digest[:12]}, the suite '{suite_of(second)}' of the other "
            f"{second.suite_digest[:12]}",
            where=f"{first.folder} and {second.folder}",
            mend="Evaluate both on the same locked suite.",
        )


def _column(run: RunRows, metric: str) -> Floats:
    if metric in run.scores:
        return run.scores[metric]
    if metric in COLUMNS:
        found: Any = getattr(run, metric)
        return np.asarray(found, dtype=np.float64)
    known = [*run.scores, *COLUMNS]
    near = difflib.get_close_matches(metric, known, n=1)
    hint = f"Did you mean '{near[0]}'? " if near else ""
    if metric in run.run.get("summary", {}):
        what = f"'{metric}' is a figure of the whole suite: only one run and a level can ask for it"
    else:
        what = f"this run has no metric '{metric}'"
    raise DataError(what, where=str(run.folder or ""), mend=f"{hint}It has {', '.join(known)}.")
