"""The Gopher quality rules: does a text read like prose?

Source and limits: J. Rae et al., *Scaling Language Models: Methods, Analysis & Insights from
Training Gopher*, 2021, appendix A1.1, "Quality Filtering". They are made for English web pages.
"""

from __future__ import annotations

from pydantic import Field

from luthier.core.spec import Spec
from luthier.data.clean.facts import Facts, Rows, Verdict

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
_BULLETS = ("•", "●", "‣", "◦", "▪", "- ", "* ", "+ ")


class GopherQualitySpec(Spec):
    """Limits of the Gopher quality rules; null switches a rule off."""

    judges: Rows = "documents"
    """Which rows are judged; they are made for whole pages, not for questions and answers."""
    min_words: int | None = Field(default=50, ge=1)
    """Fewest words."""
    max_words: int | None = Field(default=100_000, ge=1)
    """Most words."""
    min_mean_word_chars: float | None = Field(default=3.0, gt=0.0)
    """Least mean length of words, in characters."""
    max_mean_word_chars: float | None = Field(default=10.0, gt=0.0)
    """Greatest mean length of words, in characters."""
    max_symbols_per_word: float | None = Field(default=0.1, ge=0.0)
    """Most hash signs per word, and most ellipses per word."""
    max_bullet_lines: float | None = Field(default=0.9, ge=0.0, le=1.0)
    """Largest share of lines that start with a bullet."""
    max_ellipsis_lines: float | None = Field(default=0.3, ge=0.0, le=1.0)
    """Largest share of lines that end with an ellipsis."""
    min_alphabetic_words: float | None = Field(default=0.8, ge=0.0, le=1.0)
    """Least share of words with at least one letter."""
    min_stop_words: int | None = Field(default=2, ge=1)
    """At least so many different ones of ``stop_words`` must stand in the text."""
    stop_words: tuple[str, ...] = STOP_WORDS
    """The words meant; name those of your language."""


def check_gopher_quality(facts: Facts, spec: GopherQualitySpec) -> Verdict:
    """Whether a text passes the Gopher quality rules.

    Args:
        facts: The text.
        spec: Limits.
    """
    count = len(facts.words)
    if count < (spec.min_words or 0):
        return "Gopher: too few words", str(count)
    if spec.max_words is not None and count > spec.max_words:
        return "Gopher: too many words", str(count)
    if not count:
        return None
    mean = facts.characters / count
    if spec.min_mean_word_chars is not None and mean < spec.min_mean_word_chars:
        return "Gopher: words too short", f"{mean:.2f} characters"
    if spec.max_mean_word_chars is not None and mean > spec.max_mean_word_chars:
        return "Gopher: words too long", f"{mean:.2f} characters"
    return _symbols(facts, spec) or _lines(facts, spec) or _words(facts, spec)


def _symbols(facts: Facts, spec: GopherQualitySpec) -> Verdict:
    if spec.max_symbols_per_word is None:
        return None
    most = spec.max_symbols_per_word * len(facts.words)
    if (hashes := facts.text.count("#")) > most:
        return "Gopher: too many hash signs", str(hashes)
    ellipses = facts.text.count("...") + facts.text.count("…")
    return ("Gopher: too many ellipses", str(ellipses)) if ellipses > most else None


def _lines(facts: Facts, spec: GopherQualitySpec) -> Verdict:
    lines = [stripped for line in facts.lines if (stripped := line.strip())]
    bullets = sum(line.startswith(_BULLETS) for line in lines)
    if spec.max_bullet_lines is not None and bullets > spec.max_bullet_lines * len(lines):
        return "Gopher: too many bullet lines", f"{bullets} of {len(lines)}"
    ends = sum(line.endswith(("...", "…")) for line in lines)
    if spec.max_ellipsis_lines is not None and ends > spec.max_ellipsis_lines * len(lines):
        return "Gopher: too many lines end with an ellipsis", f"{ends} of {len(lines)}"
    return None


def _words(facts: Facts, spec: GopherQualitySpec) -> Verdict:
    least = (spec.min_alphabetic_words or 0.0) * len(facts.words)
    if sum(map(str.isalpha, facts.words)) < least:  # punctuation stands at words: look closer
        lettered = sum(any(map(str.isalpha, word)) for word in facts.words)
        if lettered < least:
            return "Gopher: too few words with letters", f"{lettered} of {len(facts.words)}"
    if spec.min_stop_words is not None:
        common = len(set(spec.stop_words).intersection(facts.words))
        if common < spec.min_stop_words:
            return "Gopher: too few stop words", str(common)
    return None
