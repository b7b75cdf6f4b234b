"""Slices as conditions in SQLite."""

from __future__ import annotations

from luthier.rag.access import Slice
from luthier.rag.stores._sqlite_sql import condition


def test_values_never_stand_in_the_statement() -> None:
    part = Slice(frozenset({"o'brien"}), {"k'": ("v'",)}, ("table",), ("d'",), 5.0)
    found = condition(part)
    assert found is not None
    asked, told = found
    assert "'" not in asked
    assert asked.count("?") == len(told) == 5


def test_what_nobody_can_see_has_no_condition() -> None:
    assert condition(Slice(frozenset())) is None
    assert condition(Slice(frozenset({""}))) is None
    assert condition(Slice(where={"k": ()})) is None
    assert condition(Slice(since_s=float("nan"))) is None
