"""Titles that a question names."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_WORD = re.compile(r"[^\W_]+")
_KEPT = 65_536  # titles whose words are remembered


def named(query: str, titles: Sequence[str]) -> npt.NDArray[np.float64]:
    """How fully a query names each title, against the title it names best.

    A title of n distinct words, c of which stand in the query, counts c * (c / n)^2: the longest
    name written out in full wins (``textwrap.fill`` before its module ``textwrap`` and before
    ``turtle.end_fill``), and a name in part still counts. A title with white space is prose, not
    a name, and counts only where all of its words are there: a shared word or two of a headline
    name nothing (counted in part, they cost 0.03 nDCG@10 on SciFact).

    Args:
        query: The question.
        titles: Of the candidates.

    Returns:
        Scores in 0..1, one for each title.
    """
    asked = _words(query)
    scores = np.zeros(len(titles))
    for place, title in enumerate(titles):
        words = _words(title)
        if asked.isdisjoint(words):
            continue
        common = len(words & asked)
        if not (common < len(words) and " " in title.strip()):
            scores[place] = common * (common / len(words)) ** 2
    best = scores.max(initial=0.0)
    return scores / best if best else scores


@functools.lru_cache(maxsize=_KEPT)
def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower()))
