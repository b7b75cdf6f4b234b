"""The Gopher repetition rules: does a text say the same things again and again?

Source and limits: J. Rae et al., *Scaling Language Models: Methods, Analysis & Insights from
Training Gopher*, 2021, appendix A1.1, "Repetition Removal", table A1. Where the paper leaves it
open: a repeat is an occurrence after the first; characters are those of words, without white
space; a phrase that occurs once is no repetition, however short the text.
"""

from __future__ import annotations

from collections import Counter
from itertools import islice

from pydantic import Field

from luthier.core.spec import Spec
from luthier.data.clean.facts import Facts, Rows, Verdict


class GopherRepetitionSpec(Spec):
    """Limits of the Gopher repetition rules: largest shares, 0 to 1; 1 switches a rule off."""

    judges: Rows = "documents"
    """Which rows are judged; they are made for whole pages, not for questions and answers."""
    lines: float = Field(default=0.30, ge=0.0, le=1.0)
    """Lines that are repeats, of all lines."""
    paragraphs: float = Field(default=0.30, ge=0.0, le=1.0)
    """Paragraphs that are repeats, of all paragraphs."""
    line_chars: float = Field(default=0.20, ge=0.0, le=1.0)
    """Characters in repeated lines, of all."""
    paragraph_chars: float = Field(default=0.20, ge=0.0, le=1.0)
    """Characters in repeated paragraphs, of all."""
    top_ngrams: tuple[float, float, float] = (0.20, 0.18, 0.16)
    """Characters in the most frequent phrase of 2, 3 and 4 words, of all."""
    repeated_ngrams: tuple[float, float, float, float, float, float] = (
        0.15,
        0.14,
        0.13,
        0.12,
        0.11,
        0.10,
    )
    """Characters in repeated phrases of 5, 6, 7, 8, 9 and 10 words, of all."""


def check_gopher_repetition(facts: Facts, spec: GopherRepetitionSpec) -> Verdict:
    """Whether a text passes the Gopher repetition rules.

    Args:
        facts: The text.
        spec: Limits.
    """
    if len(facts.words) < 2:
        return None
    if "\n" in facts.text:
        lines = [stripped for line in facts.lines if (stripped := line.strip())]
        verdict = _units(lines, "lines", spec.lines, spec.line_chars)
        if verdict is None and "\n\n" in facts.text:
            blocks = [" ".join(b.split()) for b in facts.text.split("\n\n") if b.strip()]
            verdict = _units(blocks, "paragraphs", spec.paragraphs, spec.paragraph_chars)
        if verdict is not None:
            return verdict
    return _phrases(facts, spec)


def _units(units: list[str], name: str, share: float, char_share: float) -> Verdict:
    counts = Counter(units)
    repeats = len(units) - len(counts)
    if not repeats:
        return None
    if repeats > share * len(units):
        return f"Gopher: repeated {name}", f"{repeats} of {len(units)}"
    total = sum(map(len, units))
    chars = total - sum(map(len, counts))
    if chars > char_share * total:
        return f"Gopher: characters in repeated {name}", f"{chars} of {total}"
    return None


def _phrases(facts: Facts, spec: GopherRepetitionSpec) -> Verdict:
    """The rules of phrases; pairs of words alone clear most texts of all nine.

    A phrase of 3 or 4 words is made of pairs that occur at least as often, so its characters are
    at most twice those of the heaviest pair; what repeated phrases of 5 or more words cover is
    covered by repeated pairs, and what those of 6 words cover also by those of 5, and so on.
    """
    words, total = facts.words, facts.characters
    pairs = Counter(zip(words, islice(words, 1, None), strict=False))
    heaviest = covered = 0
    for (one, other), count in pairs.items():
        if count > 1:
            chars = len(one) + len(other)
            heaviest = max(heaviest, count * chars)
            covered += (count - 1) * chars
    if 2 * heaviest > min(spec.top_ngrams) * total:
        for size, limit in enumerate(spec.top_ngrams, start=2):
            if (chars := top_ngram_chars(words, size)) > limit * total:
                return f"Gopher: a phrase of {size} words too often", f"{chars} of {total}"
    if covered > min(spec.repeated_ngrams) * total:
        for size, limit in enumerate(spec.repeated_ngrams, start=5):
            if (chars := repeated_ngram_chars(words, size)) > limit * total:
                return f"Gopher: repeated phrases of {size} words", f"{chars} of {total}"
            if chars <= min(spec.repeated_ngrams) * total:
                break
    return None


def top_ngram_chars(words: list[str], size: int) -> int:
    """Characters in the most frequent phrase, all its occurrences; 0 if none occurs twice.

    Args:
        words: The words of a text.
        size: Words in a phrase. Of equally frequent phrases the longest counts.
    """
    counts = Counter(zip(*(islice(words, start, None) for start in range(size)), strict=False))
    most = max(counts.values(), default=0)
    if most < 2:
        return 0
    return most * max(sum(map(len, phrase)) for phrase, n in counts.items() if n == most)


def repeated_ngram_chars(words: list[str], size: int) -> int:
    """Characters of the words that stand in a repeated phrase, each word counted once.

    Args:
        words: The words of a text.
        size: Words in a phrase.
    """
    seen: set[tuple[str, ...]] = set()
    chars = end = 0
    phrases = zip(*(islice(words, start, None) for start in range(size)), strict=False)
    for place, phrase in enumerate(phrases):
        if phrase in seen:
            chars += sum(map(len, words[max(place, end) : place + size]))
            end = place + size
        else:
            seen.add(phrase)
    return chars
