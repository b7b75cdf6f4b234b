"""Who says which label a text has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from luthier.core.errors import ModelError
from luthier.core.records import Example, Message
from luthier.data.augment._labels import ScoredLabels, nearest_labels, sample_labelled
from luthier.models.generate import Score


class Scorer:
    """Likes labels that stand in the prompt; cannot score the label ``never``."""

    def score(
        self, conversations: Sequence[Sequence[Message]], references: Sequence[str]
    ) -> list[Score | None]:
        return [
            None if label == "never" else Score(0.0 if label in c[-1].content else math.log(3), 1)
            for c, label in zip(conversations, references, strict=True)
        ]


def _rows(labels: Sequence[str], groups: Sequence[str] | None = None) -> list[Example]:
    names = groups or [f"g{i}" for i in range(len(labels))]
    messages = (Message("user", "q"), Message("assistant", "a"))
    return [
        Example(f"id{i}", messages, "f", group, "row", label=label)
        for i, (label, group) in enumerate(zip(labels, names, strict=True))
    ]


def test_scores_become_probabilities() -> None:
    model: Any = Scorer()
    found = ScoredLabels(model, ["bank", "song", "never"], "Which? {text}")(["a song", "x"])
    np.testing.assert_allclose(found, [[0.25, 0.75, 0], [0.5, 0.5, 0]], atol=1e-12)
    with pytest.raises(ModelError, match="cannot score"):
        ScoredLabels(model, ["never"], "{text}")(["a"])


def test_rows_of_each_label_are_sampled_without_order_mattering() -> None:
    rows = _rows(["a"] * 9 + ["b"] * 2 + [""])
    chosen = sample_labelled(rows, 3, 0)
    assert [r.label for r in chosen] == ["a"] * 3 + ["b"] * 2
    assert chosen == sample_labelled(rows[::-1], 3, 0)


def _unit(*degrees: float) -> Any:
    angles = np.radians(degrees)
    return np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


def test_the_nearest_rows_decide_and_rare_labels_are_not_outvoted() -> None:
    rows = _rows(["a", "a", "a", "b"])
    found = nearest_labels(_unit(5, 40), ["x", "x"], rows, _unit(0, 10, 20, 60), 3)
    assert found == ["a", "b"]


def test_the_own_group_does_not_count_unless_there_is_no_other() -> None:
    rows = _rows(["a", "a", "b"], ["own", "far", "near"])
    vectors = _unit(0, 90, 30)
    assert nearest_labels(_unit(0), ["own"], rows, vectors, 3) == ["b"]
    assert nearest_labels(_unit(0), ["other"], rows[:1] + rows[2:], vectors[[0, 2]], 3) == ["a"]
    lonely = _rows(["a", "b"], ["own", "near"])
    assert nearest_labels(_unit(0), ["own"], lonely, _unit(0, 30), 3) == ["a"]
