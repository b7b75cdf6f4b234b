"""Words exchanged, dropped, split and merged."""

from __future__ import annotations

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
