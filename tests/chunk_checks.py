"""What every chunker must keep to, tokenizers of different habits, and texts of every kind."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hypothesis import strategies as st

from luthier.core.records import Document, Passage
from luthier.rag.chunkers._measure import TokenOffsets


def word_offsets(text: str) -> list[tuple[int, int]]:
    """A tokenizer of pieces of words and punctuation; it drops control characters, as BERT's."""
    return [m.span() for m in re.finditer(r"[^\W_]{1,5}|[^\w\s\x00-\x1f]|_", text)]


def moody_offsets(text: str) -> list[tuple[int, int]]:
    """A tokenizer for which a cut word has more tokens than a whole one."""
    found: list[tuple[int, int]] = []
    for match in re.finditer(r"\S+", text):
        step = 40 if match.end() - match.start() <= 40 else 3
        start = match.start()
        if len(match[0]) % 5 == 0:
            step = 2
        found += [(a, min(a + step, match.end())) for a in range(start, match.end(), step)]
    return found


def byte_offsets(text: str) -> list[tuple[int, int]]:
    """A tokenizer of bytes: several tokens in one character, white space among them."""
    return [(i, i + 1) for i, sign in enumerate(text) for _ in sign.encode("utf-8", "replace")]


TOKENIZERS = (word_offsets, moody_offsets, byte_offsets)

_WORDS = (
    "tea",
    "Sencha",
    "brewing",
    "é",
    "日本語。",
    "x" * 45,
    "U.S.",
    "e.g.",
    "a_b",
    "\x00",
    "😀",
)
_LINES = (
    *("# Tea", "## Green tea", "Tea", "===", "---", "```", "~~~python", "", "", " ", "\t", "\r"),
    *("| name | price |", "|---|---|", "| Sencha | 5 |", "Gyokuro | 9", "a | b | c"),
    *("- item", "  - inner item", "1. first", "    indented()", ">>> f(1)", "User: Hello there."),
    *("Ann: Is it hot?", "def brew(leaf):", "    return leaf", "class Pot:", "    def pour(self):"),
    *("        self.full = False", "@cached", "# a comment", "}", "fn main() {", "\x0c", "\u2028"),
)
words = st.lists(st.sampled_from(_WORDS), min_size=1, max_size=30).map(" ".join)
sentence = words.map(lambda said: f"{said}. ")
line = st.one_of(st.sampled_from(_LINES), words, sentence.map(lambda said: said * 3))
anything = st.text(alphabet="ab .\n\t(),é|#-`:\r\x00😀", max_size=300)
texts = st.one_of(st.lists(line, max_size=40).map("\n".join), anything)
kinds = st.sampled_from(["text", "code", "table", "conversation", "markdown", "function"])
documents = st.builds(
    lambda text, kind, name: Document(
        "guide#1", "Guide", text, f"{name}:7", kind, "guide", {"team": "tea"}, ("ann",), 12.5
    ),
    texts,
    kinds,
    st.sampled_from(["guide.md", "guide.py", "guide.txt", "faq.csv"]),
)


def check(
    document: Document, passages: Sequence[Passage], offsets: TokenOffsets, size: int
) -> None:
    """Hold passages against their document."""
    text = document.text
    assert bool(passages) == bool(text.strip())
    covered = [False] * len(text)
    for one in passages:
        assert text[one.start : one.end] == one.text
        assert one.text.strip()
        assert one.id == f"guide#1#{one.start}"
        assert one.document_id == document.id
        assert (one.access, one.modified_s, one.meta) == (("ann",), 12.5, {"team": "tea"})
        assert (one.title, one.origin) == ("Guide", document.origin)
        assert len(offsets(one.text)) <= size
        check_context(text, one)
        covered[one.start : one.end] = [True] * (one.end - one.start)
    lost = [i for i, seen in enumerate(covered) if not seen and not text[i].isspace()]
    assert not lost
    starts = [one.start for one in passages]
    assert starts == sorted(set(starts))


def check_context(text: str, one: Passage) -> None:
    """A context is a slice that holds the passage, perhaps below titles and header rows."""
    if not one.context:
        return
    lines = one.context.split("\n")
    for above in range(len(lines)):
        slice_ = "\n".join(lines[above:])
        if one.text in slice_ and slice_ in text:
            assert all(line in text for line in lines[:above])
            return
    raise AssertionError(f"{one.context!r} is not made of slices")
