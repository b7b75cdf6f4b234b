"""Paragraphs are joined and cut without losing a word."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st

from luthier.core.ledger import Ledger
from luthier.data.sources._sections import (
    as_documents,
    heading_at,
    heading_paths,
    plain_paragraphs,
    sections,
)

WORDS = st.lists(st.text("ab. \n", min_size=1, max_size=120), max_size=8)


@given(WORDS, st.integers(20, 60), st.booleans())
@settings(max_examples=80, deadline=None)
def test_cutting_loses_no_letter(paragraphs: list[str], limit: int, by_line: bool) -> None:
    found = list(sections(enumerate(paragraphs, 1), limit, by_line=by_line))
    assert all(len(text) <= limit for _, text in found)
    assert "".join("".join(t for _, t in found).split()) == "".join("".join(paragraphs).split())


@given(st.text("ab #\n\t\r", max_size=200))
@settings(max_examples=100, deadline=None)
def test_plain_paragraphs_stand_on_their_lines(text: str) -> None:
    lines = text.replace("\r\n", "\n").split("\n")
    found = list(plain_paragraphs(text))
    for line, paragraph in found:
        assert lines[line - 1].strip() == paragraph.split("\n")[0].strip()
    assert " ".join(p for _, p in found).split() == text.split()


@given(WORDS, st.integers(1, 40))
@settings(max_examples=80, deadline=None)
def test_every_section_is_a_document_or_in_the_ledger(texts: list[str], shortest: int) -> None:
    ledger = Ledger()
    found = [(f"a:{n}", text, "") for n, text in enumerate(texts)]
    documents = list(as_documents(iter(found), "a", shortest, ledger))
    ledger.check(rows_in=len(found), rows_out=len(documents), limit=1.0, stage="sections")
    assert {d.origin for d in documents} | {e.origin for e in ledger.entries} == {
        origin for origin, _, _ in found
    }


def test_places_inside_a_long_paragraph() -> None:
    text = "\n".join(["one line of it"] * 4)
    assert [place for place, _ in sections([(5, text)], 30)] == [5, 7]
    assert [place for place, _ in sections([(5, text)], 30, by_line=False)] == [5, 5]


def test_a_line_of_megabytes_is_cut_without_copying_its_rest() -> None:
    found = list(sections([(3, "x" * 5_000_000 + "\n\ntail of it ")], 1000))
    assert [len(text) for _, text in found[:5000]] == [1000] * 5000
    assert found[-1] == (5, "tail of it")


def test_headings_stand_with_what_follows() -> None:
    paragraphs = [(1, "Guide"), (2, "w" * 30), (3, "Install"), (4, "v" * 30)]
    assert [place for place, _ in sections(paragraphs, 100)] == [1]
    assert [place for place, _ in sections(paragraphs, 100, headings={1, 3})] == [1, 3]
    assert [place for place, _ in sections(paragraphs, 200, headings={1, 3})] == [1]


def test_heading_paths() -> None:
    paths = heading_paths([(1, 1, "Guide"), (4, 3, "Deep"), (9, 2, "Install"), (20, 1, "End")])
    assert [path for _, path in paths] == ["Guide", "Guide > Deep", "Guide > Install", "End"]
    assert [heading_at(paths, place) for place in (0, 1, 8, 9, 99)] == [
        "",
        "Guide",
        "Guide > Deep",
        "Guide > Install",
        "End",
    ]
    assert heading_at([], 3) == ""


def test_titles_without_headings() -> None:
    found = [("a:1", "* Short first line\nand more", ""), ("a:2", "w" * 90, ""), ("a:3", "--", "T")]
    told = as_documents(found, "docs/a.txt", 1, Ledger())
    assert [d.title for d in told] == ["Short first line", "a.txt", "T"]
