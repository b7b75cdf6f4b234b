"""PDF files, page by page; what cannot be read is refused with the reason."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings, strategies as st
from pdf_files import pdf_of
from pypdf import PdfReader, PdfWriter

from luthier.core.ledger import Ledger
from luthier.data.sources.pdf import UnreadableError, pdf_sections


def _origin(page: int) -> str:
    return f"a.pdf:page {page}"


def _locked(data: bytes, password: str, algorithm: str) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    writer.encrypt(password, owner_password="owner", algorithm=algorithm)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _read(data: bytes, limit: int = 2000) -> tuple[list[tuple[str, str, str]], Ledger]:
    ledger = Ledger()
    return list(pdf_sections(data, _origin, limit, ledger)), ledger


def test_pages_and_scans() -> None:
    found, ledger = _read(pdf_of(["First page\nwith two lines", "", "7\nThird (and last) page"]))
    assert found == [
        ("a.pdf:page 1", "First page\nwith two lines", "First page"),
        ("a.pdf:page 3", "7\nThird (and last) page", "Third (and last) page"),
    ]
    assert [(e.action, e.reason, e.origin) for e in ledger.entries] == [
        ("refused", "page without text, needs OCR", "a.pdf:page 2")
    ]


def test_sections_end_with_their_page_and_are_called_by_the_outline() -> None:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf_of([f"Page {n}" for n in range(4)]))))
    part = writer.add_outline_item(title="Part one", page_number=0)
    writer.add_outline_item(title="Tea\n cups", page_number=2, parent=part)
    writer.add_outline_item(title="Later on this page", page_number=2, parent=part)
    writer.add_outline_item(title="Goes back", page_number=1)
    out = io.BytesIO()
    writer.write(out)
    found, _ = _read(out.getvalue())
    assert [(origin, title) for origin, _, title in found] == [
        ("a.pdf:page 1", "Part one"),
        ("a.pdf:page 2", "Part one"),
        ("a.pdf:page 3", "Part one > Tea cups"),
        ("a.pdf:page 4", "Part one > Later on this page"),
    ]


def test_long_pages_are_cut_and_lose_no_word() -> None:
    lines = [f"Line {n} of a page that holds many of them" for n in range(40)]
    found, _ = _read(pdf_of(["\n".join(lines)]), limit=300)
    assert len(found) > 4
    assert {origin for origin, _, _ in found} == {"a.pdf:page 1"}
    assert " ".join(text for _, text, _ in found).split() == " ".join(lines).split()


def test_words_over_the_edge_and_broken_at_a_line_s_end() -> None:
    wide = "word " * 60 + "last"
    assert _read(pdf_of([wide]))[0][0][1].split()[-1] == "last"
    found, _ = _read(pdf_of(["The transla-\ntion of words that lines di-\nvide is one word."]))
    assert found[0][1].split()[:2] == ["The", "translation"]


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-256"])
def test_encrypted_files(algorithm: str) -> None:
    data = pdf_of(["Some words"])
    with pytest.raises(UnreadableError) as caught:
        _read(_locked(data, "secret", algorithm))
    assert caught.value.args[0] == "file is encrypted"
    found, _ = _read(_locked(data, "", algorithm))
    assert [text for _, text, _ in found] == ["Some words"], "only printing is forbidden"


@pytest.mark.parametrize("data", [b"", b"not a PDF", b"%PDF-1.4\n%%EOF", b"%PDF-1.7" + b"\0" * 99])
def test_damaged_files(data: bytes) -> None:
    with pytest.raises(UnreadableError) as caught:
        _read(data)
    assert caught.value.args[0] == "file is damaged"


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_any_damage_is_refused_or_read(data: st.DataObject) -> None:
    whole = bytearray(pdf_of(["Some words", "More words"]))
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=12)):
        whole[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(whole)))
    try:
        found, ledger = _read(bytes(whole[:cut]))
    except UnreadableError as error:
        reason, detail = error.args
        assert reason.startswith("file is")
        assert detail
    else:
        assert len(found) + ledger.refused >= 1
