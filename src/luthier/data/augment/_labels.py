"""Who says which label a text has: the user's classifier, the answering model, or near rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from luthier.core.errors import ModelError
from luthier.core.records import Example, Message
from luthier.data.augment._random import number_for
from luthier.models.encode import Vectors
from luthier.models.generate import Generate

Floats = npt.NDArray[np.float64]
_ROWS_AT_ONCE = 512


class Classify(Protocol):
    """A model that tells how likely each label of a text is."""

    @property
    def labels(self) -> Sequence[str]:
        """The labels, in the order of the columns."""

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.floating[Any]]:
        """Probabilities, shape (texts, labels)."""


Learn = Callable[[Sequence[Example]], Classify]
"""Trains a classifier like the user's on some labelled rows."""


class ScoredLabels:
    """The answering model as a classifier: how likely it is to answer with each label.

    Args:
        answer: The model; it must be able to score.
        labels: All labels.
        prompt: What it is asked, ``{text}`` standing for the text.
    """

    def __init__(self, answer: Generate, labels: Sequence[str], prompt: str) -> None:
        self.answer = answer
        self.labels = tuple(labels)
        self.prompt = prompt

    def __call__(self, texts: Sequence[str]) -> Floats:
        """Probabilities, shape (texts, labels): the likelihoods, made to add up to 1.

        Raises:
            ModelError: The model cannot score a text with any label.
        """
        asked = [
            [Message("user", self.prompt.replace("{text}", text))]
            for text in texts
            for _ in self.labels
        ]
        scores = self.answer.score(asked, list(self.labels) * len(texts))
        nll = np.array([np.inf if s is None else s.nll_nats for s in scores], dtype=np.float64)
        nll = nll.reshape(len(texts), len(self.labels))
        if not np.isfinite(nll).any(axis=1).all():
            raise ModelError(
                "this model cannot score labels as answers",
                where="augment",
                mend="Take a local model, or set `judge: neighbours`.",
            )
        likely = np.exp(nll.min(axis=1, keepdims=True) - nll)
        shares: Floats = likely / likely.sum(axis=1, keepdims=True)
        return shares


def sample_labelled(rows: Sequence[Example], per_label: int, seed: int) -> list[Example]:
    """Up to so many rows of each label, chosen by a hash of their ids."""
    by_label: defaultdict[str, list[Example]] = defaultdict(list)
    for row in rows:
        if row.label:
            by_label[row.label].append(row)
    return [
        row
        for label in sorted(by_label)
        for row in sorted(by_label[label], key=lambda e: number_for(seed, e.id))[:per_label]
    ]


def nearest_labels(
    vectors: Vectors,
    groups: Sequence[str],
    rows: Sequence[Example],
    row_vectors: Vectors,
    neighbours: int,
) -> list[str]:
    """The label whose rows are nearest, for each of some texts.

    A label's nearness is the mean cosine of its ``neighbours`` nearest rows (as many as it has, if
    fewer), so that rare labels are not outvoted. A text's own group does not count, unless a label
    has no other row.

    Args:
        vectors: Of the texts, of length 1.
        groups: The group of each text's parent.
        rows: Labelled rows.
        row_vectors: Theirs, of length 1.
        neighbours: Rows of a label that count.
    """
    members: defaultdict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        members[row.label].append(i)
    names = sorted(members)
    own = np.array([row.group for row in rows])
    found: list[str] = []
    for first in range(0, len(vectors), _ROWS_AT_ONCE):
        block = slice(first, first + _ROWS_AT_ONCE)
        cosines = (vectors[block] @ row_vectors.T).astype(np.float64)
        others = np.where(np.array(groups[block])[:, None] == own[None, :], -np.inf, cosines)
        near = np.column_stack(
            [_nearness(others[:, m], cosines[:, m], neighbours) for m in map(members.get, names)]
        )
        found += [names[i] for i in near.argmax(axis=1)]
    return found


def _nearness(others: Floats, all_rows: Floats, neighbours: int) -> Floats:
    """Mean of the greatest finite values of each line; of all rows where none is finite."""
    lonely = ~np.isfinite(others).any(axis=1, keepdims=True)
    usable = np.where(lonely, all_rows, others)
    best = -np.sort(-usable, axis=1)[:, :neighbours]
    counted = np.isfinite(best)
    sums = np.where(counted, best, 0.0).sum(axis=1)
    means: Floats = sums / counted.sum(axis=1)
    return means
