"""The worker: descriptions of single objects, and its line protocol."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path

from luthier.data._pydoc_names import Found
from luthier.data._pydoc_worker import Places, Writer, describe, root_of, run

ROOT, VERSION = root_of("stdlib")


def _described(target: object, name: str, kind: str, owner: str):  # type: ignore[no-untyped-def]
    found = Found(target, kind, {name}, owner)
    return describe(found, Places(ROOT), "stdlib", VERSION)


def test_frozen_and_builtin_objects_have_origins() -> None:
    import os

    join = _described(os.path.join, "os.path.join", "function", "posixpath")
    assert join["origin"].startswith("posixpath.py:")
    assert _described(len, "len", "function", "builtins")["origin"] == "builtin:builtins"
    path = _described(Path, "pathlib.Path", "class", "pathlib")
    file, _, line = path["origin"].rpartition(":")
    assert (ROOT / file).read_text().split("\n")[int(line) - 1].startswith("class Path")
    assert "\nBases: pathlib.PurePath\n" in path["text"]


def test_bound_methods_belong_to_their_class() -> None:
    told = _described(random.randint, "random.randint", "function", "random")
    assert told["group"] == "random.Random"
    assert told["meta"]["signature"] == "random.randint(a, b)"


def test_unfit_objects_have_a_reason() -> None:
    def bare() -> None: ...

    assert _described(bare, "m.bare", "function", "m") == "no docstring"
    bare.__doc__ = " - "
    assert _described(bare, "m.bare", "function", "m") == "docstring without words"
    bare.__doc__ = "Initialize self.  See help(type(self)) for accurate signature."
    assert _described(bare, "m.bare", "function", "m") == "boilerplate docstring"
    bare.__doc__ = "bare(self: int) -> int"
    assert _described(bare, "m.bare", "function", "m") == "docstring is only a signature"

    class Child(dict):  # type: ignore[type-arg]
        __doc__ = dict.__doc__

    assert _described(Child, "m.Child", "class", "m") == "inherited docstring"


def test_lines() -> None:
    file = io.StringIO()
    run("textwrap", ("textwrap.TextWrapper",), Writer(file))
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    assert lines[0] == {"importing": "textwrap"}
    assert lines[-1] == {"done": True}
    names = [line["document"]["id"] for line in lines if "document" in line]
    assert names == sorted(names)
    assert "textwrap.fill" in names
    assert "textwrap.TextWrapper" not in names
