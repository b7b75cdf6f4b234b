"""Docstrings and signatures as plain text."""

from __future__ import annotations

import enum
import os

import pytest

from luthier.data._pydoc_text import (
    clean_doc,
    default_text,
    first_sentence,
    normal_signature,
    prose_lines,
    sentences,
    signature_text,
    split_signature_line,
)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("See :class:`~a.b.C` and :func:`name <a.b.f>`.", "See a.b.C and name."),
        ("Uses ``x * y`` and `z`.", "Uses x * y and z."),
        ("The `default' type.", "The 'default' type."),
        ("A *word* and **bold words** but *args and **kwargs.",
         "A word and bold words but *args and **kwargs."),
        ("Text.\n\n.. versionadded:: 3.2\n", "Text."),
        (".. note:: Mind this.", "Note: Mind this."),
        ("First\n    indented\n    more", "First\nindented\nmore"),
    ],
)  # fmt: skip
def test_clean_doc(raw: str, clean: str) -> None:
    assert clean_doc(raw) == clean


@pytest.mark.parametrize(
    ("doc", "sentence"),
    [
        ("Return x, e.g. 3. Then more.", "Return x, e.g. 3."),
        ("Use i.e. this\nover lines.\n\nNext.", "Use i.e. this over lines."),
        ("Title\n=====\n\nBody.", "Title"),
        ("No full stop", "No full stop"),
        ("Add 'name' to it. 'name' may be any.", "Add 'name' to it."),
        ("Fill it. m.full(x) is the same.", "Fill it."),
        ("Use e.g. m.full(x) for it. More.", "Use e.g. m.full(x) for it."),
        ("Set x. Then y.", "Set x."),
        ("By J. Smith and others. More.", "By J. Smith and others."),
        ("See version 3.2 of it. More.", "See version 3.2 of it."),
        ("Do it.\n>>> f()\n3", "Do it."),
        ("", ""),
    ],
)
def test_first_sentence(doc: str, sentence: str) -> None:
    assert first_sentence(doc) == sentence


def test_sentences_keep_every_word() -> None:
    text = "One (two). Three! Is it 4? Yes."
    assert sentences(text) == ["One (two).", "Three!", "Is it 4?", "Yes."]


def test_prose_ends_at_code_and_bullets() -> None:
    assert prose_lines("Say this:\n- a\n- b") == "Say this:"
    assert prose_lines("Say this.\n  >>> f()") == "Say this."


@pytest.mark.parametrize(
    ("doc", "expected"),
    [
        ("f(a, b) -> int\n\nAdd.", ("(a, b) -> int", "Add.")),
        ("S.f(a[, b]) -> int", ("(a[, b]) -> int", "")),
        ("D.f() -> a view on the keys", ("()", "a view on the keys")),
        ("f(a) -- say it", ("(a)", "say it")),
        ("g(a) does it", ("", "g(a) does it")),
        ("f(a) is fine", ("", "f(a) is fine")),
    ],
)
def test_split_signature_line(doc: str, expected: tuple[str, str]) -> None:
    assert split_signature_line(doc, "f") == expected


class _Colour(enum.Enum):
    RED = 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (70, "70"), ("a b", "'a b'"), (None, "None"), (len, "len"), (int, "int"),
        (_Colour.RED, "_Colour.RED"), (object(), "..."), ("x" * 80, "..."), (1e-5, "1e-05"),
        (os.environ, "..."), ((1, 2), "(1, 2)"), ("<b>", "'<b>'"), (float("inf"), "inf"),
    ],
)  # fmt: skip
def test_default_text(value: object, text: str) -> None:
    assert default_text(value) == text


def test_signature_text_marks_and_stars() -> None:
    def f(self: int, a: int, /, b: str = "x", *c: int, d: int, e: int = 2, **g: int) -> None: ...

    assert signature_text(f, drop_first=True) == "(a, /, b='x', *c, d, e=2, **g)"
    assert signature_text(f, drop_first=False).startswith("(self, a, /")
    assert signature_text(_Colour, drop_first=False) == ""
    assert signature_text(3, drop_first=False) == ""


def test_normal_signature() -> None:
    said = "(self: m.Block, n: int = 2, *, k: str = 'a') -> list[x::y]"
    assert normal_signature(said, drop_self=True) == "(n=2, *, k='a')"
    assert normal_signature("(sub[, start]) -> int", drop_self=True) == "(sub[, start]) -> int"
