"""Bytes become text by mark, by declaration, or as a last resort."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given, settings, strategies as st

from luthier.data.sources._charset import declared_charset, decode_document, decode_page

LATIN = "Café à la crème déjà".encode("latin-1")


def test_local_files() -> None:
    assert decode_document("ä\x00b".encode()) == ("äb", "utf-8")
    assert decode_document(codecs.BOM_UTF8 + b"a") == ("a", "utf-8")
    assert decode_document("Grüße".encode("utf-16")) == ("Grüße", "utf-16")
    page = b"<meta charset='iso-8859-1'>" + LATIN
    assert decode_document(page, markup=True)[1] == "cp1252"
    assert "déjà" in decode_document(page, markup=True)[0]


@pytest.mark.parametrize("data", [LATIN, b"<meta charset=none-such>" + LATIN])
def test_local_files_that_fit_no_encoding(data: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        decode_document(data, markup=True)


def test_pages_with_right_and_wrong_charsets() -> None:
    assert decode_page("déjà".encode(), "utf-8") == ("déjà", "")
    assert decode_page(LATIN, "ISO-8859-1") == (LATIN.decode("cp1252"), "")
    assert decode_page(b"<meta charset=latin1>" + LATIN, "")[1] == ""
    assert decode_page("déjà".encode(), "ascii")[1] == "", "a western label fits any byte"
    assert decode_page("Grüße".encode("utf-16"), "utf-8") == ("Grüße", "")
    text, note = decode_page(LATIN, "utf-8")
    assert (text, note) == (LATIN.decode("latin-1"), "read as windows-1252, not utf-8")
    text, note = decode_page("déjà vu, naïveté ".encode() * 3 + b"\xff", "utf-8")
    assert text.endswith("\ufffd")
    assert note == "1 broken characters"
    assert decode_page("日本".encode("shift_jis"), "none-such")[0]
    assert decode_page("日本語です".encode(), "shift_jis; x")[0] == "日本語です"


def test_declarations() -> None:
    assert declared_charset(b'<meta http-equiv=x content="text/html; charset=KOI8-R">') == "KOI8-R"
    assert declared_charset(b'<?xml version="1.0" encoding="utf-16"?>') == "utf-16"
    assert declared_charset(b"<p>charset=x") == ""
    assert decode_page(b"<meta charset=hex>abc", "rot13") == ("<meta charset=hex>abc", "")


@given(st.binary(max_size=200), st.sampled_from(["", "utf-8", "latin-1", "utf-16", "x", "hex"]))
@settings(max_examples=150, deadline=None)
def test_any_bytes_become_text_that_can_be_written(data: bytes, label: str) -> None:
    text, _ = decode_page(data, label)
    text.encode()
    assert "\x00" not in text
