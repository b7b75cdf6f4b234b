"""Kernels are made once for the sources, the compiler and the flags at hand."""

from __future__ import annotations

import ctypes
import os
import subprocess
from pathlib import Path

import pytest

from luthier.core.compiled import compiled, compiler, processor_flags


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if compiler() is None:
        pytest.skip("NOT TESTED: there is no C compiler")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "one.h").write_text("#define ONE 1\n")
    (folder / "two.c").write_text('#include "one.h"\nint two(void) { return ONE + ONE; }\n')
    return folder


def made(folder: Path, *flags: str) -> Path:
    return compiled(folder, compiler() or "", ("-fPIC", *flags), "sums")


def test_the_library_is_made_once_and_works(sources: Path) -> None:
    first = made(sources)
    before = first.stat().st_mtime_ns
    assert made(sources) == first
    assert first.stat().st_mtime_ns == before
    assert first.name.startswith("sums-")
    assert ctypes.CDLL(str(first)).two() == 2
    assert [p.name for p in first.parent.iterdir()] == [first.name]  # drafts are gone


def test_other_sources_and_other_flags_make_another(sources: Path) -> None:
    first = made(sources)
    assert made(sources, "-O2") != first
    (sources / "one.h").write_text("#define ONE 2\n")
    second = made(sources)
    assert second != first
    assert ctypes.CDLL(str(second)).two() == 4


def test_what_does_not_compile_is_an_error_and_leaves_nothing(sources: Path) -> None:
    (sources / "two.c").write_text("this is no C\n")
    with pytest.raises(subprocess.CalledProcessError):
        made(sources)
    cache = Path(os.environ["XDG_CACHE_HOME"]) / "luthier"
    assert not list(cache.iterdir())


def test_the_compiler_is_the_one_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    assert compiler() is None
    assert all(flag and " " not in flag for flag in processor_flags())
