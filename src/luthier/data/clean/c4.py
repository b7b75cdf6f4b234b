"""The C4 rules: lines of pages that are no sentences go, pages that are no prose are refused.

Source and limits: C. Raffel et al., *Exploring the Limits of Transfer Learning with a Unified
Text-to-Text Transformer*, JMLR 21, 2020, section 2.2.
"""

from __future__ import annotations

import functools
import re

from pydantic import Field

from luthier.core.spec import Spec
from luthier.data.clean.facts import Facts, Rows, Verdict

POLICY = (
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)
_ENDS = (".", "!", "?", '"', "'", "”", "’")
_CITATION = re.compile(r"\[(?:[0-9]{1,4}|edit|citation needed)\]")
_SENTENCE_END = re.compile(r"[.!?…。！？]+[\"'”’)\]]*(?=\s|$)")


class C4Spec(Spec):
    """Which of the C4 rules hold."""

    judges: Rows = "documents"
    """Which rows are judged. Lines are only taken out of documents."""
    terminal_punctuation: bool = True
    """Lines that don't end with a full stop, an exclamation or question mark or a quote go."""
    min_line_words: int = Field(default=3, ge=0)
    """Lines with fewer words go."""
    max_word_chars: int = Field(default=1000, ge=1)
    """Lines with a longer word go."""
    javascript: bool = True
    """Lines with the word JavaScript go."""
    policy: bool = True
    """Lines about terms of use, privacy policies and cookies go."""
    citations: bool = True
    """Marks such as ``[3]``, ``[edit]`` and ``[citation needed]`` go."""
    min_sentences: int = Field(default=5, ge=0)
    """A text with fewer sentences is refused; of documents, after the lines are gone."""
    curly_bracket: bool = True
    """A text with a curly bracket is refused: it is code."""
    lorem_ipsum: bool = True
    """A text with "lorem ipsum" is refused."""
    bad_words: tuple[str, ...] = ()
    """A text with one of these words or phrases is refused."""
    bad_words_file: str | None = None
    """A file with one such word or phrase a line, relative to the project file."""


def keep_c4_lines(text: str, spec: C4Spec) -> str:
    """The lines of a document that the C4 rules keep.

    Args:
        text: A document.
        spec: Which rules hold.
    """
    kept = []
    for line in text.split("\n"):
        line = _CITATION.sub("", line) if spec.citations and "[" in line else line
        if _stays(line.strip(), spec):
            kept.append(line)
    return "\n".join(kept)


def _stays(line: str, spec: C4Spec) -> bool:
    if not line:
        return True  # what is between paragraphs
    if spec.terminal_punctuation and (not line.endswith(_ENDS) or line.endswith("...")):
        return False
    words = line.split()
    if len(words) < spec.min_line_words or len(max(words, key=len)) > spec.max_word_chars:
        return False
    small = line.lower()
    if spec.javascript and "javascript" in small:
        return False
    return not (spec.policy and any(phrase in small for phrase in POLICY))


def check_c4(facts: Facts, spec: C4Spec) -> Verdict:
    """Whether a text passes the C4 rules of whole pages.

    Args:
        facts: The text; of a document, what ``keep_c4_lines`` left.
        spec: Which rules hold; the words of ``bad_words_file`` stand in ``bad_words``.
    """
    if spec.curly_bracket and ("{" in facts.text or "}" in facts.text):
        return "C4: curly bracket", ""
    if spec.lorem_ipsum and "lorem ipsum" in facts.lower:
        return "C4: lorem ipsum", ""
    if spec.bad_words and _any_of(spec.bad_words).search(facts.lower):
        return "C4: bad word", ""
    if (count := _sentences(facts)) < spec.min_sentences:
        return "C4: too few sentences", str(count)
    return None


def _sentences(facts: Facts) -> int:
    """Sentences by their marks; a line without any counts as one."""
    return sum(max(1, len(_SENTENCE_END.findall(x))) for x in facts.lines if x.strip())


@functools.cache
def _any_of(words: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted((w.lower() for w in words), key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")
