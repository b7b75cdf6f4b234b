"""A citation is what the text of a passage shows, and nothing else."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, strategies as st

from luthier.core.records import Passage
from luthier.rag.cite import cite, longest_run


def passage(name: str, text: str) -> Passage:
    return Passage(f"{name}#0", name, name, text, f"{name}.py:1", 0, len(text))


FILL = passage(
    "textwrap.fill",
    "fill(text, width=70, **kwargs)\nFill a single paragraph of text, returning a new string. "
    "It never cuts words of 70 columns.",
)
WRAP = passage("textwrap.wrap", "Wrap the text and return a list of lines.")


@pytest.mark.parametrize(
    ("answer", "cited"),
    [
        ("Fill a single paragraph of text, returning a new string.", ("textwrap.fill#0",)),
        ("It fills a single paragraph of text, returning a new string", ("textwrap.fill#0",)),
        ("70", ("textwrap.fill#0",)),  # short: the whole answer stands there
        ("a list of lines", ("textwrap.wrap#0",)),
        ("text", ("textwrap.fill#0", "textwrap.wrap#0")),
        ("80", ()),
        ("textwrap.fill", ("textwrap.fill#0",)),  # titles count
        ("text a list", ()),  # short, but not one run
        ("a", ()),  # nothing with a meaning
        ("", ()),
        ("Fill a single paragraph of text, returning a new string of 80", ()),  # a number
        ("Never fill a single paragraph of text without returning a new string", ()),
        ("It never cuts words of 70 columns", ("textwrap.fill#0",)),
        ("single paragraph of text is parsed into XML nodes by a worker", ()),  # half is invented
    ],
)
def test_what_is_cited(answer: str, cited: tuple[str, ...]) -> None:
    assert cite(answer, [FILL, WRAP]) == cited


def test_what_stands_in_the_prompt_counts() -> None:
    window = dataclasses.replace(WRAP, context=f"Lines are joined by newlines. {WRAP.text}")
    assert cite("Lines are joined by newlines", [window]) == ("textwrap.wrap#0",)
    assert cite("Lines are joined by newlines", [WRAP]) == ()


@given(st.lists(st.sampled_from("abc"), max_size=8), st.lists(st.sampled_from("abc"), max_size=8))
def test_the_longest_run_is_what_trying_all_runs_finds(left: list[str], right: list[str]) -> None:
    runs = {tuple(right[i:j]) for i in range(len(right)) for j in range(i, len(right) + 1)}
    wanted = max(
        (j - i for i in range(len(left)) for j in range(i, len(left) + 1)
         if tuple(left[i:j]) in runs),
        default=0,
    )  # fmt: skip
    assert longest_run(left, right) == wanted
