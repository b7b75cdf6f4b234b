"""Kernels are compiled once, and there is a reason where there are none."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from luthier.models import _fused_library
from luthier.models._fused_library import library


@pytest.fixture(autouse=True)
def asked_anew() -> None:
    library.cache_clear()


def test_without_a_compiler_there_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_fused_library, "processor_flags", lambda: _fused_library._NEEDED)
    monkeypatch.setenv("CC", "no-such-compiler")
    assert library() == (None, "there is no C compiler (gcc)")
    library.cache_clear()


def test_on_another_processor_there_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_fused_library, "processor_flags", lambda: {"avx2"})
    found, reason = library()
    assert found is None
    assert "AMX" in reason
    library.cache_clear()


def test_what_cannot_be_compiled_is_a_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(_fused_library, "processor_flags", lambda: _fused_library._NEEDED)
    monkeypatch.setenv("CC", "false")  # a program that fails
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found, reason = library()
    assert found is None
    assert "could not be compiled" in reason
    library.cache_clear()


COMPILER = """#!/bin/sh
for made; do :; done  # the last word is what is to be made
case "$*" in
    *--version*) echo own ;;
    *-shared*) echo linked >> "$0.log"; cp KERNELS "$made" ;;
    *) : > "$made" ;;
esac
"""


def test_the_second_process_finds_them_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if library()[0] is None:
        pytest.skip(f"NOT TESTED: {library()[1]}")
    compiler = tmp_path / "compiler"  # hands out what the real one has made
    kernels = _fused_library._compiled(shutil.which(os.environ.get("CC", "gcc")) or "")
    compiler.write_text(COMPILER.replace("KERNELS", f"'{kernels}'"))
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for _ in range(2):
        library.cache_clear()
        assert library()[0] is not None
    (made,) = (tmp_path / "cache" / "luthier").iterdir()
    assert made.read_bytes() == kernels.read_bytes()
    assert (tmp_path / "compiler.log").read_text() == "linked\n"  # once
    library.cache_clear()
