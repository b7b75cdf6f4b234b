"""Rows that say the same: which training rows a test item is too much like.

The split uses it to keep such rows out of training; the leakage check uses it to hold the result
against the promise.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from luthier.core.ledger import Ledger
from luthier.core.records import Example

NEAR = 0.8
"""Weighted Jaccard similarity from which two rows count as near-duplicates."""

Kind = Literal["same", "same but for case and punctuation", "near-duplicate", "in the corpus"]
Shingle = tuple[str, ...]
_WORDS = re.compile(r"\w+")


@dataclasses.dataclass(frozen=True, slots=True)
class Overlap:
    """A test item and what it was found in.

    Attributes:
        kind: How much alike they are.
        test_id: The test item.
        test_origin: Where it came from.
        other_id: The training row or document.
        other_origin: Where that came from.
        similarity: 1 for equality, else the weighted Jaccard similarity.
        text: The test question.
    """

    kind: Kind
    test_id: str
    test_origin: str
    other_id: str
    other_origin: str
    similarity: float
    text: str


def words(text: str) -> list[str]:
    """Runs of letters, digits and underscores in lower case: what punctuation separates."""
    return _WORDS.findall(text.lower())


def without_likes(examples: Sequence[Example], ledger: Ledger) -> list[Example]:
    """The examples without training and validation rows that are too much like a test item.

    Args:
        examples: With their sides. The test side is locked and stays as it is.
        ledger: Gets a line for each row refused.
    """
    test = [e for e in examples if e.side == "test"]
    kept = list(examples)
    while True:
        training = [e for e in kept if e.side != "test"]
        found = {o.other_id: o for o in overlaps(training, test)}
        if not found:
            return kept
        for example in training:
            if example.id in found:
                ledger.refuse("too like a test question", example.origin, example.question)
        kept = [e for e in kept if e.side == "test" or e.id not in found]


def _prompt(example: Example) -> str:
    return "\n".join(m.content for m in example.prompt if m.role != "system")


def _loose(example: Example) -> Shingle:
    return tuple(words(f"{_prompt(example)}\n{example.answer}"))


def overlaps(train: Sequence[Example], test: Sequence[Example]) -> Iterator[Overlap]:
    """Test items alike to a training row, each with the one it is most like.

    Rows are alike if the questions (all turns but the system's) are the same, or question and
    answer are but for case and punctuation, or if the weighted Jaccard similarity of their word
    pairs reaches 0.8. Word pairs weigh ln(1 + rows / rows that have it), so questions made from
    one template are not taken for duplicates on its account. The search is exact: a prefix
    filter (Chaudhuri, Ganti & Kaushik 2006; Bayardo, Ma & Srikant 2007) skips only pairs that
    cannot reach the threshold.

    Args:
        train: Training and validation rows.
        test: Test items.
    """
    exact = {_prompt(row): row for row in train}
    loose = {_loose(row): row for row in train}
    loose.pop((), None)  # rows without words are equal only if they are the same
    near = _near(train, test)
    for item in test:
        row = exact.get(_prompt(item))
        if row is not None:
            yield overlap("same", item, row.id, row.origin)
            continue
        row = loose.get(_loose(item))
        if row is not None:
            yield overlap("same but for case and punctuation", item, row.id, row.origin)
        elif item.id in near:
            row, similarity = near[item.id]
            yield overlap("near-duplicate", item, row.id, row.origin, similarity)


def overlap(
    kind: Kind, item: Example, other_id: str, other_origin: str, similarity: float = 1.0
) -> Overlap:
    """A finding on a test item."""
    return Overlap(kind, item.id, item.origin, other_id, other_origin, similarity, item.question)


def _near(train: Sequence[Example], test: Sequence[Example]) -> dict[str, tuple[Example, float]]:
    """The most similar training row of each test item, where it reaches the threshold."""
    train_sets = [_shingles(row) for row in train]
    test_sets = [_shingles(item) for item in test]
    frequency = Counter(shingle for one in (*train_sets, *test_sets) for shingle in one)
    rows = len(train_sets) + len(test_sets)
    weight = {shingle: math.log1p(rows / count) for shingle, count in frequency.items()}
    holders: defaultdict[Shingle, list[int]] = defaultdict(list)
    for number, shingles in enumerate(train_sets):
        for shingle in _prefix(shingles, weight):
            holders[shingle].append(number)
    found = {}
    for item, shingles in zip(test, test_sets, strict=True):
        candidates = {n for shingle in _prefix(shingles, weight) for n in holders[shingle]}
        scored = [(_jaccard(shingles, train_sets[n], weight), n) for n in candidates]
        similarity, best = max(scored, default=(0.0, -1))
        if similarity >= NEAR:
            found[item.id] = (train[best], similarity)
    return found


def _shingles(example: Example) -> frozenset[Shingle]:
    text = _loose(example)
    return frozenset(itertools.pairwise(text)) or frozenset({text})


def _prefix(shingles: Iterable[Shingle], weight: Mapping[Shingle, float]) -> list[Shingle]:
    """The heaviest shingles, of which two similar rows must share at least one.

    With similarity of at least t, the shared weight is at least t times the weight of either
    row. So it cannot all lie in a row's lightest shingles that together weigh less than that.
    """
    ordered = sorted(shingles, key=lambda s: (-weight[s], s))
    rest = sum(weight[s] for s in ordered)
    needed = NEAR * rest - 1e-9
    prefix = []
    for shingle in ordered:
        if rest < needed:
            break
        prefix.append(shingle)
        rest -= weight[shingle]
    return prefix


def _jaccard(
    first: frozenset[Shingle], second: frozenset[Shingle], weight: Mapping[Shingle, float]
) -> float:
    shared = sum(weight[s] for s in first & second)
    return shared / sum(weight[s] for s in first | second)
