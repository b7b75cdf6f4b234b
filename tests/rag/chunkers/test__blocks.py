"""Blocks are what a reader would call a paragraph, a list, a table, a piece of code."""

from __future__ import annotations

import pytest
from chunk_checks import texts
from hypothesis import given, strategies as st

from luthier.rag.chunkers._blocks import Content, blocks


def seen(text: str, content: Content = "markdown") -> list[tuple[str, str]]:
    return [(one.kind, text[one.start : one.end]) for one in blocks(text, content)]


def test_markdown_is_told_apart() -> None:
    text = (
        "# Tea\nIs hot.\nAnd wet.\n\n- green\n  as grass\n\n- black\n\n"
        "```python\na = 1\n\nb = 2\n```\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n\nOld\n===\n\n    f(x)\n\n    g(x)\nEnd."
    )
    assert seen(text) == [
        ("heading", "# Tea"),
        ("", "Is hot.\nAnd wet."),
        ("list", "- green\n  as grass\n\n- black"),
        ("code", "```python\na = 1\n\nb = 2\n```"),
        ("table", "| a | b |\n|---|---|\n| 1 | 2 |"),
        ("heading", "Old\n==="),
        ("code", "    f(x)\n\n    g(x)"),
        ("", "End."),
    ]


def test_what_sources_make_of_pages_is_told_apart() -> None:
    text = "Prices:\nSencha | 5\nGyokuro | 9\n\n- one\n- two\n\n>>> f(1)\n2\n\n# no heading"
    assert seen(text, "prose") == [
        ("", "Prices:"),
        ("table", "Sencha | 5\nGyokuro | 9"),
        ("list", "- one\n- two"),
        ("code", ">>> f(1)\n2"),
        ("", "# no heading"),
    ]


def test_a_fence_without_an_end_goes_on() -> None:
    assert seen("~~~\n# a\n\nb\n") == [("code", "~~~\n# a\n\nb")]


def test_one_line_with_a_bar_is_no_table() -> None:
    assert seen("a | b\nis a choice") == [("", "a | b\nis a choice")]


def test_a_turn_goes_on_until_the_next() -> None:
    text = "Ann: Hi.\nHow are you?\n\nBob: Fine.\n[10:22] Ann: Good."
    assert seen(text, "conversation") == [
        ("conversation", "Ann: Hi.\nHow are you?"),
        ("conversation", "Bob: Fine."),
        ("conversation", "[10:22] Ann: Good."),
    ]


@pytest.mark.parametrize("content", ["code", "table"])
def test_code_and_tables_are_one_block(content: Content) -> None:
    assert seen("\n a\n\nb \n", content) == [(content, "a\n\nb")]


@given(texts, st.sampled_from(["code", "conversation", "markdown", "prose", "table"]))
def test_blocks_hold_everything_in_order(text: str, content: Content) -> None:
    place = 0
    for one in blocks(text, content):
        assert place <= one.start < one.end <= len(text)
        assert not text[place : one.start].strip()
        place = one.end
    assert not text[place:].strip()
