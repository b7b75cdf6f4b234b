"""Slices as conditions in PostgreSQL, and questions as it writes them."""

from __future__ import annotations

from luthier.rag.access import Slice
from luthier.rag.stores._postgres_sql import condition, tsquery


def test_values_never_stand_in_the_statement() -> None:
    part = Slice(frozenset({"o'brien"}), {"k'": ("v'",)}, ("table",), ("d'",), 5.0)
    found = condition(part)
    assert found is not None
    asked, told = found
    assert "'" not in asked
    assert set(told) == {"who", "since_s", "label0", "kind", "document_id"}
    assert told["label0"] == ["k'=v'"]


def test_what_nobody_can_see_has_no_condition() -> None:
    assert condition(Slice(frozenset())) is None
    assert condition(Slice(frozenset({""}))) is None
    assert condition(Slice(where={"k": ()})) is None
    assert condition(Slice(since_s=float("inf"))) is None


def test_words_of_a_question_are_quoted() -> None:
    assert tsquery(["oak", "o'b", "a\\b"]) == "'oak' | 'o''b' | 'a\\\\b'"
