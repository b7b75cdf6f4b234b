"""Measure a search on questions with known answers: how good, how fast, for whom.

Each question is asked as its viewer. What a viewer may not see is not expected of the search, and
where a search gives it out all the same, that is a leak: it is counted, named, and never a hit.
Two searches are compared question by question.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from luthier.core.errors import DataError
from luthier.core.records import EVERYONE, Passage
from luthier.core.statistics import Interval, bootstrap_mean
from luthier.rag.access import ANYONE, Slice, Viewer, may_see
from luthier.rag.measuring.measured import Compared, Measured, compare as paired
from luthier.rag.measuring.metrics import DEFAULT, parsed, quantile, score

Floats = npt.NDArray[np.float64]
Search = Callable[[str, Slice, int], Sequence[Passage]]
"""Gives at most so many passages of a slice for a question, best first."""
By = Literal["document", "passage"]
ALL = "all"
"""The name of all questions together."""


@dataclasses.dataclass(frozen=True, slots=True)
class Sought:
    """A question, and what answers it.

    Attributes:
        id: Unique among the questions.
        text: The question.
        relevant: Grades above 0 by the id of a document (or of a passage: see `measure`).
        kind: Its type (``fact``, ``comparison``); told apart in the report. "" for none.
        who: Who asks.
        group: Questions of one group, such as those on one document, go right or wrong together
            and are resampled together; "" for the question alone.
    """

    id: str
    text: str
    relevant: Mapping[str, float]
    kind: str = ""
    who: Viewer = ANYONE
    group: str = ""
    answers: tuple[str, ...] = ()

    @property
    def unanswerable(self) -> bool:
        """Whether no document answers it: it names none, and has no answer."""
        return not self.relevant and not self.answers


@dataclasses.dataclass(frozen=True, slots=True)
class Leak:
    """A passage that a search gave to somebody who may not see it.

    Attributes:
        question: Its id.
        passage: Its id.
    """

    question: str
    passage: str


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One line of a report.

    Attributes:
        scope: ``all``, ``type: fact`` or ``viewer: ann``.
        questions: How many have any figure.
        figures: By the name of the metric, mean with its interval over those that have it.
    """

    scope: str
    questions: int
    figures: Mapping[str, Interval]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Measurement:
    """What a search, or whoever answers, did with some questions.

    Attributes:
        questions: Those asked.
        values: By metric, of each question; nan where it has no figure, as where its viewer may
            see nothing that answers it.
        latencies_ms: Of each, the search or the answer alone.
        leaks: What was given out and must not be; anything here is a fault.
    """

    questions: tuple[Sought, ...]
    values: Mapping[str, Floats]
    latencies_ms: Floats
    leaks: tuple[Leak, ...]

    @property
    def findable(self) -> npt.NDArray[np.bool_]:
        """Of which questions there is any figure."""
        return np.asarray(self._known.any(axis=0), dtype=np.bool_)

    @property
    def _known(self) -> npt.NDArray[np.bool_]:
        known: npt.NDArray[np.bool_] = ~np.isnan(np.array(list(self.values.values())))
        return known

    def latency_ms(self, percentile: float) -> float:
        """So many per cent of the questions took at most this long."""
        return float(np.percentile(self.latencies_ms, percentile))

    def latency(self, percentile: float) -> Interval:
        """`latency_ms` with its interval."""
        return quantile(self.latencies_ms, percentile / 100)

    def measured(self, metric: str) -> Measured:
        """One metric as `luthier.rag.tuning` takes it; only of questions that have a figure."""
        return _measured(self, metric, ~np.isnan(self.values[metric]))

    def rows(self, *, seed: int = 0) -> list[Row]:
        """Figures of all questions, of each type, and of each viewer where there are several."""
        made = []
        for scope, members in _scopes(self.questions).items():
            figures = {}
            for name, values in self.values.items():
                kept = members & ~np.isnan(values)
                if kept.any():
                    groups = _groups(self.questions, kept)
                    figures[name] = bootstrap_mean(values[kept], groups=groups, seed=seed)
            if figures:
                made.append(Row(scope, int((members & self.findable).sum()), figures))
        return made

    def text(self) -> str:
        """The report, for a terminal."""
        names = list(self.values)
        lines = ["  ".join([f"{'':24}", f"{'questions':>9}", *(f"{name:>22}" for name in names)])]
        for row in self.rows():
            cells = (figure_text(row.figures.get(name)) for name in names)
            told = [f"{row.scope:24}", f"{row.questions:9}", *(f"{cell:>22}" for cell in cells)]
            lines.append("  ".join(told))
        return "\n".join([*lines, *self.notes()])

    def notes(self) -> list[str]:
        """Latencies, what has no figure, and leaks, in a line each."""
        p50, p95 = self.latency(50), self.latency(95)
        lines = [
            f"p50 {p50.mean:.1f} ms [{p50.low:.1f}, {p50.high:.1f}], "
            f"p95 {p95.mean:.1f} ms [{p95.low:.1f}, {p95.high:.1f}]"
        ]
        if hidden := int((~self.findable).sum()):
            lines.append(f"{hidden} questions have no answer that their viewer may see: left out")
        if partly := int((self.findable & ~self._known.all(axis=0)).sum()):
            lines.append(f"{partly} questions have not every figure, as where nothing is cited")
        if self.leaks:
            first = self.leaks[0]
            lines.append(
                f"{len(self.leaks)} LEAKS: passages given to viewers who may not see them, such as "
                f"{first.passage} for question {first.question}"
            )
        return lines


