"""Access lists, times and metadata are read as they are written, and what has no list is closed."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from luthier.core.ledger import Ledger
from luthier.core.records import EVERYONE, Document, Example, Message
from luthier.data.sources._access import (
    NO_LIST,
    NO_TIME,
    Described,
    Facts,
    Guarded,
    facts_of,
    guarded,
    names_in,
    seconds_in,
    with_facts,
)

DOCUMENT = Document("d", "D", "text", "d:1", "row", "g", {"package": "os"})
EXAMPLE = Example("e", (Message("user", "Why?"), Message("assistant", "So.")), "e:1", "g", "row")


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (["hr", "ann"], ("hr", "ann")),
        ("hr, ann ,,hr", ("hr", "ann")),
        ('["hr", "ann"]', ("hr", "ann")),
        (7, ("7",)),
        ([7, "x"], ("7", "x")),
        ("everyone", (EVERYONE,)),
        *zip((None, "", " , ", [], "[", "[1, [2]]", True, [None], {}), [()] * 9, strict=True),
        (["hr", {"name": "ann"}], ()),
        (1.5, ()),
    ],
)
def test_names(value: Any, names: tuple[str, ...]) -> None:
    assert names_in(value) == names


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (1_700_000_000, 1_700_000_000.0),
        (1_700_000_000_500, 1_700_000_000.5),
        ("1700000000", 1_700_000_000.0),
        ("2023-11-14T22:13:20Z", 1_700_000_000.0),
        ("2023-11-14 23:13:20+01:00", 1_700_000_000.0),
        ("2023-11-14 22:13:20", 1_700_000_000.0),
        ("Tue, 14 Nov 2023 22:13:20 GMT", 1_700_000_000.0),
        ("2023-11-14", 1_699_920_000.0),
        (dt.date(2023, 11, 14), 1_699_920_000.0),
        (dt.datetime(2023, 11, 14, 22, 13, 20, tzinfo=dt.UTC), 1_700_000_000.0),
        *zip(
            (None, "", "soon", True, 0, -1, float("nan"), [], "1e999", 10**400),
            [None] * 10,
            strict=True,
        ),
    ],
)
def test_times(value: Any, seconds: float | None) -> None:
    assert seconds_in(value) == seconds


@given(st.one_of(st.text(), st.floats(), st.integers(), st.lists(st.text())))
def test_no_value_breaks_it(value: Any) -> None:
    assert all(name == name.strip() and name for name in names_in(value))
    seconds = seconds_in(value)
    assert seconds is None or isinstance(seconds, float)


def test_a_row_without_a_list_is_closed_and_told_of() -> None:
    ledger = Ledger()
    source = Described(access_field="who", modified_field="when", meta_fields=("team", "n", "no"))
    told = {"who": "hr", "when": "2023-11-14", "team": " tea ", "n": 3.0}
    assert facts_of(told, source, "o:1", ledger) == Facts(
        ("hr",), 1_699_920_000.0, {"team": "tea", "n": "3"}
    )
    assert ledger.entries == []
    assert facts_of({"when": "soon"}, source, "o:2", ledger) == Facts((), 0.0, {})
    assert ledger.reasons("changed") == {NO_LIST: 1, NO_TIME: 1}


def test_a_document_gets_what_is_known_of_it() -> None:
    made = with_facts(DOCUMENT, Facts(("hr",), 5.0, {"team": "tea"}))
    assert made == Document(
        "d", "D", "text", "d:1", "row", "g", {"package": "os", "team": "tea"}, ("hr",), 5.0
    )


def test_a_row_that_not_all_may_see_is_closed() -> None:
    assert with_facts(EXAMPLE, Facts()) == EXAMPLE
    for access in (("hr",), ()):
        made = with_facts(EXAMPLE, Facts(access))
        assert isinstance(made, Example)
        assert made.closed


def test_a_source_may_have_one_list_for_all() -> None:
    (made,) = guarded([DOCUMENT], Guarded(access=("hr", "hr")))
    assert isinstance(made, Document)
    assert made.access == ("hr",)
    assert list(guarded([DOCUMENT], Guarded())) == [DOCUMENT]


def test_a_list_must_name_somebody_and_there_is_one() -> None:
    for wrong in ({"access": ()}, {"access": ("",)}, {"access": ("hr",), "access_field": "who"}):
        with pytest.raises(ValidationError):
            Described(**wrong)
    assert Described(access_field="a", meta_fields=("b", "a")).told_by == ("a", "b")
