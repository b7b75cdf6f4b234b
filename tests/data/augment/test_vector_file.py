"""Files of word vectors in three formats."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from luthier.core.errors import DataError
from luthier.data.augment._vector_file import normalised, read_vectors

WORDS = {"big": (3.0, 4.0), "Large": (0.0, 2.0), "tiny": (-1.0, 0.0)}


def _text(header: bool) -> bytes:
    lines = [f"{w} {a} {b}" for w, (a, b) in WORDS.items()]
    return "\n".join([*(["3 2"] if header else []), *lines, ""]).encode()


def _binary(newlines: bool) -> bytes:
    end = b"\n" if newlines else b""
    rows = [w.encode() + b" " + struct.pack("<2f", *v) + end for w, v in WORDS.items()]
    return b"3 2\n" + b"".join(rows)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("v.txt", _text(True)), ("glove.txt", _text(False)),
        ("v.bin", _binary(True)), ("w.bin", _binary(False)),
    ],
)  # fmt: skip
def test_the_formats_hold_the_same(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    words, vectors = read_vectors(tmp_path / name, "auto", (), 10)
    assert words == ["big", "large", "tiny"]
    np.testing.assert_allclose(vectors, [[0.6, 0.8], [0, 1], [-1, 0]], atol=1e-6)
    words, _ = read_vectors(tmp_path / name, "auto", {"tiny"}, 1)
    assert words == ["big", "tiny"]


def test_bad_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such"):
        read_vectors(tmp_path / "none", "auto", (), 10)
    for content in (b"", b"a b c\n", b"a 1 2\nb 1\n", b"a 1 nan\n", b"a\nb\n"):
        (tmp_path / "bad.txt").write_bytes(content)
        with pytest.raises(DataError, match="not word vectors"):
            read_vectors(tmp_path / "bad.txt", "auto", (), 10)
    (tmp_path / "cut.bin").write_bytes(_binary(True)[:-6])
    with pytest.raises(DataError, match="ends within"):
        read_vectors(tmp_path / "cut.bin", "auto", (), 10)
    (tmp_path / "text.bin").write_bytes(_text(False))
    with pytest.raises(DataError, match="first line"):
        read_vectors(tmp_path / "text.bin", "auto", (), 10)


def test_zeros_stay_zeros() -> None:
    found = normalised(np.array([[0, 0], [0, 5]], np.float32))
    np.testing.assert_allclose(found, [[0, 0], [0, 1]], atol=1e-6)
