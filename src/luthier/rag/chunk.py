"""Cut documents into passages: one way in for all chunkers.

Whatever the chunker, a passage is a slice of its document, ``document.text[start:end]``; together
the passages hold every character but white space; none is longer than the encoder reads; and who
may see the document, and nobody else, may see the passage.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, assert_never

from pydantic import Field

from luthier.core.records import Document, Passage
from luthier.rag.chunkers._blocks import Content, is_turn, lines
from luthier.rag.chunkers._measure import Measure, TokenOffsets
from luthier.rag.chunkers._span import Span, passage
from luthier.rag.chunkers.parents import ParentChunks, parent_spans
from luthier.rag.chunkers.recursive import RecursiveChunks, recursive_spans
from luthier.rag.chunkers.semantic import Embed, SemanticChunks, semantic_spans
from luthier.rag.chunkers.sentences import SentenceChunks, sentence_windows
from luthier.rag.chunkers.tokens import TokenChunks, token_spans

CHUNK_VERSION = 2
"""Goes up when the same document and settings give other passages."""

ChunkSpec = Annotated[
    TokenChunks | RecursiveChunks | SentenceChunks | SemanticChunks | ParentChunks,
    Field(discriminator="kind"),
]

_LOOKED_AT_CHARS = 20_000
_MARKDOWN_NAMES = ("md", "markdown", "mdx")
_CODE_NAMES = (
    *("c", "cc", "cpp", "cs", "go", "h", "hpp", "java", "js", "jsx", "kt", "lua", "php", "pl"),
    *("py", "pyi", "r", "rb", "rs", "scala", "sh", "sql", "swift", "ts", "tsx"),
)
_NAME = re.compile(r"\.([A-Za-z]{1,8})(?:\.gz|\.zst)?(?=[:#?]|$)")
_MARKDOWN = re.compile(r"^(?: {0,3}(?:```|~~~)| {0,3}#{1,6} +\S)", re.MULTILINE)
_PROGRAM = re.compile(
    r"^(?:from [\w.]+ import |import [\w.{*]|def \w+\(|class \w+|async def |@\w+|#include|package "
    r"|func |fn |pub |public |private |export |const |let |var |function |if __name__)",
    re.MULTILINE,
)
_PROGRAM_LINES = 3
_TURNS = 4


def chunk(
    document: Document,
    spec: ChunkSpec,
    token_offsets: TokenOffsets,
    max_tokens: int,
    embed: Embed | None = None,
) -> list[Passage]:
    """The passages of one document, in the order of its text.

    A document that fits is one passage, whatever the chunker; but for sentence windows.

    Args:
        document: What to cut.
        spec: Which chunker, and its settings.
        token_offsets: Start and end of each token of a text (`Encoder.token_offsets`).
        max_tokens: Most tokens of a passage that the encoder has room for, at least 1; it holds
            where the settings allow more.
        embed: Makes vectors (`Encoder.encode`); only the semantic chunker needs it.

    Returns:
        At least one passage, unless the text is empty or only white space. Ids are
        ``{document.id}#{start}``, each once.

    Raises:
        ValueError: ``max_tokens`` is less than 1, or ``embed`` is missing.
    """
    if max_tokens < 1:
        raise ValueError(f"max_tokens {max_tokens}: want at least 1")
    if isinstance(spec, SemanticChunks) and embed is None:
        raise ValueError("the semantic chunker needs `embed`")
    text = document.text
    if not text.strip():
        return []
    size = min(spec.chunk_size, max_tokens)
    measure = Measure(text, token_offsets)
    if len(measure.starts) <= size and not isinstance(spec, SentenceChunks):
        content = content_of(document)
        kind = content if content in ("code", "conversation", "table") else ""
        return [passage(document, Span(0, len(text), kind))]
    return [passage(document, span) for span in _spans(document, spec, measure, size, embed)]


def content_of(document: Document) -> Content:
    """How a document is to be read: what its kind says, else its file's name, else its look.

    Args:
        document: Its kind may be ``code``, ``conversation``, ``markdown`` or ``table``; any other
            says nothing.
    """
    match document.kind:
        case "code" | "conversation" | "markdown" | "table":
            return document.kind
        case _:
            pass
    found = _NAME.search(document.origin.rpartition("/")[2])
    name = found[1].lower() if found else ""
    if name in _MARKDOWN_NAMES:
        return "markdown"
    if name in _CODE_NAMES and document.kind not in ("module", "class", "function"):
        return "code"
    return _by_look(document.text[:_LOOKED_AT_CHARS])


def _by_look(text: str) -> Content:
    if _is_conversation(text):
        return "conversation"
    if _MARKDOWN.search(text):
        return "markdown" if len(_PROGRAM.findall(text)) < _PROGRAM_LINES else _more_like(text)
    return "code" if _more_like(text) == "code" else "prose"


def _more_like(text: str) -> Content:
    """Code if most lines at the margin begin as code does."""
    margin = [text[a:b] for a, b in lines(text, 0, len(text)) if not text[a].isspace()]
    code = sum(bool(_PROGRAM.match(line)) for line in margin)
    return "code" if code >= _PROGRAM_LINES and code * 2 > len(margin) else "markdown"


def _is_conversation(text: str) -> bool:
    """Whether most paragraphs are turns of at least two speakers who come back."""
    said = [line for a, b in lines(text, 0, len(text)) if (line := text[a:b]).strip()]
    turns = [line.split(":")[0].strip() for line in said if is_turn(line)]
    speakers = {name for name in turns if turns.count(name) > 1}
    again = sum(name in speakers for name in turns)
    return len(speakers) > 1 and again >= _TURNS and again * 2 >= len(said)


def _spans(
    document: Document, spec: ChunkSpec, measure: Measure, size: int, embed: Embed | None
) -> Iterator[Span]:
    end = len(measure.text)
    match spec:
        case TokenChunks():
            overlap = _overlap(spec.chunk_overlap, size)
            return token_spans(measure, 0, end, size=size, overlap=overlap, at=spec.at)
        case RecursiveChunks():
            overlap = _overlap(spec.chunk_overlap, size)
            content = content_of(document)
            return recursive_spans(measure, content, 0, end, size=size, overlap=overlap)
        case SentenceChunks():
            return sentence_windows(
                measure, sentences=spec.sentences, around=spec.around, size=size
            )
        case SemanticChunks():
            assert embed is not None
            return semantic_spans(
                measure, embed, size=size, percentile=spec.percentile, buffer=spec.buffer
            )
        case ParentChunks():
            parent_size = max(spec.parent_tokens, size)
            return parent_spans(measure, content_of(document), size=size, parent_size=parent_size)
        case _:
            assert_never(spec)


def _overlap(asked: int, size: int) -> int:
    """What may be repeated where the encoder has less room than the settings."""
    return max(0, min(asked, size // 2 - 1))
