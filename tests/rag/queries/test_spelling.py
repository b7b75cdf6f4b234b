"""Unknown words are mended by the corpus, and only they."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from luthier.core.errors import ModelError
from luthier.rag.queries.spelling import (
    Mended,
    Speller,
    SpellingSpec,
    _distance,
    whole_words,
)

WORDS = {
    "receive": 120,
    "relieve": 3,
    "capital": 50,
    "capitol": 2,
    "photosynthesis": 7,
    "protein": 900,
    "proteins": 400,
    "kawann": 2,
    "panther": 5,
    "the": 5000,
    "of": 5000,
    "rarity": 1,
    "straße": 4,
}
SPELLER = Speller(WORDS)


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("recieve the protien", "receive the protein"),  # swaps
        ("photosinthesys of capitl", "photosynthesis of capital"),  # two edits, one edit
        ("Kawnn and CAPITTAL and Protien", "Kawann and CAPITAL and Protein"),  # its case
        ("the protien's capitl?", "the protein's capital?"),
        ("strasse", "strasse"),  # two edits away, too short for two
        ("straßee", "straße"),
    ],
)
def test_unknown_words_are_mended(asked: str, wanted: str) -> None:
    mended, made = SPELLER.mend(asked)
    assert mended == wanted
    assert bool(made) == (asked != wanted)


@pytest.mark.parametrize(
    "asked",
    [
        "capitol",  # known, though a neighbour is more frequent
        "rarity",  # known, though too rare to mend others
        "PRotien proTien",  # neither a word nor shouted
        "teh",  # short
        "protien_1 protien2 lib.protien protien() Protien/x proTien",  # names of code
        'the "protien" of `protien`',  # quoted
        "protien-7",
        "ABCDE",
        "東京大学東京大学",
        "hippopotamus",
        "",
    ],
)
def test_everything_else_stays(asked: str) -> None:
    assert SPELLER.mend(asked) == (asked, [])


def test_what_was_done_is_told() -> None:
    assert SPELLER.mend("Recieve it")[1] == [Mended("Recieve", "Receive", 120)]


def test_the_nearer_word_wins_over_the_more_frequent() -> None:
    speller = Speller({"marine": 5, "machine": 500})
    assert speller.mend("marinee")[0] == "marine"
    assert Speller({"tests": 5, "texts": 50}).mend("tezts")[0] == "texts"


def test_no_term_of_passages_that_the_viewer_may_not_see() -> None:
    open_words = {"capital": 50}
    seen = SPELLER.mend("protien capitl", lambda word: open_words.get(word, 0))
    assert seen == ("protien capital", [Mended("capitl", "capital", 50)])


def test_a_rare_word_mends_only_if_it_may() -> None:
    assert SPELLER.mend("rarety")[0] == "rarity"
    assert Speller(WORDS, SpellingSpec(least_passages=2)).mend("rarety")[0] == "rarety"


def test_a_word_that_only_the_corpus_lacks_stays(tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    vocab = {"[PAD]": 0, "protien": 1, "##capitl": 2, "of": 3}
    file.write_text(json.dumps({"model": {"type": "WordPiece", "vocab": vocab}}))
    known = whole_words(file)
    assert known == {"protien"}
    assert SPELLER.mend("protien capitl", None, known.__contains__)[0] == "protien capital"
    file.write_text(json.dumps({"model": {"type": "BPE", "vocab": vocab}}))
    assert whole_words(file) == frozenset()
    file.write_text("{")
    with pytest.raises(ModelError, match="cannot read"):
        whole_words(file)


def test_words_known_to_the_viewer_stay() -> None:
    assert SPELLER.mend("capitl", lambda word: 1 if word == "capitl" else 9)[1] == []


def test_settings_decide_what_is_mended() -> None:
    strict = Speller(WORDS, SpellingSpec(one_edit_from=10, two_edits_from=20, least_passages=8))
    assert strict.mend("recieve protien photosinthesis")[1] == []
    assert Speller({}).mend("anything goes") == ("anything goes", [])


def test_a_pasted_text_is_left_alone() -> None:
    pasted = "protien " * 101
    assert SPELLER.mend(pasted) == (pasted, [])


@given(st.text("abc", max_size=7), st.text("abc", max_size=7))
def test_the_distance_is_that_of_the_plain_recurrence(a: str, b: str) -> None:
    rows = [
        [max(i, j) if not (i and j) else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)
    ]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            swap = i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]
            rows[i][j] = min(
                rows[i - 1][j] + 1,
                rows[i][j - 1] + 1,
                rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]),
                *([rows[i - 2][j - 2] + 1] if swap else []),
            )
    assert _distance(a, b, 2) == min(rows[-1][-1], 3)


def test_every_word_within_reach_is_found() -> None:
    draw = random.Random(0)
    letters = "abcdefgh"
    terms = {"".join(draw.choices(letters, k=draw.randint(6, 16))): 2 for _ in range(400)}
    speller = Speller(terms)
    for term in terms:
        for edits in (1, 2):
            word = term
            for _ in range(edits):
                at = draw.randrange(1, len(word))
                word = draw.choice((word[:at] + word[at + 1 :], word[:at] + "h" + word[at:]))
            allowed = 2 if len(word) >= 8 else 1
            near = {one for one in terms if _distance(word, one, allowed) <= allowed}
            assert near <= set(speller._near(word, allowed))
