"""Near-duplicates leave, the first one stays, and other labels are other cases."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from luthier.core.ledger import read_ledger
from luthier.core.records import Document, Example, Message, TableWriter, read_table
from luthier.data.clean._books import Books
from luthier.data.clean.near import TWINS, case_of, read_twins, said, without_near, write_twins
from luthier.data.duplicates import DuplicatesSpec, find

LONG = "the quick brown fox jumps over the lazy dog and runs far away into the dark green forest"
OTHER = "something else is told here in quite a few words of its own"
TEXTS = [LONG, OTHER, LONG + " again", LONG]
SPEC = DuplicatesSpec()


def _document(i: int, text: str) -> Document:
    return Document(f"d{i}", "t", text, f"o:{i}", "text", "g")


def _example(i: int, text: str, label: str) -> Example:
    messages = (Message("user", text), Message("assistant", "so be it"))
    return Example(f"{i}", messages, f"o:{i}", "g", "row", label=label)


def _without(folder: Path, rows: list[Document] | list[Example]) -> tuple[list[str], list[int]]:
    """Ids of the rows that stay, and their twins; the ledger is in the folder."""
    with TableWriter(folder / "t.parquet", type(rows[0])) as writer:
        writer.write(rows[:2])
        writer.write(rows[2:])
    labels = map(case_of, rows)
    found = find(map(said, rows), SPEC)
    with Books(folder) as books:
        twins = without_near(folder / "t.parquet", folder / "out.parquet", found, labels, books)
    kept = read_table(folder / "out.parquet", type(rows[0]))
    assert kept == [row for row in rows if row.id in {k.id for k in kept}]
    return [row.id for row in kept], twins.tolist()


def test_what_is_said_is_compared() -> None:
    assert said(_document(0, LONG)) == LONG
    assert said(_example(0, LONG, "x")) == LONG + "\nso be it"


def test_the_first_of_near_duplicates_stays(tmp_path: Path) -> None:
    kept = _without(tmp_path, [_document(i, text) for i, text in enumerate(TEXTS)])
    assert kept == (["d0", "d1"], [0, 1])
    entries = read_ledger(tmp_path).entries
    assert [(e.action, e.reason, e.origin, e.detail) for e in entries] == [
        ("refused", "near-duplicate", "o:2", "o:0"),
        ("refused", "near-duplicate", "o:3", "o:0"),
    ]


def test_rows_with_another_label_stay(tmp_path: Path) -> None:
    texts = [OTHER, LONG, LONG, LONG]
    labels = ["yes", "yes", "no", "yes"]
    rows = [_example(i, t, label) for i, (t, label) in enumerate(zip(texts, labels, strict=True))]
    assert _without(tmp_path, rows) == (["0", "1", "2"], [0, 1, 1])
    assert [e.detail for e in read_ledger(tmp_path).entries] == ["o:1"]


@given(
    st.lists(
        st.tuples(st.sampled_from([*TEXTS, OTHER + " now", "short"]), st.sampled_from("ab")),
        min_size=1,
        max_size=12,
    )
)
@settings(max_examples=40, deadline=None)
def test_twins_are_what_a_search_among_the_rest_finds(parts: list[tuple[str, str]]) -> None:
    rows = [_example(i, text, label) for i, (text, label) in enumerate(parts)]
    with tempfile.TemporaryDirectory() as name:
        kept, twins = _without(Path(name), rows)
        entries = read_ledger(Path(name)).entries
    stay = [rows[int(index)] for index in kept]
    assert twins == find(map(said, stay), SPEC).standing_for.tolist()
    assert len(stay) + len(entries) == len(rows)
    by_origin = {row.origin: row for row in rows}
    for entry in entries:
        gone, like = by_origin[entry.origin], by_origin[entry.detail]
        assert like in stay
        assert like.label == gone.label
        assert int(like.id) < int(gone.id)


def test_twins_are_kept_beside_the_table(tmp_path: Path) -> None:
    assert read_twins(tmp_path, SPEC) is None
    write_twins(tmp_path, SPEC, np.array([0, 1, 0]))
    kept = read_twins(tmp_path, SPEC)
    assert kept is not None
    assert kept.tolist() == [0, 1, 0]
    assert read_twins(tmp_path, DuplicatesSpec(threshold=0.81)) is None
    assert [path.name for path in tmp_path.iterdir()] == [TWINS]


def test_labels_for_each_row_are_needed(tmp_path: Path) -> None:
    with TableWriter(tmp_path / "t.parquet", Document) as writer:
        writer.write([_document(i, text) for i, text in enumerate(TEXTS)])
    with Books(tmp_path) as books, pytest.raises(ValueError, match="too short"):
        without_near(
            tmp_path / "t.parquet", tmp_path / "out.parquet", find(TEXTS, SPEC), ["x"], books
        )


def test_documents_that_others_may_see_are_other_cases(tmp_path: Path) -> None:
    lists = [("everyone",), ("hr",), ("everyone",), ("hr", "ann"), ()]
    rows = [
        dataclasses.replace(_document(i, LONG), access=access) for i, access in enumerate(lists)
    ]
    kept, _ = _without(tmp_path, rows)
    assert kept == ["d0", "d1", "d3", "d4"]
    assert case_of(rows[3]) == case_of(dataclasses.replace(rows[3], access=("ann", "hr")))
    assert case_of(_example(0, LONG, "x")) == "x"
