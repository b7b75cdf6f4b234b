"""A passage has all that its document has, and shows what its span says."""

from __future__ import annotations

from luthier.core.records import Document
from luthier.rag.chunkers._span import Span, passage

TEXT = "name | price\nSencha | 5\nGyokuro | 9"
DOCUMENT = Document(
    "d", "Prices", TEXT, "d.md:1", "text", "d", {"team": "tea"}, ("ann", "staff"), 7.5
)


def test_it_inherits() -> None:
    made = passage(DOCUMENT, Span(13, 23, "table", ((0, 12), (13, 23))))
    assert (made.id, made.document_id, made.title, made.origin) == ("d#13", "d", "Prices", "d.md:1")
    assert (made.text, made.start, made.end, made.kind) == ("Sencha | 5", 13, 23, "table")
    assert made.context == made.shown == "name | price\nSencha | 5"
    assert (made.access, made.modified_s, made.meta) == (("ann", "staff"), 7.5, {"team": "tea"})


def test_running_text_is_of_its_documents_kind() -> None:
    assert passage(DOCUMENT, Span(0, 12)).kind == "text"


def test_a_context_that_says_no_more_is_left_out() -> None:
    assert passage(DOCUMENT, Span(0, 12, "", ((0, 12),))).context == ""


def test_a_closed_document_stays_closed() -> None:
    closed = Document("d", "D", TEXT, "d.md:1", "text", "d", access=())
    assert passage(closed, Span(0, 12)).access == ()
