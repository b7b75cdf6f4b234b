"""Word files: headings, paragraphs and tables in reading order."""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Callable

import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from hypothesis import given, settings, strategies as st

from luthier.data.sources.docx import docx_paragraphs
from luthier.data.sources.pdf import UnreadableError


def _saved(document: docx.document.Document) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _word(fill: Callable[[docx.document.Document], object]) -> bytes:
    document = docx.Document()
    fill(document)
    return _saved(document)


def test_headings_paragraphs_and_tables() -> None:
    document = docx.Document()
    document.add_heading("The guide", 0)
    document.add_paragraph("Opening words.")
    document.add_paragraph("")
    document.add_heading("Install", 1)
    paragraph = document.add_paragraph("A tab\there")
    paragraph.add_run("\nand a line")
    table = document.add_table(2, 2)
    for cell, text in zip(table._cells, ["Name", "Price", "Tea", "2 €\nor 3 €"], strict=True):
        cell.text = text
    document.add_heading("On Debian", 2)
    paragraphs, headings = docx_paragraphs(_saved(document))
    assert paragraphs == [
        (1, "The guide"),
        (2, "Opening words."),
        (3, "Install"),
        (4, "A tab\there\nand a line"),
        (5, "Name | Price\nTea | 2 € or 3 €"),
        (6, "On Debian"),
    ]
    assert headings == [(1, "The guide"), (3, "Install"), (6, "Install > On Debian")]


def test_what_hides_in_controls_boxes_and_tracked_changes() -> None:
    document = docx.Document()
    body = document.element.body
    body.insert(0, parse_xml(
        f"<w:p {nsdecls('w')}><w:ins><w:r><w:t>Inserted </w:t></w:r></w:ins>"
        "<w:del><w:r><w:delText>deleted</w:delText></w:r></w:del>"
        "<w:hyperlink><w:r><w:t>linked</w:t></w:r></w:hyperlink>"
        "<w:r><w:instrText>PAGE</w:instrText></w:r></w:p>"
    ))  # fmt: skip
    body.insert(1, parse_xml(
        f"<w:sdt {nsdecls('w')}><w:sdtContent><w:p><w:r><w:t>In a control</w:t></w:r></w:p>"
        "</w:sdtContent></w:sdt>"
    ))  # fmt: skip
    body.insert(2, parse_xml(
        f"<w:p {nsdecls('w')} xmlns:mc='http://schemas.openxmlformats.org/markup-compatibility/2006'>"
        "<w:r><w:t>Beside</w:t><mc:AlternateContent><mc:Choice Requires='wps'><w:txbxContent>"
        "<w:p><w:r><w:t>In a box</w:t></w:r></w:p></w:txbxContent></mc:Choice><mc:Fallback>"
        "<w:txbxContent><w:p><w:r><w:t>In a box</w:t></w:r></w:p></w:txbxContent></mc:Fallback>"
        "</mc:AlternateContent></w:r></w:p>"
    ))  # fmt: skip
    paragraphs, _ = docx_paragraphs(_saved(document))
    assert [text for _, text in paragraphs] == [
        "Inserted linked",
        "In a control",
        "Beside\nIn a box",
    ]


def test_a_style_made_from_a_heading_is_one() -> None:
    document = docx.Document()
    own = document.styles.add_style("House heading", 1)
    own.base_style = document.styles["Heading 2"]
    document.add_paragraph("Ours", style="House heading")
    assert docx_paragraphs(_saved(document))[1] == [(1, "Ours")]


@given(st.lists(st.text(st.characters(categories=["L", "N", "P", "Zs"]), max_size=40), max_size=6))
@settings(max_examples=15, deadline=None)
def test_no_word_is_lost(texts: list[str]) -> None:
    data = _word(lambda document: [document.add_paragraph(text) for text in texts])
    found, _ = docx_paragraphs(data)
    assert " ".join(text for _, text in found).split() == " ".join(texts).split()
    assert [place for place, _ in found] == list(range(1, len(found) + 1))


def _emptied() -> bytes:
    """A zip file that holds no Word document."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as parts:
        parts.writestr("readme.txt", "no Word here")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "file is damaged"),
        (b"plain text", "file is damaged"),
        (_emptied(), "file is damaged"),
        (_word(lambda d: d.add_paragraph("x"))[:-300], "file is damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512, "file is encrypted"),
    ],
)
def test_unusable_files(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        docx_paragraphs(data)
    assert caught.value.args[0] == reason


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=20))
@settings(max_examples=25, deadline=None)
def test_any_damage_is_refused_or_read(changes: list[tuple[int, int]]) -> None:
    whole = bytearray(WHOLE)
    for place, value in changes:
        whole[place % len(whole)] = value
    with contextlib.suppress(UnreadableError):
        paragraphs, _ = docx_paragraphs(bytes(whole))
        assert all(text.strip() for _, text in paragraphs)


WHOLE = _word(lambda document: document.add_paragraph("Some words"))
