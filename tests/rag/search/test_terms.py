"""Words of a version, grown by changes, are those of a version counted anew."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pytest
from stored_rows import passages_of, table

from luthier.core.errors import StoreError
from luthier.core.records import EVERYONE, Passage
from luthier.rag.search.terms import COLUMNS, Terms, read_terms
from luthier.rag.search.words import words


def batches(passages: list[Passage]) -> list[pa.RecordBatch]:
    return list(table(passages).select(COLUMNS).to_batches()) if passages else []


def counted(passages: list[Passage]) -> dict[str, int]:
    made: dict[str, int] = {}
    for one in passages:
        for word in set(words(f"{one.title} {one.text}")):
            made[word] = made.get(word, 0) + 1
    return made


def test_words_grown_by_changes_are_those_counted_anew(tmp_path: Path) -> None:
    chance = random.Random(0)
    held = {f"d{n}": passages_of(f"d{n}", chance, word=f"only{n}") for n in range(20)}
    terms = Terms().changed("none", batches([p for one in held.values() for p in one]))
    for turn in range(6):
        name = f"d{turn * 3}"
        went, held[name] = held[name], passages_of(name, chance, word=f"new{turn}")
        gone = held.pop(f"d{turn * 3 + 1}")
        terms = terms.changed("none", batches(held[name]), batches([*went, *gone]))
    now = [p for one in held.values() for p in one]
    path = tmp_path / "search" / "terms.bin"
    terms.write(path)
    for made in (terms, read_terms(path)):
        whole = counted(now)
        assert made.rows == len(now)
        assert len(made.stems) == len(whole)
        assert made.found_in([w.encode() for w in whole]) == list(whole.values())
        seen = [p for p in now if EVERYONE in p.access]
        assert (made.open_rows, made.open_words()) == (len(seen), counted(seen))
        assert made.found_in([b"only1", b"only0", b""]) == [0, 0, 0]


def test_words_are_stemmed_and_an_empty_version_has_none() -> None:
    text = Passage("a#0", "a", "", "running runs", "o", 0, 12, access=("ann",))
    terms = Terms().changed("english", batches([text]))
    assert terms.found_in([b"run", b"running"]) == [1, 0]
    assert (terms.open_rows, terms.open_words()) == (0, {})
    none = terms.changed("english", (), batches([text]))
    assert (none.rows, none.found_in([b"run"])) == (0, [0])


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "terms.bin"
    with pytest.raises(StoreError):
        read_terms(path)
    Terms().changed("none", batches(passages_of("a", random.Random(1)))).write(path)
    held = bytearray(path.read_bytes())
    place = held.index(b"stem_ends")
    whole = bytes(held)
    held[place : place + 9] = b"word_rows"
    path.write_bytes(held)
    with pytest.raises(StoreError):
        read_terms(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StoreError):
        read_terms(path)