def measure(
    questions: Sequence[Sought],
    search: Search,
    access: Mapping[str, Collection[str]],
    *,
    by: By = "document",
    depth: int = 100,
    metrics: Sequence[str] = DEFAULT,
) -> Measurement:
    """Ask all questions and score what was found.

    Args:
        questions: Each is asked as its viewer.
        search: What is measured.
        access: Access lists by the id of documents (or passages). What has none here is seen by
            nobody.
        by: Whether ``relevant`` and ``access`` name documents, which stand where their best
            passage does, or passages.
        depth: Passages asked for.
        metrics: See `luthier.rag.measuring.metrics.score`.

    Raises:
        DataError: No questions, two with one id, or none with an answer its viewer may see.
        ValueError: A metric is not known, or looks deeper than ``depth``.
    """
    _check(questions, metrics, depth)
    rankings, times, leaks = [], [], []
    for one in questions:
        part = Slice(one.who)
        started = time.perf_counter()
        found = search(one.text, part, depth)
        times.append((time.perf_counter() - started) * 1000)
        seen = []
        for passage in found:
            if may_see(passage.access, one.who):
                seen.append(passage.document_id if by == "document" else passage.id)
            else:
                leaks.append(Leak(one.id, passage.id))
        rankings.append(list(dict.fromkeys(seen)))
    values = score(rankings, [_findable(one, access) for one in questions], metrics)
    made = Measurement(tuple(questions), values, np.array(times), tuple(leaks))
    if not made.findable.any():
        raise DataError(
            f"none of {len(questions)} questions has an answer that its viewer may see",
            mend="Check the ids of the relevant documents, their access lists and the viewers.",
        )
    return made


def figure_text(figure: Interval | None) -> str:
    """A mean with its interval: ``0.812 [0.790, 0.834]``; a dash where there is none."""
    return "-" if figure is None else f"{figure.mean:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def as_viewer(questions: Sequence[Sought], who: Viewer) -> list[Sought]:
    """The same questions asked by somebody else; ids tell the two apart."""
    return [dataclasses.replace(q, who=who, id=f"{q.id} as {_name(who)}") for q in questions]


def compare(first: Measurement, second: Measurement, metric: str) -> dict[str, Compared]:
    """How much more of a metric the first has, by scope, on questions that both have a figure of.

    Raises:
        DataError: They are not of the same questions.
        KeyError: The metric was not measured.
    """
    if [q.id for q in first.questions] != [q.id for q in second.questions]:
        raise DataError("these measurements are of different questions, so no pairs can be made")
    both = ~np.isnan(first.values[metric] - second.values[metric])
    made = {}
    for scope, members in _scopes(first.questions).items():
        kept = members & both
        if kept.any():
            ours, theirs = (_measured(one, metric, kept) for one in (first, second))
            made[scope] = paired(ours, theirs, _groups(first.questions, kept))
    return made


def _measured(one: Measurement, metric: str, kept: npt.NDArray[np.bool_]) -> Measured:
    values, times = one.values[metric][kept], one.latencies_ms[kept]
    return Measured(tuple(values.tolist()), tuple(times.tolist()))


def _check(questions: Sequence[Sought], metrics: Sequence[str], depth: int) -> None:
    if not questions:
        raise DataError("there are no questions to measure with")
    ids = [one.id for one in questions]
    if len(set(ids)) < len(ids):
        twice = next(id_ for id_ in ids if ids.count(id_) > 1)
        raise DataError(f"two questions have the id '{twice}'")
    for name in metrics:
        _, wanted = parsed(name)
        if wanted is not None and wanted > depth:
            raise ValueError(f"'{name}' looks deeper than the {depth} passages asked for")


def _findable(one: Sought, access: Mapping[str, Collection[str]]) -> dict[str, float]:
    return {
        key: grade for key, grade in one.relevant.items() if may_see(access.get(key, ()), one.who)
    }


def _scopes(questions: Sequence[Sought]) -> dict[str, npt.NDArray[np.bool_]]:
    """Which questions belong to which line of the report."""
    made = {ALL: np.ones(len(questions), bool)}
    for kind in sorted({q.kind for q in questions if q.kind}):
        made[f"type: {kind}"] = np.array([q.kind == kind for q in questions])
    viewers = sorted({_name(q.who) for q in questions})
    if len(viewers) > 1:
        for name in viewers:
            made[f"viewer: {name}"] = np.array([_name(q.who) == name for q in questions])
    return made


def _groups(questions: Sequence[Sought], kept: npt.NDArray[np.bool_]) -> list[str] | None:
    if not any(q.group for q in questions):
        return None
    return [q.group or f"\0{q.id}" for q, keep in zip(questions, kept, strict=True) if keep]


def _name(who: Viewer) -> str:
    return ", ".join(sorted(who - {EVERYONE})) or "anyone"
