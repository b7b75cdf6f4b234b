"""Slices as conditions in LanceDB."""

from __future__ import annotations

from luthier.rag.access import Slice
from luthier.rag.stores._lance_table import condition, one_of


def test_a_slice_is_a_condition_with_quoted_values() -> None:
    part = Slice(frozenset({"o'brien"}), {"k=": ("v'x", "w")}, ("table",), ("d",), 5.0)
    assert condition(part) == (
        "array_has_any(access, ['o''brien']) AND array_has_any(labels, ['k%3D=v''x', 'k%3D=w']) "
        "AND kind IN ('table') AND document_id IN ('d') AND modified_s >= 5.0"
    )
    assert one_of("id", ["a", "b'"]) == "id IN ('a', 'b''')"


def test_what_nobody_can_see_has_no_condition() -> None:
    assert condition(Slice(frozenset())) is None
    assert condition(Slice(frozenset({""}))) is None
    assert condition(Slice(where={"k": ()})) is None
    assert condition(Slice(since_s=float("-inf"))) is None
