"""Word endings and guesses at the part of speech."""

from __future__ import annotations

import pytest

from luthier.data.augment._morphology import Ending, guess_parts, inflected, lemmas


@pytest.mark.parametrize(
    ("lemma", "ending", "form"),
    [
        ("card", "s", "cards"), ("box", "s", "boxes"), ("city", "s", "cities"),
        ("day", "s", "days"), ("child", "s", ""), ("move", "ed", "moved"),
        ("stop", "ed", "stopped"),
        ("carry", "ed", "carried"), ("play", "ed", "played"), ("go", "ed", ""),
        ("move", "ing", "moving"), ("stop", "ing", "stopping"), ("see", "ing", "seeing"),
        ("lie", "ing", "lying"), ("open", "ing", "opening"), ("fix", "ing", "fixing"),
        ("book", "", "book"), ("permit", "ed", "permitted"),
    ],
)  # fmt: skip
def test_forms(lemma: str, ending: Ending, form: str) -> None:
    assert inflected(lemma, ending) == form
    if form:
        assert (lemma, ending) in lemmas(form)


def test_words_that_only_look_inflected() -> None:
    assert lemmas("this") == [("this", "")]
    assert lemmas("boss") == [("boss", "")]
    assert ("br", "ing") not in lemmas("bring")
    assert ("childre", "s") not in lemmas("children")


@pytest.mark.parametrize(
    ("before", "word", "after", "parts"),
    [
        ("the", "order", "", ("noun",)),
        ("my", "last", "order", ("adj", "noun")),
        ("to", "order", "food", ("verb",)),
        ("", "order", "the", ("verb",)),
        ("is", "open", "", ("adj",)),
        ("is", "closing", "", ("adj", "verb")),
        ("go", "slowly", "", ("adv",)),
        ("about", "food", "order", ()),
    ],
)
def test_part_of_speech(before: str, word: str, after: str, parts: tuple[str, ...]) -> None:
    assert guess_parts(before, word, after) == parts
