"""The word lists."""

from __future__ import annotations

from luthier.data.augment._word_lists import NEGATIONS, STOP_WORDS, word_set


def test_lists_are_lower_case_words_that_do_not_meet() -> None:
    assert word_set(" a  b\nb ") == {"a", "b"}
    assert {"not", "don't"} <= NEGATIONS
    assert {"the", "my", "please"} <= STOP_WORDS
    assert not NEGATIONS & STOP_WORDS
    assert all(w == w.lower() for w in NEGATIONS | STOP_WORDS)
