"""Apertium: a program stands in for it, and the real one where it is installed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from luthier.core.errors import ResourceError
from luthier.data.augment._apertium import translate


def _program(folder: Path, script: str) -> str:
    path = folder / "translator"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_lines_go_in_with_a_full_stop_and_come_out_without(tmp_path: Path) -> None:
    command = _program(tmp_path, f"tee {tmp_path}/seen | tr a-z A-Z")
    texts = ["send  the\nmoney", "is it so?", "", "a\x00b", "Stop."]
    assert translate(texts, "eng-spa", command) == ["SEND THE MONEY", "IS IT SO?", "", "", "STOP."]
    assert (tmp_path / "seen").read_text() == "send the money.\nis it so?\nStop.\n"


def test_the_first_letter_keeps_its_case(tmp_path: Path) -> None:
    command = _program(tmp_path, "sed 's/^./H/'")
    assert translate(["hola", "Hola"], "eng-spa", command) == ["hola", "Hola"]


def test_nothing_to_translate_starts_no_program() -> None:
    assert translate(["", "\x01"], "eng-spa", "no-such-program") == ["", ""]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="apt install apertium apertium-eng-spa"):
        translate(["a"], "eng-spa", "no-such-program")
    command = _program(tmp_path, "echo 'Error: Mode eng-xyz does not exist' >&2; exit 1")
    with pytest.raises(ResourceError, match=r"Mode eng-xyz(.|\n)*apertium-xyz-eng"):
        translate(["a"], "eng-xyz", command)
    with pytest.raises(ResourceError, match="2 lines for 1"):
        translate(["a"], "eng-spa", _program(tmp_path, "printf 'a\\nb\\n'"))


def test_the_real_one_translates_each_row_by_itself() -> None:
    if shutil.which("apertium") is None:
        pytest.skip("SKIPPED, NOT TESTED: apt install apertium apertium-eng-spa")
    texts = ["how much money is in my account", "play the song", "send [name] the money"]
    try:
        together = translate(texts, "eng-spa")
    except ResourceError as error:
        pytest.skip(f"SKIPPED, NOT TESTED: {error}")
    assert [translate([text], "eng-spa")[0] for text in texts] == together
    assert "dinero" in together[0]
