"""Encodings are told from bytes, and lines that cannot be read are told apart."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.data.sources._decode import Line, encoding_of, known, lines

GERMAN = "Größe und Maß der schönen Stadt – „Köln“ ist’s für 5 €\n"
POLISH = "Łódź jest duża, a pięść mała; każdy wie, że tak być musi\n"
RUSSIAN = "Привет, как дела у вас сегодня?\n"


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"plain\n", "utf-8-sig"),
        (b"", "utf-8-sig"),
        (GERMAN.encode(), "utf-8-sig"),
        (GERMAN.encode("utf-8-sig"), "utf-8-sig"),
        (GERMAN.encode("utf-16"), "utf-16"),
        (GERMAN.encode("utf-16-le"), "utf-16-le"),
        (GERMAN.encode("utf-16-be"), "utf-16-be"),
        (codecs.BOM_UTF16_BE + GERMAN.encode("utf-16-be"), "utf-16"),
        (GERMAN.encode("utf-32"), "utf-32"),
        (GERMAN.encode("cp1252"), "cp1252"),
        ((b"plain\n" * 40_000) + GERMAN.encode("cp1252"), "cp1252"),
        (GERMAN.encode("cp1252") + GERMAN.encode(), "utf-8-sig"),  # mixed: bad lines
        (POLISH.encode("cp1250"), "utf-8-sig"),
        (RUSSIAN.encode("cp1251"), "utf-8-sig"),
        ("日本語のテキストです\n".encode("shift_jis"), "utf-8-sig"),
    ],
)
def test_encodings_are_told(tmp_path: Path, data: bytes, encoding: str) -> None:
    path = tmp_path / "f"
    path.write_bytes(data)
    assert encoding_of(path) == encoding


def test_bad_lines_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes("ok é\n".encode() + b"b\xe9d\n" + b"last")
    ledger = Ledger()
    assert list(lines(path, "f", "auto", ledger)) == [
        Line(1, "ok é\n", ""),
        Line(2, "b\udce9d\n", "byte 0xe9 at column 2"),
        Line(3, "last", ""),
    ]
    assert not ledger.entries


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_another_encoding_is_told_once(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "f"
    path.write_bytes((GERMAN * 3).encode(encoding))
    ledger = Ledger()
    assert [line.text for line in lines(path, "f", "auto", ledger)] == [GERMAN] * 3
    assert len(ledger.entries) == (encoding != "utf-8-sig")


def test_a_cut_off_file_of_wide_characters(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(GERMAN.encode("utf-16")[:-1])
    with pytest.raises(DataError, match="not UTF-16"):
        list(lines(path, "f", "auto", Ledger()))


@pytest.mark.parametrize("name", ["auto", "utf-8", "UTF-16", "latin-1", "shift_jis", "gb18030"])
def test_known_encodings(name: str) -> None:
    assert known(name) == name


@pytest.mark.parametrize("name", ["klingon", "base64", "cp037", ""])
def test_unknown_encodings(name: str) -> None:
    with pytest.raises(ValueError, match=r"no encoding is called|does not hold text by lines"):
        known(name)


@given(data=st.binary(max_size=200), end=st.sampled_from([b"\n", b"\r\n", b"\r"]))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80, deadline=None
)
def test_nothing_is_lost(tmp_path: Path, data: bytes, end: bytes) -> None:
    data = data.replace(b"\n", end).replace(b"\r", end) + end
    path = tmp_path / "f"
    path.write_bytes(data)
    found = list(lines(path, "f", "latin-1", Ledger()))
    assert "".join(line.text for line in found).encode("latin-1") == data
    assert [line.number for line in found] == list(range(1, len(found) + 1))
