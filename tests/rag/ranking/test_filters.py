"""Filters as a user writes them."""

from __future__ import annotations

import datetime as dt

import pytest

from luthier.core.errors import ConfigError
from luthier.rag.access import ANYONE, Slice, viewer
from luthier.rag.ranking.filters import filtered


def test_filters_narrow_and_never_widen() -> None:
    who = viewer(["ann"])
    part = filtered(
        who, ["topic=refunds", "topic = returns", "kind=table", "document=a.md", "since=2026-01-31"]
    )
    assert part.who == who
    assert part.where == {"topic": ("refunds", "returns")}
    assert part.kinds == ("table",)
    assert part.documents == ("a.md",)
    assert part.since_s == dt.datetime(2026, 1, 31, tzinfo=dt.UTC).timestamp()
    assert filtered(ANYONE, []) == Slice()


def test_metadata_may_have_the_name_of_a_field() -> None:
    assert filtered(ANYONE, ["meta.kind=x", "a=b=c"]).where == {"kind": ("x",), "a": ("b=c",)}


@pytest.mark.parametrize("text", ["topic", "=x", "topic=", "", "since=soon"])
def test_a_filter_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        filtered(ANYONE, [text])
