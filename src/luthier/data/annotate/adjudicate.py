"""One label from what several annotators said, and the rows on which an adjudicator decides.

The adjudicator is an annotator like others: the disagreements are exported with ``export_tasks``,
read back with ``import_tasks``, and what the adjudicator says wins.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Literal, assert_never

import numpy as np

from luthier.data.annotate._filled import Task
from luthier.data.annotate.items import Item
from luthier.data.annotate.label_model import ABSTAIN, fit, majority
from luthier.data.annotate.labels import Label, Votes, current, in_scheme, votes_of

Resolve = Literal["majority", "dawid-skene"]


@dataclasses.dataclass(frozen=True, slots=True)
class Resolved:
    """What people say of a row, taken together.

    Attributes:
        label: "" where they cannot be brought together without an adjudicator.
        confidence: Share of votes, or the posterior probability; 1 for an adjudicator.
        votes: How many annotators labelled it.
    """

    label: str
    confidence: float
    votes: int


def resolve(
    labels: Iterable[Label], names: Sequence[str], *, how: Resolve, adjudicator: str = ""
) -> dict[str, Resolved]:
    """One label for each row that somebody labelled.

    Args:
        labels: Saved labels; those that are no longer among ``names`` are set aside.
        names: The scheme's labels.
        how: ``majority``: more votes than any other label. ``dawid-skene``: votes weighted by
            what agreement with others tells of each annotator; more than half the probability.
        adjudicator: Whose label wins over all others.
    """
    saved, _ = in_scheme(labels, names)
    votes = votes_of(saved, without=adjudicator)
    rows = sorted(votes)
    found = dict(zip(rows, _together(votes, rows, names, how), strict=True))
    for (row, who), one in current(saved).items():
        if who == adjudicator and one.label:
            found[row] = Resolved(one.label, 1.0, len(votes.get(row, {})))
    return found


def reliability(labels: Iterable[Label], names: Sequence[str]) -> dict[str, float]:
    """How often each annotator is right, as Dawid and Skene's EM estimates it."""
    votes = votes_of(in_scheme(labels, names)[0])
    if not votes:
        return {}
    matrix, people = _matrix(votes, sorted(votes), names)
    model, _ = fit(matrix, len(names), form="confusions", abstaining_tells=False)
    return {who: round(float(a), 4) for who, a in zip(people, model.accuracies, strict=True)}


def disagreements(items: Iterable[Item], labels: Sequence[Label], adjudicator: str) -> list[Task]:
    """Tasks for the adjudicator: rows with different labels that they haven't decided yet.

    Args:
        items: The rows, in the order of the tasks.
        labels: Saved labels, those of another scheme left out (``labels.in_scheme``).
        adjudicator: Who decides.
    """
    decided = {r for (r, who), one in current(labels).items() if who == adjudicator and one.label}
    votes = votes_of(labels, without=adjudicator)
    tasks = []
    for item in items:
        said = votes.get(item.id, {})
        if len(set(said.values())) > 1 and item.id not in decided:
            shown = "; ".join(f"{who}: {said[who]}" for who in sorted(said))
            tasks.append(Task(item.id, item.text, item.origin, adjudicator, shown))
    return tasks


def _together(
    votes: Votes, rows: Sequence[str], names: Sequence[str], how: Resolve
) -> list[Resolved]:
    if not rows:
        return []
    matrix, _ = _matrix(votes, rows, names)
    shares = majority(matrix, len(names))
    match how:
        case "majority":
            most = shares.max(axis=1)
            clear = (shares == most[:, None]).sum(axis=1) == 1
        case "dawid-skene":
            _, shares = fit(matrix, len(names), form="confusions", abstaining_tells=False)
            most = shares.max(axis=1)
            clear = most > 0.5
        case _:
            assert_never(how)
    best = shares.argmax(axis=1)
    return [
        Resolved(names[best[i]] if clear[i] else "", float(most[i]), len(votes[row]))
        for i, row in enumerate(rows)
    ]


def _matrix(
    votes: Votes, rows: Sequence[str], names: Sequence[str]
) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.int16]], list[str]]:
    people = sorted({who for row in rows for who in votes[row]})
    column = {who: i for i, who in enumerate(people)}
    place = {name: i for i, name in enumerate(names)}
    matrix = np.full((len(rows), len(people)), ABSTAIN, dtype=np.int16)
    for i, row in enumerate(rows):
        for who, label in votes[row].items():
            matrix[i, column[who]] = place[label]
    return matrix, people
