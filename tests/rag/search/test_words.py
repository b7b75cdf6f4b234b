"""Words are the same whether C or Python reads them."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pyarrow as pa
import pytest
from hypothesis import given, strategies as st
from searching import BOTH, switched

from luthier.core.errors import ResourceError
from luthier.rag.search import words as module
from luthier.rag.search.words import WordReader, folded, stem, stemmed, weighed, words


@pytest.fixture(params=BOTH)
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from switched(request.param, monkeypatch)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The CAT's 2 hats, snake_case!", ["the", "cat", "s", "2", "hats", "snake", "case"]),
        ("Größe ÉTÉ ΟΔΟΣ İstanbul", ["größe", "été", "οδοσ", "istanbul"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),  # vowel signs are part of a word
        ("cafe\u0301 x", ["cafe\u0301", "x"]),
        ("東京 2020", ["東京", "2020"]),
        ("\U0001f600 a\x00b \u2019", ["a", "b"]),
        ("", []),
    ],
)
def test_words_are_runs_of_letters_digits_and_marks(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def read(pairs: list[tuple[str, str]]) -> list[list[str]]:
    reader = WordReader()
    titles, texts = (pa.array([p[i] for p in pairs], pa.string()) for i in (0, 1))
    half = len(pairs) // 2
    for piece in (slice(0, half), slice(half, len(pairs))):
        if len(titles[piece]):
            reader.add(titles[piece], texts[piece])
    names = [name.decode() for name in reader.names().to_pylist()]
    assert len(set(names)) == len(names)
    left = iter(reader.tokens().tolist())
    lengths = [n for piece in reader.lengths for n in piece.tolist()]
    return [[names[next(left)] for _ in range(n)] for n in lengths]


TEXTS = st.text(st.characters(codec="utf-8"), max_size=60) | st.text("abAB é_ß\u0301 ", max_size=90)


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=8))
def test_a_reader_reads_the_same_words(pairs: list[tuple[str, str]]) -> None:
    assert read(pairs) == [[*words(title), *words(text)] for title, text in pairs]


@pytest.mark.usefixtures("kernels")
def test_many_and_long_words_are_told_apart() -> None:
    many = [f"{'x' * (i % 40)}{i}" for i in range(20_000)]
    long = ["y" * n for n in range(1, 70)] + ["z" * 16 + c for c in "abc"] + ["q" * 100_000]
    assert read([(" ".join(many), " ".join(long)), ("", " ".join(many))]) == [many + long, many]


def test_a_stemmer_brings_forms_together() -> None:
    pytest.importorskip("Stemmer")
    assert len({stem(w, "english") for w in ("connect", "connected", "connections")}) == 1
    assert stem("häuser", "german") == stem("hauses", "german") == b"haus"
    assert stem("x" * 100 + "ing", "english") == b"x" * 100 + b"ing"  # no word of a language
    assert stem("connected", "none") == b"connected"
    column = pa.array([b"cats", b"cat", "naïvely".encode()], pa.large_binary())
    assert stemmed(column, "english").to_pylist() == [b"cat", b"cat", "naïv".encode()]


def test_without_the_stemmer_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    module._stemmer.cache_clear()
    monkeypatch.setitem(sys.modules, "Stemmer", None)
    with pytest.raises(ResourceError, match="PyStemmer"):
        stem("a word nobody has", "english")
    module._stemmer.cache_clear()


def test_every_character_stands_for_one_or_for_none() -> None:
    assert folded(ord("A")) == ord("a")
    assert folded(ord("_")) == folded(ord(" ")) == folded(0) == 0
    assert folded(0x130) == ord("i")  # its lower case is two characters


def test_words_of_a_query_are_weighed_in_all_three_ways_of_asking() -> None:
    once = {b"bee": 2.0, b"hive": 1.0}
    assert weighed("Bees, bee; hive", "english") == once
    assert weighed(["Bees", "bee hive"], "english") == once
    left_out = {"bees": 2.0, "hive": 1.0, "wax": 0.0, "pollen": -1.0}
    assert weighed(left_out, "english") == once
    assert weighed("", "none") == {}
