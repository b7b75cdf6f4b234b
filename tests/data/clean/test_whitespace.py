"""White space is tidied without touching what it means."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from luthier.data.clean.whitespace import WhitespaceSpec, tidy

SPEC = WhitespaceSpec()


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a\r\nb\rc", "a\nb\nc"),
        ("page\x0cpage", "page\npage"),
        ("10\u00a0km", "10 km"),
        ("a  \nb\t\n", "a\nb"),
        ("\n\n  a", "  a".strip()),
        ("a\n\n\n\n\n\nb", "a\n\n\nb"),
        ("東\u3000京", "東\u3000京"),
        ("def f():\n    return 1", "def f():\n    return 1"),
        ("two  spaces", "two  spaces"),
    ],
)
def test_tidy(text: str, clean: str) -> None:
    assert tidy(text, SPEC) == clean


def test_collapse_keeps_indentation() -> None:
    spec = WhitespaceSpec(collapse=True, max_blank_lines=0)
    assert tidy("a:\n    b  =\t c\n\nd", spec) == "a:\n    b = c\nd"


@given(st.text(alphabet=" \t\r\n\u00a0\x0cab", max_size=60), st.booleans())
@settings(deadline=None, max_examples=60)
def test_tidying_twice_changes_nothing(text: str, collapse: bool) -> None:
    spec = WhitespaceSpec(collapse=collapse, max_blank_lines=1)
    once = tidy(text, spec)
    assert tidy(once, spec) == once
    assert once.replace(" ", "").replace("\n", "") == "".join(c for c in text if c in "ab") or (
        "\t" in once
    )


def test_a_million_spaces_take_no_time() -> None:
    assert tidy("a" + " " * 1_000_000 + "b", WhitespaceSpec(collapse=True)) == "a b"
