"""A misspelt name or filter is told, without telling what is hidden."""

from __future__ import annotations

import pytest

from luthier.core.errors import ConfigError
from luthier.core.records import EVERYONE, Passage
from luthier.rag.access import Slice, viewer
from luthier.rag.legs import Legs
from luthier.rag.search.notes import check_keys, note
from luthier.rag.stores.store import rows_of


def _legs(*told: tuple[tuple[str, ...], dict[str, str]]) -> Legs:
    passages = [
        Passage(f"d{n}#0", f"d{n}", "", f"text {n}", f"f:{n}", 0, 6, access=access, meta=meta)
        for n, (access, meta) in enumerate(told)
    ]
    return Legs.of([rows_of(passages, {p.document_id: "x" for p in passages})])


LEGS = _legs(((EVERYONE,), {"topic": "law"}), (("ann", "hr"), {"salary": "1"}), ((), {"none": "1"}))


def test_a_key_that_no_visible_passage_has_is_refused_with_the_known_ones() -> None:
    check_keys(LEGS, Slice(where={"topic": ("anything",)}))
    check_keys(LEGS, Slice(viewer(["ann"]), where={"salary": ("1",), "topic": ("law",)}))
    with pytest.raises(ConfigError, match="'salary'") as error:
        check_keys(LEGS, Slice(where={"topic": ("law",), "salary": ("1",)}))
    assert "Known are: topic." in error.value.mend
    with pytest.raises(ConfigError) as error:
        check_keys(_legs(((EVERYONE,), {})), Slice(where={"topic": ("law",)}))
    assert "None has any metadata" in error.value.mend


def test_who_is_on_no_list_is_told_so() -> None:
    assert note(LEGS, Slice(viewer(["hr"])), ["hr"]) == ""
    assert note(LEGS, Slice(viewer(["hr", "bob"])), ["hr", " bob"]) == "no access list names bob"
    assert note(LEGS, Slice(), ()) == ""
    closed = _legs((("ann",), {}))
    said = note(closed, Slice(viewer(["bob"])), ["bob"])
    assert said == "nothing here is open to bob; no access list names bob"
    assert note(closed, Slice(), ()) == "nothing here is open to everyone; --as says who asks"
