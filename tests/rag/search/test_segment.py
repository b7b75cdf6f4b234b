"""A segment holds its rows in order, and its files are whole or refused."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pytest
from stored_rows import passages_of, table, vectors_for

from luthier.core.errors import StoreError
from luthier.rag.search.segment import (
    COLUMNS,
    Segment,
    gathered,
    meta_name,
    plain,
    read_segment,
    segment_of,
    write_segment,
)
from luthier.rag.stores.store import VECTOR

CHANCE = random.Random(5)
PASSAGES = [p for i in range(40) for p in passages_of(f"doc{i:02d}", CHANCE)]


def made() -> Segment:
    shuffled = PASSAGES.copy()
    random.Random(1).shuffle(shuffled)
    return segment_of(gathered([plain(table(shuffled[:30])), plain(table(shuffled[30:]))]), "none")


def test_rows_stand_in_the_order_of_their_ids_with_their_vectors() -> None:
    segment = made()
    expected = sorted(PASSAGES, key=lambda p: p.id)
    assert segment.rows["id"].to_pylist() == [p.id for p in expected]
    assert segment.vectors is not None
    assert segment.vectors.values == pytest.approx(vectors_for(expected), abs=1e-6)
    assert [segment.place_of(p.id) for p in expected] == list(range(len(segment)))
    assert segment.place_of("doc") == segment.place_of("zzz") == -1


def test_lists_name_the_rows_that_have_a_value() -> None:
    segment = made()
    rows = sorted(PASSAGES, key=lambda p: p.id)
    names = {name for p in rows for name in p.access}
    for name in names:
        (found,) = segment.access.of([name])
        assert found.tolist() == [i for i, p in enumerate(rows) if name in p.access]
    for key, value in {pair for p in rows for pair in p.meta.items()}:
        (found,) = segment.meta.of([meta_name(key, value)])
        assert found.tolist() == [i for i, p in enumerate(rows) if p.meta.get(key) == value]
    assert meta_name("a", ":b") != meta_name("a:", "b")
    assert meta_name("1", "1:x") != meta_name("11", ":x")


def test_a_segment_comes_back(tmp_path: Path) -> None:
    segment = made()
    write_segment(segment, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [segment.name]
    again = read_segment(tmp_path, segment.name)
    assert again.rows.equals(segment.rows)
    for part in ("words", "access", "kinds", "documents", "meta"):
        before, after = getattr(segment, part).arrays(), getattr(again, part).arrays()
        assert {n: a.tobytes() for n, a in before.items()} == {
            n: a.tobytes() for n, a in after.items()
        }
    assert again.vectors is not None
    assert segment.vectors is not None
    assert (again.vectors.codes == segment.vectors.codes).all()


@pytest.mark.parametrize("name", ["rows.arrow", "lists.bin", "vectors.bin", "segment.json"])
@pytest.mark.parametrize("how", ["missing", "short", "long", "changed"])
def test_a_damaged_file_is_refused(tmp_path: Path, name: str, how: str) -> None:
    segment = made()
    write_segment(segment, tmp_path)
    path = tmp_path / segment.name / name
    whole = path.read_bytes()
    match how:
        case "missing":
            path.unlink()
        case "short":
            path.write_bytes(whole[:-7])
        case "long":
            path.write_bytes(whole + b"x")
        case "changed":
            if name == "vectors.bin":
                pytest.skip("vectors are not read when they are opened")
            path.write_bytes(whole[:9] + bytes([whole[9] ^ 4]) + whole[10:])
    with pytest.raises(StoreError, match="damaged search index") as caught:
        read_segment(tmp_path, segment.name)
    assert segment.name in caught.value.where
    assert "made anew" in caught.value.mend


def test_rows_that_are_no_passages_are_refused() -> None:
    with pytest.raises(StoreError, match="no passages"):
        plain(pa.table({"id": ["x"]}))
    rows = table(PASSAGES)
    with pytest.raises(StoreError, match="no passages"):
        plain(rows.set_column(rows.schema.get_field_index("meta"), "meta", rows["id"]))
    assert plain(rows).column_names == [*COLUMNS.names, VECTOR]


def test_two_passages_of_one_id_are_refused() -> None:
    with pytest.raises(StoreError, match=f"'{PASSAGES[3].id}'"):
        segment_of(gathered([plain(table(PASSAGES)), plain(table(PASSAGES[3:4]))]), "none")
