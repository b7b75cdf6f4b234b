"""The word lists."""

from __future__ import annotations

from luthier.data.augment._word_lists import NEGATIONS, STOP_WORDS, common_words, word_set


def test_lists_are_lower_case_words_that_do_not_meet() -> None:
    assert word_set(" a  b\nb ") == {"a", "b"}
    assert {"not", "don't"} <= NEGATIONS
    assert {"the", "my", "please"} <= STOP_WORDS
    assert not NEGATIONS & STOP_WORDS
    assert all(w == w.lower() for w in NEGATIONS | STOP_WORDS)


def test_common_words_are_common() -> None:
    words = common_words()
    assert 6_000 < len(words) < 8_000
    assert {"week", "buy", "film", "large"} <= words
    assert not {"hebdomad", "notecase", "xanthous", "s", "#"} & words
    assert all(w.isalpha() and w.islower() and len(w) > 2 for w in words)
