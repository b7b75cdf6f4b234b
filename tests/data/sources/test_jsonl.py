"""JSON Lines: each line comes out once, as a row or in the ledger."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings, strategies as st

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.data.sources.jsonl import JsonlSource, read_jsonl
from luthier.data.sources.raw import Raw


def _read(folder: Path, data: bytes, name: str = "r.jsonl") -> tuple[list[Raw], Ledger]:
    (folder / name).write_bytes(data)
    ledger = Ledger()
    return list(read_jsonl(JsonlSource(path=name), folder, ledger, Quiet())), ledger


def test_objects_come_with_their_lines(tmp_path: Path) -> None:
    rows, ledger = _read(tmp_path, b'\xef\xbb\xbf{"a": 1}\n\n  \n{"a": "\xe2\x80\xa8"}')
    assert [(r.values, r.origin) for r in rows] == [
        ({"a": 1}, "r.jsonl:1"),
        ({"a": "\u2028"}, "r.jsonl:4"),
    ]
    assert not ledger.entries


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{oops", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a": "caf\xe9"}', "bytes that are not text"),
    ],
)
def test_lines_that_are_refused(tmp_path: Path, line: bytes, reason: str) -> None:
    rows, ledger = _read(tmp_path, '{"a": "é"}\n'.encode() + line + b'\n{"a": 2}\n')
    assert [r.origin for r in rows] == ["r.jsonl:1", "r.jsonl:3"]
    assert [(e.reason, e.origin) for e in ledger.entries] == [(reason, "r.jsonl:2")]


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_packed_files_whole_and_cut_off(tmp_path: Path, ending: str) -> None:
    plain = b"".join(json.dumps({"text": f"row {i * i}"}).encode() + b"\n" for i in range(3000))
    pack = gzip.compress if ending == ".gz" else zstandard.ZstdCompressor().compress
    rows, _ = _read(tmp_path, pack(plain), f"r.jsonl{ending}")
    assert (len(rows), rows[-1].origin) == (3000, f"r.jsonl{ending}:3000")
    with pytest.raises(DataError, match="damaged or cut off"):
        _read(tmp_path, pack(plain)[:-200], f"r.jsonl{ending}")
    with pytest.raises(DataError, match="damaged or cut off"):
        _read(tmp_path, b"plain text, not packed", f"r.jsonl{ending}")


@pytest.mark.parametrize("data", [b"", b"\n \n"])
def test_empty_files(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(DataError, match="empty"):
        _read(tmp_path, data)


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file matches"):
        list(read_jsonl(JsonlSource(path="*.jsonl"), tmp_path, Ledger(), Quiet()))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(rows=st.lists(JSON, min_size=1, max_size=10))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
def test_no_line_vanishes(tmp_path: Path, rows: list[object]) -> None:
    found, ledger = _read(tmp_path, "\n".join(json.dumps(r) for r in rows).encode())
    assert [r.values for r in found] == [r for r in rows if isinstance(r, dict)]
    assert len(found) + ledger.refused == len(rows)
