"""Synonyms from a thesaurus file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from luthier.core.errors import DataError, ResourceError
from luthier.data.augment._pieces import pieces
from luthier.data.augment.synonyms import (
    Meaning,
    SynonymsAugmenter,
    near_only,
    read_thesaurus,
    synonyms_at,
    usable_words,
    vocabulary,
    with_synonyms,
)

FILE = """UTF-8
card|2
(noun)|ticket|paper (generic term)|playing card
(noun)|menu|Big Card
big|1
(adj)|large|vast (similar term)|little (antonym)
order|2
(noun)|command
(verb)|request|go (related term)
stop|1
(verb)|halt|cut
"""
SPEC = SynonymsAugmenter(rate=1.0, mutual=False)
USABLE = {"ticket", "menu", "large", "vast", "command", "request", "halt", "cut"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "th.dat").write_text(FILE, encoding="utf-8")
    return tmp_path / "th.dat"


def test_only_what_is_wanted_is_read(path: Path) -> None:
    assert read_thesaurus(path, {"big", "card"}) == {
        "card": [Meaning("noun", ("ticket",)), Meaning("noun", ("menu",))],
        "big": [Meaning("adj", ("large",))],
    }
    assert read_thesaurus(path, {"big"}, True) == {"big": [Meaning("adj", ("large", "vast"))]}


@pytest.mark.parametrize(
    ("text", "word", "expected"),
    [
        ("my card please", "card", ["ticket"]),
        ("two cards", "cards", ["tickets"]),
        ("to order food", "order", ["request"]),
        ("the order", "order", ["command"]),
        ("it stopped", "stopped", ["halted"]),  # the past of cut is irregular
        ("stopping it", "stopping", ["halting", "cutting"]),
        ("the not", "the", []),
    ],
)
def test_part_and_ending(path: Path, text: str, word: str, expected: list[str]) -> None:
    thesaurus = read_thesaurus(path, vocabulary([text]))
    cut = pieces(text)
    place = next(i for i, p in enumerate(cut) if p.text == word)
    assert synonyms_at(cut, place, SPEC, thesaurus, USABLE) == expected


def test_more_meanings(path: Path) -> None:
    thesaurus = read_thesaurus(path, {"card"})
    spec = SynonymsAugmenter(meanings=2, mutual=False)
    assert synonyms_at(pieces("my card"), 2, spec, thesaurus, USABLE) == ["ticket", "menu"]


def test_texts_keep_their_case_and_spans(path: Path) -> None:
    text = 'Order my big Card "big card" 5'
    thesaurus = read_thesaurus(path, vocabulary([text]))
    made = with_synonyms(text, SPEC, thesaurus, USABLE, 3, 0)
    assert made == ['Request my large Card "big card" 5']
    assert with_synonyms("hello you", SPEC, thesaurus, USABLE, 3, 0) == []


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="mythes-en-us"):
        read_thesaurus(tmp_path / "none.dat", {"a"})
    for content in ("UTF-8\ncard|x\n", "UTF-8\ncard|3\n(noun)|a\n", "no such code\na|0\n"):
        (tmp_path / "bad.dat").write_text(content)
        with pytest.raises(DataError, match="MyThes"):
            read_thesaurus(tmp_path / "bad.dat", {"card"})


def test_the_thesaurus_of_debian() -> None:
    path = Path(SynonymsAugmenter().path)
    if not path.is_file():
        pytest.skip("SKIPPED, NOT TESTED: apt install mythes-en-us")
    found = read_thesaurus(path, {"big", "movie"})
    assert "film" in found["movie"][0].words
    assert found["big"][0] == Meaning("adj", ("large",))


STRICT = SynonymsAugmenter(rate=1.0)
RARE = """UTF-8
week|1
(noun)|hebdomad
second|1
(noun)|s|sec
cost|2
(noun)|outgo (generic term)
(noun)|price
price|1
(noun)|cost
movie|1
(noun)|film|flick
film|1
(noun)|movie
flick|2
(noun)|touch
(noun)|movie
store|2
(noun)|shop
(verb)|keep
shop|1
(noun)|store
finish|1
(noun)|finishing
finishing|1
(noun)|finish
"""


def _texts(path: Path, text: str, **more: Any) -> list[str]:
    path.write_text(RARE, encoding="utf-8")
    usable = usable_words(STRICT, path.parent, [])
    thesaurus = read_thesaurus(path, vocabulary([text]) | usable)
    return with_synonyms(text, STRICT, thesaurus, usable, 5, 0, **more)


def test_rare_words_abbreviations_and_other_meanings_are_not_used(path: Path) -> None:
    assert _texts(path, "my weeks") == []  # hebdomads
    assert _texts(path, "the second") == []  # a number word
    assert _texts(path, "two seconds") == []  # no abbreviations
    assert _texts(path, "my cost") == []  # its first meaning has no synonym
    assert _texts(path, "a finish") == []  # inflected already
    assert _texts(path, "my movie") == ["my film"]  # a flick is first of all a touch


def test_a_part_of_speech_that_nothing_tells_is_not_guessed(path: Path) -> None:
    assert _texts(path, "my store") == ["my shop"]
    assert _texts(path, "red store blue") == []  # noun or verb


def test_without_an_encoder_words_of_several_meanings_stay(path: Path) -> None:
    two = RARE.replace("film|1\n(noun)|movie\n", "film|2\n(noun)|movie\n(noun)|cover\n")
    path.write_text(two, encoding="utf-8")
    usable = usable_words(STRICT, path.parent, [])
    thesaurus = read_thesaurus(path, vocabulary(["my film"]) | usable)
    assert with_synonyms("my film", STRICT, thesaurus, usable, 5, 0) == ["my movie"]
    assert with_synonyms("my film", STRICT, thesaurus, usable, 5, 0, checked=False) == []


def test_words_of_the_rows_and_of_a_list_are_usable(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("Hebdomad 12\n\n", encoding="utf-8")
    spec = SynonymsAugmenter(word_list="list.txt")
    said = ["zarfs and a zarf", "a quipu"]
    assert usable_words(spec, tmp_path, said) >= {"hebdomad"}
    assert "quipu" not in usable_words(spec, tmp_path, said)  # stands there once
    assert "zarf" in usable_words(spec, tmp_path, [*said, "zarf"])
    assert {"film", "buy"} <= usable_words(SynonymsAugmenter(), tmp_path, [])
    with pytest.raises(DataError, match="cannot read these words"):
        usable_words(SynonymsAugmenter(word_list="none.txt"), tmp_path, [])


def test_synonyms_that_the_encoder_finds_unlike_are_not_used() -> None:
    thesaurus = {
        "movie": [Meaning("noun", ("film", "flick"))],
        "film": [Meaning("noun", ("movie",))],
        "flick": [Meaning("noun", ("movie",))],
    }

    def encode(texts: Sequence[str]) -> Any:
        table = {"movie": (1, 0), "film": (0.8, 0.6), "flick": (0, 1)}
        return np.array([table[t] for t in texts], np.float32)

    found = near_only(thesaurus, {"movie"}, {"film", "flick"}, encode, STRICT)
    assert found["movie"] == [Meaning("noun", ("film",))]
    assert found["flick"] == thesaurus["flick"]
    assert near_only(thesaurus, {"none"}, {"film"}, encode, STRICT) == thesaurus
