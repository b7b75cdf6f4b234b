"""Passages that say the same: overlapping slices made one, near-equal texts shown once."""

from __future__ import annotations

import bisect
import dataclasses
import re
from collections.abc import Mapping, Sequence

from luthier.core.records import Passage

ALIKE = 0.9
"""Texts are nearly the same where they share this much of their runs of three words (Jaccard)."""
_NEGATIONS = frozenset(["cannot", "neither", "never", "no", "nor", "not", "without"])

_Row = tuple[int, Passage, list[tuple[int, str]]]  # rank, union, and rank and id of each part


@dataclasses.dataclass(frozen=True, slots=True)
class Merged:
    """Passages without repetition.

    Attributes:
        passages: Each at the place of its best.
        sources: Ids of all that a passage stands for, best first; only where it is several.
    """

    passages: tuple[Passage, ...]
    sources: Mapping[str, tuple[str, ...]]


def merge(passages: Sequence[Passage]) -> Merged:
    """Join overlapping slices of one document, and show texts that are nearly the same once.

    A joined passage has the place, score and kind of its best part, the union of the spans, and
    the id ``document#start:end``. Passages with different access lists are never joined: the
    union would have no list of its own. Nor are texts that differ in a number or a negation taken
    for the same.

    Args:
        passages: Best first.
    """
    joined: list[_Row] = []
    for rank, passage in enumerate(passages):
        _join(joined, rank, passage)
    kept: list[tuple[Passage, list[str]]] = []
    runs: list[frozenset[tuple[str, ...]]] = []
    for _, passage, ranked in joined:
        ids = list(dict.fromkeys(one for _, one in ranked))
        own = _runs(passage.shown)
        twin = next(
            (i for i, (other, _) in enumerate(kept) if _same(passage, own, other, runs[i])), None
        )
        if twin is None:
            kept.append((passage, ids))
            runs.append(own)
        else:
            kept[twin][1].extend(i for i in ids if i not in kept[twin][1])
    told = {p.id: tuple(ids) for p, ids in kept if ids != [p.id]}
    return Merged(tuple(p for p, _ in kept), told)


def _join(rows: list[_Row], rank: int, passage: Passage) -> None:
    """Add a passage to those it overlaps; the union may touch further ones, so all are tried."""
    union, ids = passage, [(rank, passage.id)]
    while True:
        touching = next((i for i, (_, o, _) in enumerate(rows) if _touch(o, union)), None)
        if touching is None:
            break
        place, other, others = rows.pop(touching)
        union = _union(other, union) if place < rank else _union(union, other)
        rank, ids = min(place, rank), sorted([*others, *ids])
    bisect.insort(rows, (rank, union, ids), key=lambda row: row[0])


def _touch(one: Passage, other: Passage) -> bool:
    if one.document_id != other.document_id or set(one.access) != set(other.access):
        return False
    if one.context or other.context:  # what is shown is not the slice
        return one.shown == other.shown
    first, second = sorted((one, other), key=lambda p: (p.start, p.end))
    if not all(len(p.text) == p.end - p.start for p in (one, other)):
        return False
    shared = min(first.end, second.end) - second.start
    if shared <= 0:
        return False
    at = second.start - first.start
    return first.text[at : at + shared] == second.text[:shared]


def _union(best: Passage, other: Passage) -> Passage:
    if best.context or other.context:
        return best
    first, second = sorted((best, other), key=lambda p: (p.start, p.end))
    if second.end <= first.end:
        text, end = first.text, first.end
    else:
        text, end = first.text + second.text[first.end - second.start :], second.end
    if (first.start, end) == (best.start, best.end):
        return best
    name = f"{best.document_id}#{first.start}:{end}"
    return dataclasses.replace(best, id=name, text=text, start=first.start, end=end)


def _same(
    one: Passage,
    own: frozenset[tuple[str, ...]],
    other: Passage,
    others: frozenset[tuple[str, ...]],
) -> bool:
    if one.shown == other.shown:
        return True
    if not own or not others or len(own & others) < ALIKE * len(own | others):
        return False
    return _strict(one.shown) == _strict(other.shown)


def _runs(text: str) -> frozenset[tuple[str, ...]]:
    words = _words(text)
    return frozenset(zip(words, words[1:], words[2:], strict=False))


def _strict(text: str) -> list[str]:
    return sorted(w for w in _words(text) if w in _NEGATIONS or any(c.isdigit() for c in w))


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())
