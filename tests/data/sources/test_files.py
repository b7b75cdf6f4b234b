"""Files as sources: patterns, compression, damage, digests."""

from __future__ import annotations

import gzip
import os
import random
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from luthier.core.errors import DataError, ResourceError
from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.data.sources.csv import CsvSource, read_csv
from luthier.data.sources.files import counted, digest_files, files_of, reading
from luthier.data.sources.json import JsonSource, read_json
from luthier.data.sources.jsonl import JsonlSource, read_jsonl
from luthier.data.sources.raw import Raw


def test_patterns_and_plain_names(tmp_path: Path) -> None:
    for name in ("b.csv", "sub/a.csv", "odd[1].csv", "c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert [name for name, _ in files_of("**/*.csv", tmp_path)] == [
        "b.csv",
        "odd[1].csv",
        "sub/a.csv",
    ]
    assert files_of("odd[1].csv", tmp_path) == [("odd[1].csv", tmp_path / "odd[1].csv")]
    absolute = str(tmp_path / "*.txt")
    assert files_of(absolute, tmp_path / "sub") == [(str(tmp_path / "c.txt"), tmp_path / "c.txt")]


def test_nothing_found(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read this file: No such file"):
        files_of("a.csv", tmp_path)
    with pytest.raises(DataError, match="cannot read this file: Is a directory"):
        files_of(".", tmp_path)
    with pytest.raises(DataError, match=r"no file matches '\*.csv'"):
        files_of("*.csv", tmp_path)


def test_digests_follow_names_and_contents(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("x")
    first = digest_files([("a", path)])
    assert digest_files([("b", path)]) != first
    path.write_text("y")
    assert digest_files([("a", path)]) != first
    path.write_text("x")
    assert digest_files([("a", path)]) == first


@pytest.mark.parametrize("ending", ["", ".gz", ".zst", ".GZ"])
def test_contents_are_unpacked(tmp_path: Path, ending: str) -> None:
    plain = random.Random(0).randbytes(300_000) + b"\0" * 5_000_000
    path = tmp_path / f"a{ending}"
    zstd = zstandard.ZstdCompressor()
    packed = {
        "": plain,
        ".gz": gzip.compress(plain[:9]) + gzip.compress(plain[9:]),
        ".zst": zstd.compress(plain[:9]) + zstd.compress(plain[9:]),
    }[ending.lower()]
    path.write_bytes(packed)
    with reading(path) as file:
        assert file.read() == plain


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_damage_is_told(tmp_path: Path, ending: str) -> None:
    plain = random.Random(0).randbytes(50_000)
    pack = gzip.compress if ending == ".gz" else zstandard.ZstdCompressor().compress
    path = tmp_path / f"a{ending}"
    for broken in (pack(plain)[:-9], b"not packed at all", pack(plain)[:20_000]):
        path.write_bytes(broken)
        with pytest.raises(DataError, match="damaged or cut off"), reading(path) as file:
            file.read()


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.zst").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(ResourceError, match="zstandard"), reading(tmp_path / "a.zst"):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_forbidden_files(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch(mode=0)
    with pytest.raises(DataError, match="Permission denied"), reading(path):
        pass


def test_rows_are_counted() -> None:
    assert list(counted(range(2500), "Reading", Quiet())) == list(range(2500))


READERS: dict[str, Callable[[Path], Iterator[Raw]]] = {
    "csv": lambda base: read_csv(CsvSource(path="f.gz"), base, Ledger(), Quiet()),
    "jsonl": lambda base: read_jsonl(JsonlSource(path="f.gz"), base, Ledger(), Quiet()),
    "json": lambda base: read_json(JsonSource(path="f.gz"), base, Ledger(), Quiet()),
}


@pytest.mark.parametrize("kind", READERS)
def test_large_files_need_little_memory(tmp_path: Path, kind: str) -> None:
    row = "x" * 1000
    rows = {
        "csv": ["text", *[f'"{row}"'] * 8000],
        "jsonl": [f'{{"text": "{row}"}}'] * 8000,
        "json": ["[", *[f'{{"text": "{row}"}},'] * 7999, f'{{"text": "{row}"}}]'],
    }[kind]
    (tmp_path / "f.gz").write_bytes(gzip.compress("\n".join(rows).encode(), 1))
    del rows
    tracemalloc.start()
    count = sum(len(raw.values["text"]) == 1000 for raw in READERS[kind](tmp_path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (count, peak < 2_500_000) == (8000, True), f"{peak} bytes for a file of 8 MB"


def test_a_file_that_vanishes_before_it_is_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read this file: No such file"):
        digest_files([("gone.csv", tmp_path / "gone.csv")])
