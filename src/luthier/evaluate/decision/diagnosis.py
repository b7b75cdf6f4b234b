"""Why each wrong answer is wrong, and what mending each reason would gain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from luthier.core.records import Example, Passage
from luthier.core.statistics import Floats
from luthier.evaluate.answers import ItemResult
from luthier.evaluate.decision.behaviour import refuses, same_content

Reason = Literal[
    "right", "refused", "badly formed", "not in the corpus", "not retrieved", "not read",
    "not known",
]  # fmt: skip
WRONG: tuple[Reason, ...] = (
    "not in the corpus", "not retrieved", "not read", "not known", "badly formed", "refused",
)  # fmt: skip
RIGHT = 0.5
"""Token F1 from which an answer counts as right; what is scored 0 or 1 must be 1."""


def reasons(
    rows: Sequence[ItemResult],
    scores: Floats,
    items: Mapping[str, Example],
    holds: Mapping[str, frozenset[str]],
    *,
    retrieves: bool,
    sentences: Collection[str] = (),
) -> list[Reason]:
    """Why each answer of a route is wrong.

    - ``refused``: it is empty, or says that there is no answer
    - ``badly formed``: it says what the reference says, in another form
    - ``not in the corpus``: no document holds the answer
    - ``not retrieved``: none of the passages shown holds it
    - ``not read``: one does, and the answer is wrong all the same
    - ``not known``: the documents hold it, but this route does not look into them

    Args:
        rows: Its answers.
        scores: The metric of each.
        items: The test items, by id.
        holds: By item, the ids of the passages that hold the answer.
        retrieves: Whether the route looks into the documents.
        sentences: What this project says where it does not answer.
    """
    found: list[Reason] = []
    for row, score in zip(rows, scores.tolist(), strict=True):
        known = holds[items[row.item_id].id]
        if score >= RIGHT:
            found.append("right")
        elif refuses(row, sentences):
            found.append("refused")
        elif same_content(row):
            found.append("badly formed")
        elif not known:
            found.append("not in the corpus")
        elif not retrieves:
            found.append("not known")
        else:
            found.append("not read" if known.intersection(row.passage_ids) else "not retrieved")
    return found


def gains(
    found: Sequence[Reason], scores: Floats, measured: Mapping[str, Floats] | None = None
) -> dict[str, Any]:
    """What each reason costs, and what mending it gains.

    Args:
        found: Of each item.
        scores: The metric of each item.
        measured: By reason, the metric of each item when that reason was mended and the questions
            were asked again; other items keep their score.

    Returns:
        By reason ``{items, at_most, measured}``: how many answers it spoils, the gain of the
        metric's mean if each of them became right, and the gain that was measured (None if it was
        not).
    """
    count, told = Counter(found), dict[str, Any]()
    for reason in WRONG:
        if not count[reason]:
            continue
        hit = np.asarray([one == reason for one in found])
        again = (measured or {}).get(reason)
        told[reason] = {
            "items": count[reason],
            "at_most": float((1.0 - scores[hit]).sum() / len(scores)),
            "measured": None if again is None else float((again - scores).mean()),
        }
    return told


def well_formed(found: Sequence[Reason], scores: Floats) -> Floats:
    """The metric of each item if answers with the right content had the right form, too."""
    mended = scores.copy()
    mended[[one == "badly formed" for one in found]] = 1.0
    return mended


class RightFirst:
    """An index that puts the passage that answers first: the oracle of retrieval.

    Args:
        inner: The index.
        right: By question, the passages that hold its answer.
        alone: Give nothing but these, so that nothing else distracts.
    """

    def __init__(
        self, inner: Any, right: Mapping[str, Sequence[Passage]], *, alone: bool = False
    ) -> None:
        self._inner, self._right, self._alone = inner, right, alone

    def search_many(self, queries: Sequence[str], **part: Any) -> list[list[Passage]]:
        """Passages for each query, those that answer first; as many as the index gives."""
        found = self._inner.search_many(queries, **part)
        return [self._placed(q, rows) for q, rows in zip(queries, found, strict=True)]

    def _placed(self, query: str, found: Sequence[Passage]) -> list[Passage]:
        right = list(self._right.get(query, ()))[:1]
        if not right:
            return list(found)
        if self._alone:
            return right
        ids = {p.id for p in right}
        return [*right, *(p for p in found if p.id not in ids)][: max(len(found), 1)]
