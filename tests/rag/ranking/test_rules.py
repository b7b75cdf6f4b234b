"""Rules as data: what they say, and what is refused."""

from __future__ import annotations

import datetime as dt
import functools
import operator
import re
from pathlib import Path

import pytest

from luthier.core.errors import ConfigError
from luthier.core.records import Passage
from luthier.rag.ranking.rules import What, When, holding, read_rules

TEXT = """\
rules:
  - {do: pin, name: returns first, documents: [returns.md], when: {asked: [refund*, send back]}}
  - do: boost
    name: summer sale
    what: {where: {topic: [sale]}}
    factor: 2.0
    when: {since: 2026-06-01, until: 2026-08-31}
  - {do: block, name: draft, what: {where: {state: [draft, old]}, kinds: [text]}}
"""


PAGE = Path(__file__).parents[3] / "docs" / "rag" / "ranking.md"


def test_the_rules_of_the_page_are_rules(tmp_path: Path) -> None:
    found = re.search(r"^:caption: rules.yaml\n\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    assert found is not None
    path = tmp_path / "rules.yaml"
    path.write_text(found[1], encoding="utf-8")
    assert [rule.do for rule in read_rules(path).rules] == ["pin", "boost", "block"]


def at(day: str) -> float:
    return dt.datetime.fromisoformat(f"{day}T12:00:00+00:00").timestamp()


def test_a_file_of_rules(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(TEXT, encoding="utf-8")
    rules = read_rules(path).rules
    june = holding(rules, "How do I get a Refund?", at("2026-06-01"))
    names = [
        [r.name for r in june.pins],
        [r.name for r in june.boosts],
        [r.name for r in june.blocks],
    ]
    assert functools.reduce(operator.iadd, names, []) == [
        "returns first", "summer sale", "draft",
    ]  # fmt: skip
    autumn = holding(rules, "Where is my parcel?", at("2026-09-01"))
    assert not autumn.pins
    assert not autumn.boosts
    assert autumn
    assert not holding((), "x", 0.0)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("rules: [{do: hide, name: x}]", "do"),
        ("rules: [{do: pin, name: x}]", "documents"),
        ("rules: [{do: pin, name: x, documents: []}]", "documents"),
        ("rules: [{do: boost, name: x, what: {kinds: [a]}, factor: 0}]", "factor"),
        ("rules: [{do: block, name: x, what: {}}]", "about everything"),
        ("rules: [{do: pin, name: x, documents: [a], when: {since: soon}}]", "since"),
        (
            "rules: [{do: pin, name: x, documents: [a], when: "
            "{since: 2026-02-01, until: 2026-01-01}}]",
            "after",
        ),
        ("rules: [{do: pin, name: x, documents: [a], when: {asked: ['*']}}]", "letter"),
        (
            "rules: [{do: pin, name: x, documents: [a]}, {do: pin, name: x, documents: [b]}]",
            "two rules",
        ),
    ],
)
def test_what_no_rule_can_say_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        read_rules(path)
    assert problem in str(error.value)
    assert "rules.yaml" in str(error.value)


@pytest.mark.parametrize(
    ("phrase", "question", "holds"),
    [
        ("refund", "Any REFUND?", True),
        ("refund", "refunds", False),
        ("refund*", "refunds", True),
        ("gift card", "a gift-card, please", True),
        ("gift card", "gift of a card", False),
        ("a.b", "aXb", False),
        ("*ly", "early", True),
    ],
)
def test_phrases(phrase: str, question: str, holds: bool) -> None:
    assert When(asked=(phrase,)).holds(question, 1.0) is holds


def test_dates_include_both_days() -> None:
    when = When(since=dt.date(2026, 1, 2), until=dt.date(2026, 1, 3))
    held = [when.holds("q", at(f"2026-01-0{day}")) for day in (1, 2, 3, 4)]
    assert held == [False, True, True, False]


def test_a_passage_must_meet_all_that_is_said() -> None:
    passage = Passage("d#0", "d", "T", "x", "f", 0, 1, kind="table", meta={"a": "1"})
    assert What(documents=("d",), where={"a": ("1", "2")}, kinds=("table",)).holds(passage)
    assert not What(documents=("d",), where={"b": ("1",)}).holds(passage)
    assert not What(kinds=("text",)).holds(passage)
    assert not What(documents=("e",)).holds(passage)
