"""Sentences shuffled and dropped."""

from __future__ import annotations

from luthier.data.augment.sentences import (
    SentencesAugmenter,
    question_at,
    reordered,
    sentences,
)

TEXT = "My card is gone. Please block it! Was it used at 7.30 today? Thanks."


def test_sentences_are_found() -> None:
    assert [s for s, _ in sentences(TEXT)] == [
        "My card is gone.", "Please block it!", "Was it used at 7.30 today?", "Thanks.",
    ]  # fmt: skip
    assert sentences("so\ntwo `a. b` three") == [("so", False), ("two `a. b` three", True)]
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


def test_the_question_is_never_dropped() -> None:
    asked = "He lost some. So how many valuable files was he left with? Thanks a lot."
    made = reordered(asked, SentencesAugmenter(edits=("drop",), rate=0.9), 9, 0)
    assert made == ["So how many valuable files was he left with?"]
    facts = "He has seven files. He sits down. What is left?"
    made = reordered(facts, SentencesAugmenter(edits=("drop",)), 9, 0)
    assert made == ["He has seven files. What is left?"]


STORY = (
    "Dr. Maya Patel sold 12 cards in the U.S. last week. Tom made 3 cakes at 2.5 dollars each. "
    "He ate one of them. How much money did Maya and Tom earn?"
)


def test_abbreviations_and_decimals_do_not_end_sentences() -> None:
    assert [s for s, _ in sentences(STORY)] == [
        "Dr. Maya Patel sold 12 cards in the U.S. last week.",
        "Tom made 3 cakes at 2.5 dollars each.", "He ate one of them.",
        "How much money did Maya and Tom earn?",
    ]  # fmt: skip


def test_rows_without_a_label_lose_nothing_and_keep_their_thread() -> None:
    spec = SentencesAugmenter(rate=0.9)
    first, second, third, asked = (s for s, _ in sentences(STORY))
    for seed in range(10):
        made = reordered(STORY, spec, 3, seed, labelled=False)
        assert made in ([], [f"{second} {first} {third} {asked}"])
    dropping = SentencesAugmenter(edits=("drop",), drop_unlabelled=True)
    text = "Tom is tall. Ann is small. Who is the taller?"
    made = reordered(text, dropping, 3, 0, labelled=False)
    assert made
    assert all(one.endswith("Who is the taller?") for one in made)
    assert reordered(text, SentencesAugmenter(edits=("drop",)), 3, 0, labelled=False) == []


def test_sentences_that_lean_on_each_other_stay_in_order() -> None:
    spec = SentencesAugmenter()
    for text in (
        "A chest lay there. The chest was green. Who found what?",
        "Ben has cows. He also has goats. What has he?",
        "Alan lost half of his. Ben slept. Who lost more?",
    ):
        assert reordered(text, spec, 3, 0, labelled=False) == []


def test_which_sentence_asks() -> None:
    assert question_at(["Why?", "Tell me."]) == 0
    assert question_at(["Sit.", "Tell me."]) == 1
    assert question_at([]) == -1
