"""What is measured of a question's wording, for the tests of drift."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"\w+")

Floats = NDArray[np.float64]


def measure(reference: Sequence[str], questions: Sequence[str]) -> dict[str, tuple[Floats, Floats]]:
    """Every feature by name: its values for the reference and for the questions.

    Words unseen are counted for a question against the whole reference, and for a reference
    question against all the others, so that both sides are strangers to what they are held
    against: two samples of the same source differ in nothing but size.
    """
    found = {
        name: (_values(feature, reference), _values(feature, questions))
        for name, feature in _FEATURES.items()
    }
    seen = Counter(word for text in reference for word in set(_words(text)))
    found["share of words unseen"] = (
        np.array([_unseen(text, seen, 1) for text in reference], np.float64),
        np.array([_unseen(text, seen, 0) for text in questions], np.float64),
    )
    return found


def _values(feature: Callable[[str], float], texts: Sequence[str]) -> Floats:
    return np.array([feature(text) for text in texts], np.float64)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _unseen(text: str, seen: Counter[str], itself: int) -> float:
    words = _words(text)
    return sum(seen[word] <= itself for word in words) / max(len(words), 1)


def _share(text: str, test: Callable[[str], bool]) -> float:
    return sum(map(test, text)) / max(len(text), 1)


def _word_length(text: str) -> float:
    words = _words(text)
    return sum(map(len, words)) / max(len(words), 1)


def _is_mark(char: str) -> bool:
    return not char.isalnum() and not char.isspace()


_FEATURES: Mapping[str, Callable[[str], float]] = {
    "length in words": lambda text: float(len(_words(text))),
    "letters per word": _word_length,
    "share of punctuation": lambda text: _share(text, _is_mark),
    "share of digits": lambda text: _share(text, str.isdigit),
    "share of capitals": lambda text: _share(text, str.isupper),
    "share of letters not ASCII": lambda text: _share(text, lambda c: ord(c) > 127),
}
