"""PDF files, page by page; what cannot be read is refused with the reason."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings, strategies as st
from pdf_files import pdf_of
from pypdf import PdfReader, PdfWriter

from luthier.core.ledger import Ledger
from luthier.data.sources.pdf import UnreadableError, pdf_pages


def _origin(page: int) -> str:
    return f"a.pdf:page {page}"


def _locked(data: bytes, password: str, algorithm: str) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    writer.encrypt(password, owner_password="owner", algorithm=algorithm)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_pages_and_scans() -> None:
    ledger = Ledger()
    data = pdf_of(["First page\nwith two lines", "", "Third (and last) page"])
    assert list(pdf_pages(data, _origin, ledger)) == [
        (1, "First page\nwith two lines"),
        (3, "Third (and last) page"),
    ]
    assert [(e.action, e.reason, e.origin) for e in ledger.entries] == [
        ("refused", "page without text", "a.pdf:page 2")
    ]


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-256"])
def test_encrypted_files(algorithm: str) -> None:
    data = pdf_of(["Some words"])
    with pytest.raises(UnreadableError) as caught:
        list(pdf_pages(_locked(data, "secret", algorithm), _origin, Ledger()))
    assert caught.value.args[0] == "file is encrypted"
    opened = list(pdf_pages(_locked(data, "", algorithm), _origin, Ledger()))
    assert opened == [(1, "Some words")], "only printing is forbidden: it may be read"


@pytest.mark.parametrize("data", [b"", b"not a PDF", b"%PDF-1.4\n%%EOF", b"%PDF-1.7" + b"\0" * 99])
def test_damaged_files(data: bytes) -> None:
    with pytest.raises(UnreadableError) as caught:
        list(pdf_pages(data, _origin, Ledger()))
    assert caught.value.args[0] == "file is damaged"


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_damage_is_refused_or_read(data: st.DataObject) -> None:
    whole = bytearray(pdf_of(["Some words", "More words"]))
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=12)):
        whole[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(whole)))
    ledger = Ledger()
    found: list[tuple[int, str]] = []
    try:
        found = list(pdf_pages(bytes(whole[:cut]), _origin, ledger))
    except UnreadableError:
        assert not found
    else:
        assert len(found) + ledger.refused >= 1
