"""Words exchanged, dropped, split and merged."""

from __future__ import annotations

import time

from luthier.data.augment.words import WordsAugmenter, disturbed

TEXT = "please send 5 dollars to the savings account"


def test_swap_keeps_all_words() -> None:
    for made in disturbed(TEXT, WordsAugmenter(edits=("swap",), rate=0.3), 5, 0):
        assert sorted(made.split()) == sorted(TEXT.split())
        assert made.split().index("5") == 2  # a kept span stays in its place


def test_delete_drops_words_and_their_space() -> None:
    many = disturbed(TEXT, WordsAugmenter(edits=("delete",), rate=0.3), 5, 0)
    assert len(many) == 5
    for made in many:
        assert len(made.split()) == 6
        assert "  " not in made
        assert made == made.strip()
        assert "5" in made.split()
    assert disturbed("hello", WordsAugmenter(edits=("delete",)), 1, 0) == []
    assert disturbed("go, now", WordsAugmenter(edits=("delete",)), 2, 0) == ["now", "go"]


def test_split_and_merge_keep_all_letters() -> None:
    for edit, words in (("split", 9), ("merge", 7)):
        made = disturbed(TEXT, WordsAugmenter(edits=(edit,)), 3, 0)  # type: ignore[arg-type]
        assert made
        for one in made:
            assert one.replace(" ", "") == TEXT.replace(" ", "")
            assert len(one.split()) == words


def test_nothing_is_made_from_nothing() -> None:
    assert disturbed("", WordsAugmenter(), 2, 0) == []
    assert disturbed("5 + 6", WordsAugmenter(), 2, 0) == []


def test_seed_decides() -> None:
    spec = WordsAugmenter()
    assert disturbed(TEXT, spec, 3, 1) == disturbed(TEXT, spec, 3, 1) != disturbed(TEXT, spec, 3, 2)


TWO = "we sold big red hats. please count my small blue socks."


def test_swaps_stay_within_a_sentence() -> None:
    made = disturbed(TWO, WordsAugmenter(edits=("swap",), rate=0.5), 20, 0)
    assert len(made) == 20
    for one in made:
        first, second, _ = one.split(".")
        assert sorted(first.split()) == ["big", "hats", "red", "sold", "we"]
        assert len(second.split()) == 6


def test_rows_without_a_label_are_disturbed_with_care() -> None:
    text = "Ann sold the hats at $2 a piece to really old men"
    spec = WordsAugmenter(edits=("delete",), rate=0.9)
    assert disturbed(text, spec, 1, 0, labelled=False) == ["Ann sold hats at $2 a piece to old men"]
    for one in disturbed(text, WordsAugmenter(edits=("swap",)), 9, 0, labelled=False):
        moved = [
            i for i, (a, b) in enumerate(zip(text.split(), one.split(), strict=True)) if a != b
        ]
        assert len(moved) == 2
        assert moved[1] == moved[0] + 1
    assert disturbed("men fish", WordsAugmenter(edits=("delete",)), 1, 0, labelled=False) == []


def test_swapping_in_long_texts_is_quick() -> None:
    started = time.process_time()
    assert disturbed("word other " * 20_000, WordsAugmenter(edits=("swap",)), 1, 0)
    assert time.process_time() - started < 5
