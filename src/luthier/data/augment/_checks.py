"""What a made row must pass: its parent's content, meaning and label, and to be new."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Collection, Sequence

import numpy as np

from luthier.core.records import Example
from luthier.data.alike import words
from luthier.data.augment._labels import Classify, nearest_labels
from luthier.data.augment._neighbours import Encode
from luthier.data.augment._pieces import keeps_content
from luthier.models.encode import Vectors

CONTENT = "key content changed"
SAME = "nothing changed"
UNLIKE = "too unlike its parent"
LABEL = "label not kept"
REPEATED = "repeats another row"
ENOUGH = "enough rows of this label"
OVER = "over max_rows"
LIKE_TEST = "too like a test question"
_ROWS_AT_ONCE = 256


@dataclasses.dataclass(frozen=True, slots=True)
class Made:
    """A candidate.

    Attributes:
        row: As it would stand among the training rows.
        parent: The row it was made from.
        augmenter: Index of its augmenter in the Spec.
        kind: The augmenter's kind.
    """

    row: Example
    parent: Example
    augmenter: int
    kind: str


Verdicts = dict[str, str]
"""Reasons of refusal by the made row's id."""
Judge = Callable[[Sequence[Made], Vectors], list[str]]
"""The labels of made rows, whose vectors are given."""


def check_content(made: Sequence[Made], kept: Callable[[Example], Collection[str]]) -> Verdicts:
    """Refuse rows that lost numbers, code, quotes or names, and rows that only look new.

    Args:
        made: Candidates.
        kept: Further words that stay in a parent, in lower case.
    """
    found: Verdicts = {}
    for one in made:
        old, new = one.parent.question, one.row.question
        if not keeps_content(old, new, kept(one.parent)):
            found[one.row.id] = CONTENT
        elif words(old) == words(new):
            found[one.row.id] = SAME
    return found


def check_meaning(
    made: Sequence[Made], encode: Encode, least: float, judge: Judge, attack_judge: Judge
) -> Verdicts:
    """Refuse rows too unlike their parent, and classified rows whose label is another one now.

    Args:
        made: Candidates.
        encode: The encoder.
        least: Least cosine of a row to its parent.
        judge: Says the label of a made row.
        attack_judge: The same for adversarial rows, which the model under attack cannot judge.
    """
    if not made:
        return {}
    parents = list({one.parent.id: one.parent for one in made}.values())
    place = {parent.id: i for i, parent in enumerate(parents)}
    old = encode([parent.question for parent in parents])
    new = encode([one.row.question for one in made])
    cosines = np.einsum("ij,ij->i", new, old[[place[one.parent.id] for one in made]])
    found = {
        one.row.id: UNLIKE for one, c in zip(made, cosines, strict=True) if not float(c) >= least
    }
    for adversarial, asked in ((False, judge), (True, attack_judge)):
        labelled = [
            i
            for i, one in enumerate(made)
            if one.row.label
            and one.row.id not in found
            and (one.kind == "adversarial") is adversarial
        ]
        chosen = [made[i] for i in labelled]
        for one, label in zip(chosen, asked(chosen, new[labelled]) if chosen else [], strict=True):
            if label != one.row.label:
                found[one.row.id] = LABEL
    return found


def by_neighbours(rows: Sequence[Example], row_vectors: Vectors, neighbours: int) -> Judge:
    """The labelled rows nearest to a made row say its label."""

    def judge(made: Sequence[Made], vectors: Vectors) -> list[str]:
        groups = [one.parent.group for one in made]
        return nearest_labels(vectors, groups, rows, row_vectors, neighbours)

    return judge


def by_model(classify: Classify) -> Judge:
    """A model's likeliest label."""

    def judge(made: Sequence[Made], vectors: Vectors) -> list[str]:
        texts = [one.row.question for one in made]
        starts = range(0, len(texts), _ROWS_AT_ONCE)
        blocks = [classify(texts[first : first + _ROWS_AT_ONCE]) for first in starts]
        return [classify.labels[i] for likely in blocks for i in likely.argmax(axis=1)]

    return judge


def check_new(made: Sequence[Made], rows: Sequence[Example]) -> Verdicts:
    """Refuse rows whose question, but for case and punctuation, another row asks already."""
    seen = {tuple(words(context_of(row))) for row in rows}
    found: Verdicts = {}
    for one in made:
        key = tuple(words(context_of(one.row)))
        if key in seen:
            found[one.row.id] = REPEATED
        seen.add(key)
    return found


def context_of(row: Example) -> str:
    """All turns before the answer but the system's."""
    return "\n".join(m.content for m in row.prompt if m.role != "system")


def check_counts(
    made: Sequence[Made], rows: Sequence[Example], below: int | None, max_rows: int | None
) -> Verdicts:
    """Refuse rows past what was asked for.

    Args:
        made: Candidates in the order in which they are taken.
        rows: Training rows there are.
        below: Labels get no more rows once they have so many.
        max_rows: Largest number of made rows.
    """
    counts = Counter(row.label for row in rows)
    found: Verdicts = {}
    taken = 0
    for one in made:
        if below is not None and counts[one.row.label] >= below:
            found[one.row.id] = ENOUGH
        elif max_rows is not None and taken >= max_rows:
            found[one.row.id] = OVER
        else:
            counts[one.row.label] += 1
            taken += 1
    return found
