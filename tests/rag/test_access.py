"""Access lists: closed by default."""

from __future__ import annotations

import dataclasses

from hypothesis import given, strategies as st

from luthier.core.records import EVERYONE, Passage
from luthier.rag.access import ANYONE, Slice, may_see, seen, viewer

NAMES = st.sets(st.sampled_from(["ann", "bob", "sales", "law", EVERYONE]))


def _passage(access: tuple[str, ...], **fields: object) -> Passage:
    base = Passage("d#0", "d", "t", "text", "d.txt:1", 0, 4, access=access)
    return dataclasses.replace(base, **fields)  # type: ignore[arg-type]


def test_without_a_list_nobody_sees() -> None:
    assert not may_see((), viewer(["ann", "sales"]))
    assert not may_see((), ANYONE)


def test_a_stranger_sees_what_is_open_to_everyone() -> None:
    assert may_see((EVERYONE,), ANYONE)
    assert not may_see(("ann",), ANYONE)
    assert viewer([]) == viewer(["", " "]) == ANYONE


@given(NAMES, NAMES)
def test_a_common_name_decides(access: set[str], names: set[str]) -> None:
    assert may_see(tuple(access), viewer(names)) == bool(access & (names | {EVERYONE}))


def test_seen_keeps_the_order() -> None:
    rows = [_passage(("ann",)), _passage(()), _passage((EVERYONE,)), _passage(("bob",))]
    assert seen(rows, viewer(["ann"])) == [rows[0], rows[2]]


def test_a_slice_asks_for_all_of_its_conditions() -> None:
    passage = _passage(("ann",), meta={"lang": "en"}, kind="table", modified_s=10.0)
    mine = viewer(["ann"])
    assert Slice(mine, {"lang": ("en", "de")}, ("table",), ("d",), 10.0).holds(passage)
    assert not Slice().holds(passage)
    assert not Slice(mine, {"lang": ("de",)}).holds(passage)
    assert not Slice(mine, {"year": ("1",)}).holds(passage)
    assert not Slice(mine, kinds=("text",)).holds(passage)
    assert not Slice(mine, documents=("e",)).holds(passage)
    assert not Slice(mine, since_s=10.5).holds(passage)


def test_keys_of_slices_tell_viewers_apart() -> None:
    assert Slice(viewer(["ann"])).key != Slice().key
    assert Slice(where={"a": ("1", "2")}).key == Slice(where={"a": ("2", "1")}).key
