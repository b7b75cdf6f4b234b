"""Cut documents into passages that an encoder reads whole.

A document that fits is one passage. A longer one is cut where a paragraph, a line, a sentence
or a word ends, in that order of preference, and neighbours overlap, so that a fact at a border
stands whole in one of them.
"""

from __future__ import annotations

from luthier.core.records import Document, Passage
from luthier.rag.chunkers._measure import Measure, Offsets as Offsets, TokenOffsets
from luthier.rag.chunkers._span import Span, passage
from luthier.rag.chunkers.tokens import token_spans


def cut(
    document: Document, token_offsets: TokenOffsets, *, size: int, overlap: int
) -> list[Passage]:
    """The passages of one document, in the order of its text.

    Each is a slice of the text, carries the document's origin and its access list, and has the id
    ``{document.id}#{start}``. Together they hold every character but white space at borders.

    Args:
        document: What to cut.
        token_offsets: Start and end of each token of a text (`Encoder.token_offsets`).
        size: Most tokens in a passage, at least 1.
        overlap: Tokens that a passage repeats of the one before it, at most; less than ``size``.

    Returns:
        At least one passage, unless the text is empty or only white space.

    Raises:
        ValueError: ``size`` or ``overlap`` is out of range.
    """
    if size < 1 or not 0 <= overlap < size:
        raise ValueError(f"size {size} and overlap {overlap}: want 0 <= overlap < size")
    text = document.text
    if not text.strip():
        return []
    measure = Measure(text, token_offsets)
    if len(measure.starts) <= size:
        return [passage(document, Span(0, len(text)))]
    spans = token_spans(measure, 0, len(text), size=size, overlap=overlap)
    return [passage(document, span) for span in spans]
