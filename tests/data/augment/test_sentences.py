"""Sentences shuffled and dropped."""

from __future__ import annotations

from luthier.data.augment.sentences import SentencesAugmenter, reordered, sentences

TEXT = "My card is gone. Please block it! Was it used at 7.30 today? Thanks."


def test_sentences_are_found() -> None:
    assert [s for s, _ in sentences(TEXT)] == [
        "My card is gone.", "Please block it!", "Was it used at 7.30 today?", "Thanks.",
    ]  # fmt: skip
    assert sentences("one\ntwo `a. b` three") == [("one", False), ("two `a. b` three", True)]
    assert sentences("  ") == []


def test_shuffle_keeps_all_of_them() -> None:
    made = reordered(TEXT, SentencesAugmenter(edits=("shuffle",)), 4, 0)
    assert len(made) == 4
    expected = sorted(s for s, _ in sentences(TEXT))
    assert all(sorted(s for s, _ in sentences(one)) == expected for one in made)


def test_drop_never_drops_what_must_stay() -> None:
    made = reordered(TEXT, SentencesAugmenter(edits=("drop",), rate=0.5), 10, 0)
    assert made
    for one in made:
        assert "Was it used at 7.30 today?" in one
        assert len(sentences(one)) == 2
    assert reordered("pay 5. pay 6.", SentencesAugmenter(edits=("drop",)), 3, 0) == []


def test_one_sentence_yields_nothing() -> None:
    assert reordered("only one.", SentencesAugmenter(), 3, 0) == []
