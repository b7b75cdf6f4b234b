from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from luthier.core.errors import ConfigError, DataError
from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.data.annotate.autolabel import EncoderLabels, Predictions
from luthier.data.annotate.functions import (
    EncoderFunction,
    FunctionSpec,
    KeywordsFunction,
    ModelFunction,
    PatternFunction,
    PythonFunction,
    apply,
    load_function,
    names_of,
    report,
    why_none,
)
from luthier.data.annotate.items import Item
from luthier.data.annotate.label_model import Matrix

NAMES = ("number", "place")
ITEMS = [
    Item("a", "How many cards?", "f:1"),
    Item("b", "Where is the card", "f:2"),
    Item("c", "How many, and where?", "f:3"),
    Item("d", "Somewhere", "f:4"),
]
OWN = """
from dataclasses import dataclass

@dataclass
class Rule:
    word: str

def own(text):
    if "many" in text:
        return "number"
    if "card" in text:
        raise KeyError("card")
    return "unknown" if text == "Somewhere" else None
"""


def _apply(specs: Sequence[FunctionSpec], base: Path, ledger: Ledger) -> Matrix:
    known = np.full(len(ITEMS), -1)
    return apply(specs, ITEMS, NAMES, base, ledger, Quiet(), known=known, seed=0)


def test_keywords_are_whole_words_and_patterns_are_searched(tmp_path: Path) -> None:
    specs = (
        KeywordsFunction(label="number", words=("how many",)),
        KeywordsFunction(label="place", words=("WHERE", "c++")),
        PatternFunction(label="place", pattern="where"),
        PatternFunction(label="place", pattern="^where", ignore_case=False),
    )
    votes = _apply(specs, tmp_path, Ledger())
    assert votes.T.tolist() == [[0, -1, 0, -1], [-1, 1, 1, -1], [-1, 1, 1, 1], [-1] * 4]


def test_a_users_function_abstains_where_it_fails(tmp_path: Path) -> None:
    (tmp_path / "rules.py").write_text(OWN)
    ledger = Ledger()
    votes = _apply([PythonFunction(function="rules.py:own")], tmp_path, ledger)
    assert votes.T.tolist() == [[0, -1, 0, -1]]
    assert [(e.action, e.reason, e.origin, e.detail) for e in ledger.entries] == [
        ("changed", "labelling function failed", "f:2", "own: KeyError: 'card'"),
        ("changed", "labelling function named no label", "f:4", "own: 'unknown'"),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def other(text):\n    pass\n", r"no function 'own'[\s\S]*It has: other"),
        ("own = 3\n", "no function 'own'"),
        ("x = 1\nraise ValueError('no')\n", r"rules.py:2: .*ValueError: no"),
        ("def own(:\n", r"rules.py:1: .*SyntaxError"),
        ("import no_such_module\n", "ModuleNotFoundError"),
    ],
)
def test_files_that_cannot_be_used_say_why(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "rules.py").write_text(text)
    with pytest.raises(DataError, match=told):
        load_function("rules.py:own", tmp_path)
    with pytest.raises(DataError, match="no such file"):
        load_function("none.py:own", tmp_path)


def test_settings_that_cannot_work_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="which is no label"):
        _apply([KeywordsFunction(label="time", words=("when",))], tmp_path, Ledger())
    with pytest.raises(ConfigError, match="no model"):
        _apply([ModelFunction()], tmp_path, Ledger())
    with pytest.raises(ConfigError, match="no encoder"):
        _apply([EncoderFunction()], tmp_path, Ledger())
    with pytest.raises(ValidationError, match="not a regular expression"):
        PatternFunction(label="place", pattern="(")
    with pytest.raises(ValidationError):
        PythonFunction(function="rules.own")


def test_kinds_are_told_apart() -> None:
    adapter: TypeAdapter[FunctionSpec] = TypeAdapter(FunctionSpec)
    made = adapter.validate_json('{"kind": "model", "name": "llm", "min_confidence": 0.5}')
    assert isinstance(made, ModelFunction)
    assert made.min_confidence == 0.5


def test_the_report_counts_coverage_overlap_conflict_and_accuracy() -> None:
    votes = np.array([[0, 0, -1], [0, 1, -1], [-1, 1, -1], [-1, -1, -1]], dtype=np.int16)
    specs = [
        KeywordsFunction(label="number", words=("a",)),
        PatternFunction(label="place", pattern="b", name="b"),
        PatternFunction(label="place", pattern="c", name="b"),
    ]
    first, second, third = report(votes, specs, NAMES, np.array([0, 1, 0, -1]))
    assert (first.name, first.labels) == ("keywords: number", ("number",))
    assert (first.coverage, first.overlap, first.conflict) == (0.5, 0.5, 0.25)
    assert (first.known, first.accuracy) == (2, 0.5)
    assert (second.coverage, second.overlap, second.conflict) == (0.75, 0.5, 0.25)
    assert second.accuracy == round(2 / 3, 4)
    assert (third.name, third.coverage, third.accuracy) == ("b (2)", 0, None)
    assert report(votes[:0], specs, NAMES, np.array([], dtype=int))[0].coverage == 0


def test_each_function_has_its_own_name() -> None:
    specs: list[FunctionSpec] = [
        PythonFunction(function="r.py:own"),
        ModelFunction(),
        ModelFunction(),
    ]
    assert names_of(specs) == ["own", "model", "model (2)"]


def test_why_no_label_is_sure() -> None:
    chances = np.array([[0.6, 0.4], [0.3, 0.7]])
    found = Predictions(chances, chances.argmax(axis=1), chances.max(axis=1), 50)
    assert why_none(found, EncoderLabels(min_confidence=0.7)) == ""
    assert why_none(found, EncoderLabels()) == "no row is as sure as 0.9 (at most 0.70)"
    unchecked = Predictions(chances, found.best, found.confidence, 0, why="too few")
    assert why_none(unchecked, EncoderLabels(min_confidence=0.0)) == "too few"
