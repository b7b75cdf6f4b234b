"""What is refused before anything is written, and what labels are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from stored_rows import DIMENSION, table

from luthier.core.errors import StoreError
from luthier.core.records import Passage
from luthier.rag.stores._check import best, checked, dimension_of, label, vectors_of, version_in
from luthier.rag.stores.store import DIGEST, Change, Version, rows_of

PASSAGES = [Passage(f"d#{i}", "d", "t", "x", "f:1", i, i + 1) for i in range(3)]


def test_rows_come_back_in_the_stores_columns() -> None:
    rows = table(PASSAGES)
    turned = rows.select(rows.schema.names[::-1])
    found, gone = checked(Change(turned, ("e", "d")), None, "here")
    assert found is not None
    assert found.schema.equals(rows.schema)
    assert gone == ["d", "e"]
    assert dimension_of(found) == DIMENSION
    assert vectors_of(found).shape == (3, DIMENSION)
    assert checked(Change(gone=("e", "e")), 3, "here") == (None, ["e"])
    assert dimension_of(None) is None


def test_one_document_has_one_digest() -> None:
    rows = table(PASSAGES)
    place = rows.schema.get_field_index(DIGEST)
    mixed = rows.set_column(place, DIGEST, [["1", "1", "2"]])
    with pytest.raises(StoreError, match="different digests"):
        checked(Change(mixed), None, "here")


def test_messages_name_both_dimensions_and_say_what_to_do() -> None:
    with pytest.raises(StoreError, match=r"of 8 numbers .* of 384") as told:
        checked(Change(table(PASSAGES)), 384, "here")
    assert "another encoder" in told.value.mend
    with pytest.raises(StoreError, match="with vectors, and these come without"):
        checked(Change(rows_of(PASSAGES, {"d": "1"})), 384, "here")


def test_a_row_without_a_value_is_refused() -> None:
    rows = rows_of(PASSAGES, {"d": "1"})
    lost = rows.set_column(2, "title", [["t", None, "t"]])
    with pytest.raises(StoreError, match="without title"):
        checked(Change(lost), None, "here")


def test_times_before_1970_count_as_unknown() -> None:
    times = [-5.0, 0.0, 7.0]
    rows = rows_of(PASSAGES, {"d": "1"})
    place = rows.schema.get_field_index("modified_s")
    found, _ = checked(Change(rows.set_column(place, "modified_s", [times])), None, "here")
    assert found is not None
    assert found["modified_s"].to_pylist() == [0.0, 0.0, 7.0]
    with pytest.raises(StoreError, match="not a number"):
        checked(Change(rows.set_column(place, "modified_s", [[1.0, np.nan, 1.0]])), None, "here")


@given(st.text(), st.text(), st.text(), st.text())
def test_labels_of_different_pairs_differ(a: str, b: str, c: str, d: str) -> None:
    assert (label(a, b) == label(c, d)) == ((a, b) == (c, d))


def test_versions_are_found_by_number() -> None:
    versions = [Version(4, 0.0, 1, ""), Version(6, 0.0, 1, "")]
    assert version_in(versions, 6, "here") is versions[1]
    with pytest.raises(StoreError, match=r"no version 5 .there are: 4, 6"):
        version_in(versions, 5, "here")
    with pytest.raises(StoreError, match="there are: none"):
        version_in([], 5, "here")


def test_equal_scores_stand_in_the_order_of_their_ids() -> None:
    assert list(best([("b", 1.0), ("a", 1.0), ("c", 2.0)], 2)) == ["c", "a"]
