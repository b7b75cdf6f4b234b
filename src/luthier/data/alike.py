"""Rows that say the same: which training rows a test item is too much like.

The split uses it to keep such rows out of training; the leakage check uses it to hold the result
against the promise.
"""

from __future__ import annotations

import array
import dataclasses
import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from luthier.core.ledger import Ledger
from luthier.core.records import Example
from luthier.data._near import Flags, Likeness, near_pairs

NEAR = 0.8
"""Weighted Jaccard similarity from which two rows count as near-duplicates."""
TOO_LIKE = "too like a test question"
ALL = 1 - 1e-9
"""Similarity of rows with the same word pairs."""

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


class Likes:
    """Rows that are added one by one, and which of them are too much like a test item.

    Texts wait in a temporary file. Use it as a context manager.
    """

    def __init__(self) -> None:
        self._likeness = Likeness()
        self._prompts = array.array("Q")

    def add(self, example: Example) -> None:
        """Add one row."""
        prompt = _prompt(example)
        self._likeness.add(f"{prompt}\n{example.answer}")
        self._prompts.append(int.from_bytes(_digest(prompt)[:8], "little"))

    def too_like(self, is_test: Flags, dropped: Flags) -> Flags:
        """For each row whether it is a training or validation row too like a test item.

        Args:
            is_test: For each row, in the order they were added, whether it is a test item.
            dropped: For each row whether it is left out already.
        """
        prompts = np.frombuffer(self._prompts, dtype=np.uint64)
        same = np.isin(prompts, prompts[is_test & ~dropped]) & ~is_test & ~dropped
        found = np.zeros_like(dropped)
        while True:  # fewer rows weigh word pairs otherwise, so what is left is looked at again
            near = self._likeness.pairs(is_test, dropped | found, NEAR)
            places = np.fromiter((row for _, row, _ in near), np.int64)
            if not len(places) and not same.any():
                return found
            found[places] = True
            found |= same
            same = np.zeros_like(same)

    def __enter__(self) -> Likes:
        """The rows themselves."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the temporary file."""
        self._likeness.__exit__()


def without_likes(examples: Sequence[Example], ledger: Ledger) -> list[Example]:
    """The examples without training and validation rows that are too much like a test item.

    Args:
        examples: With their sides. The test side is locked and stays as it is.
        ledger: Gets a line for each row refused.
    """
    with Likes() as likes:
        for example in examples:
            likes.add(example)
        is_test = np.fromiter((e.side == "test" for e in examples), np.bool_, len(examples))
        refused = likes.too_like(is_test, np.zeros_like(is_test))
    kept = []
    for example, too_like in zip(examples, refused.tolist(), strict=True):
        if too_like:
            ledger.refuse(TOO_LIKE, example.origin, example.question)
        else:
            kept.append(example)
    return kept


def overlaps(train: Sequence[Example], test: Sequence[Example]) -> Iterator[Overlap]:
    """Test items alike to a training row, each with the one it is most like.

    Rows are alike if the questions (all turns but the system's) are the same, or question and
    answer are but for case and punctuation, or if the weighted Jaccard similarity of their word
    pairs reaches 0.8. Word pairs weigh ln(1 + rows / rows that have it), so questions made from
    one template are not taken for duplicates on its account (``_near.near_pairs``).

    Args:
        train: Training and validation rows.
        test: Test items.
    """
    wanted = {_digest(_prompt(item)) for item in test}
    same = {found: row for row in train if (found := _digest(_prompt(row))) in wanted}
    near: dict[int, tuple[bool, float, int]] = {}
    for similarity, number, place in _near(train, test):
        loosely = similarity > ALL and _loose(train[place]) == _loose(test[number])
        near[number] = max(near.get(number, (False, 0.0, -1)), (loosely, similarity, place))
    for number, item in enumerate(test):
        if (row := same.get(_digest(_prompt(item)))) is not None:
            yield overlap("same", item, row.id, row.origin)
        elif number in near:
            loosely, similarity, place = near[number]
            row = train[place]
            if loosely:
                yield overlap("same but for case and punctuation", item, row.id, row.origin)
            else:
                yield overlap("near-duplicate", item, row.id, row.origin, similarity)


def _near(train: Sequence[Example], test: Sequence[Example]) -> Iterator[tuple[float, int, int]]:
    """Similarity, place in test and place in train of all pairs that are near-duplicates."""
    for number, place, similarity in near_pairs(map(_said, train), map(_said, test), NEAR):
        yield similarity, number, place


def _prompt(example: Example) -> str:
    return "\n".join(m.content for m in example.prompt if m.role != "system")


def _said(example: Example) -> str:
    return f"{_prompt(example)}\n{example.answer}"


def _loose(example: Example) -> str:
    return " ".join(words(_said(example)))


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def overlap(
    kind: Kind, item: Example, other_id: str, other_origin: str, similarity: float = 1.0
) -> Overlap:
    """A finding on a test item."""
    return Overlap(kind, item.id, item.origin, other_id, other_origin, similarity, item.question)
