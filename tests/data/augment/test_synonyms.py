"""Synonyms from a thesaurus file."""

from __future__ import annotations

from pathlib import Path

import pytest

from luthier.core.errors import DataError, ResourceError
from luthier.data.augment._pieces import pieces
from luthier.data.augment.synonyms import (
    Meaning,
    SynonymsAugmenter,
    read_thesaurus,
    synonyms_at,
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
SPEC = SynonymsAugmenter(rate=1.0)


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
    assert synonyms_at(cut, place, SPEC, thesaurus) == expected


def test_more_meanings(path: Path) -> None:
    thesaurus = read_thesaurus(path, {"card"})
    spec = SynonymsAugmenter(meanings=2)
    assert synonyms_at(pieces("my card"), 2, spec, thesaurus) == ["ticket", "menu"]


def test_texts_keep_their_case_and_spans(path: Path) -> None:
    text = 'Order my big Card "big card" 5'
    thesaurus = read_thesaurus(path, vocabulary([text]))
    made = with_synonyms(text, SPEC, thesaurus, 3, 0)
    assert made == ['Request my large Card "big card" 5']
    assert with_synonyms("hello you", SPEC, thesaurus, 3, 0) == []


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
    found = read_thesaurus(path, {"big", "account"})
    assert found["account"][0].words == ("report",)
    assert found["big"][0] == Meaning("adj", ("large",))
