"""Versions on the disk: whole or not there, cheap together, erased to the last byte."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from stored_rows import passages_of, table

from luthier.core.errors import StoreError
from luthier.core.records import Passage
from luthier.rag.access import Slice
from luthier.rag.legs import Legs, LegsSpec
from luthier.rag.search.versions import prune, purge, saved

SPEC = LegsSpec(stemmer="none")
CHANCE = random.Random(11)
DOCUMENTS = {
    f"doc{i:02d}": passages_of(f"doc{i:02d}", CHANCE, word=f"only{i:02d}") for i in range(40)
}
ALL = Slice(frozenset({name for d in DOCUMENTS.values() for p in d for name in p.access}))


def rows(*names: str) -> list[Passage]:
    return [p for name in names for p in DOCUMENTS[name]]


def files(folder: Path) -> dict[str, int]:
    return {
        str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()
    }


def seen(legs: Legs) -> list[str]:
    return sorted(legs.ids(legs.lexical([f"only{i:02d}" for i in range(40)], 1000, ALL).rows))


def held(*names: str) -> list[str]:
    return sorted(p.id for p in rows(*names) if p.access)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three versions: 20 documents; one of them changed; two of them removed."""
    names = list(DOCUMENTS)
    one = Legs.of([table(rows(*names[:20]))], SPEC)
    one.save(tmp_path, 1)
    before = files(tmp_path)
    two = one.updated(table(rows("doc03")))
    two.save(tmp_path, 2)
    assert before.items() <= files(tmp_path).items()  # nothing is written again
    two.updated(None, ["doc04", "doc05"]).save(tmp_path, 3)
    return tmp_path


def test_every_version_is_as_it_was(folder: Path) -> None:
    names = list(DOCUMENTS)[:20]
    assert saved(folder) == [1, 2, 3]
    assert seen(Legs.open(folder, 1)) == held(*names)
    assert seen(Legs.open(folder, 2)) == held(*names)
    assert seen(Legs.open(folder, 3)) == held(*(n for n in names if n not in ("doc04", "doc05")))


def test_a_copy_works_anywhere_and_a_version_saves_into_another_folder(
    folder: Path, tmp_path: Path
) -> None:
    legs = Legs.open(folder, 3)
    legs.save(tmp_path / "other", 9)
    assert seen(Legs.open(tmp_path / "other", 9)) == seen(legs)


def test_an_erased_document_leaves_no_byte(folder: Path) -> None:
    assert b"only04" in b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())
    (folder / "segments" / ".half.1").mkdir()
    (folder / "segments" / ".half.1" / "rows.arrow").write_bytes(b"only04")
    left = purge(folder, ["doc04", "doc03", "unknown"])
    assert left == len(rows("doc03", "doc04", "doc03"))  # one dead in a version counts, too
    whole = b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())
    names = "".join(str(p) for p in folder.rglob("*"))
    for gone in ("only04", "only03", "doc04", "doc03"):
        assert gone.encode() not in whole
        assert gone not in names
    assert b"only05" in whole
    names = [n for n in list(DOCUMENTS)[:20] if n not in ("doc03", "doc04")]
    assert seen(Legs.open(folder, 1)) == seen(Legs.open(folder, 2)) == held(*names)
    assert seen(Legs.open(folder, 3)) == held(*(n for n in names if n != "doc05"))
    before = files(folder)
    assert purge(folder, ["doc04"]) == 0
    assert files(folder) == before


def test_all_erased_leaves_versions_without_passages(folder: Path) -> None:
    purge(folder, list(DOCUMENTS))
    for version in (1, 2, 3):
        assert Legs.open(folder, version).count == 0
    assert not list((folder / "segments").iterdir())


def test_old_versions_go_with_the_segments_that_only_they_need(folder: Path) -> None:
    for i in range(20):
        legs = Legs.open(folder, saved(folder)[-1])
        legs.updated(table(rows(list(DOCUMENTS)[20 + i]))).save(folder, 4 + i)
    last = seen(Legs.open(folder, 23))
    many = len(list((folder / "segments").iterdir()))
    assert prune(folder, [23]) == 22
    assert saved(folder) == [23]
    assert len(list((folder / "segments").iterdir())) < many
    assert seen(Legs.open(folder, 23)) == last


def test_what_is_missing_or_damaged_is_refused(folder: Path) -> None:
    with pytest.raises(StoreError, match="no version 7"):
        Legs.open(folder, 7)
    with pytest.raises(StoreError, match="stemmer 'none', not 'english'"):
        Legs.open(folder, 1, LegsSpec(stemmer="english"))
    path = folder / "version-2.json"
    record = json.loads(path.read_text())
    damaged = [
        "",
        "[]",
        json.dumps({**record, "format": 99}),
        json.dumps({"format": 1}),
        json.dumps({**record, "segments": [{"name": "none", "dead": []}]}),
        json.dumps({**record, "segments": [{**record["segments"][0], "dead": [[0, 9999]]}]}),
        json.dumps({**record, "segments": [{**record["segments"][0], "dead": [[-5, 2]]}]}),
    ]
    for text in damaged:
        path.write_text(text)
        with pytest.raises(StoreError, match="damaged search index") as caught:
            Legs.open(folder, 2)
        assert caught.value.mend
    assert Legs.open(folder, 3).count


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        Legs.of([table(rows("doc01"))], SPEC).save(tmp_path / "file", 1)
    with pytest.raises(StoreError, match="cannot be written"):
        Legs.of([], SPEC).save(tmp_path / "file", 1)
