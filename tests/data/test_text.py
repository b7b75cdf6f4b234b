"""Text, Markdown and HTML files cut into sections."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.core.records import Document
from luthier.data.text import TextSource, files_of, html_paragraphs, read_text, sections

PAGE = """<html><head><title>No</title><style>p {}</style></head>
<body><nav><p>Menu</p></nav>
<h1>A heading</h1>
<p>First   <b>bold</b>
words &amp; more.</p><script>bad()</script>
<pre>x = 1
  y = 2</pre>
</body></html>"""


def _read(base: Path, *paths: str, **settings: int) -> tuple[list[Document], Ledger]:
    ledger = Ledger()
    return read_text(TextSource(paths=paths, **settings), base, ledger, Quiet()), ledger


def test_html_is_stripped_with_lines() -> None:
    assert list(html_paragraphs(PAGE)) == [
        (3, "A heading"),
        (4, "First bold words & more."),
        (6, "x = 1\n  y = 2"),
    ]


def test_files_of_all_kinds(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    body = "Some words that are long enough to be kept as a section of their own."
    (tmp_path / "docs" / "a.md").write_text(f"# Title here\n\n{body}\n")
    (tmp_path / "docs" / "b.txt.gz").write_bytes(gzip.compress(f"\n\n{body}\n".encode()))
    (tmp_path / "docs" / "c.html").write_text(f"<p>{body}</p>")
    (tmp_path / "docs" / "d.png").write_bytes(b"\x89PNG")
    documents, ledger = _read(tmp_path, "docs/*")
    assert not ledger.entries
    assert [(d.id, d.origin, d.group, d.title[:10]) for d in documents] == [
        ("docs/a.md#1", "docs/a.md:1", "docs/a.md", "Title here"),
        ("docs/b.txt.gz#1", "docs/b.txt.gz:3", "docs/b.txt.gz", "Some words"),
        ("docs/c.html#1", "docs/c.html:1", "docs/c.html", "Some words"),
    ]


def test_sections_are_bounded_and_start_on_their_line(tmp_path: Path) -> None:
    paragraphs = [f"Paragraph {n} says something of some length, again and again." * 2
                  for n in range(20)]  # fmt: skip
    text = "\n\n".join(paragraphs)
    (tmp_path / "a.txt").write_text(text)
    documents, _ = _read(tmp_path, "a.txt", section_chars=300)
    assert all(len(d.text) <= 300 for d in documents)
    assert "\n\n".join(d.text for d in documents) == text
    lines = text.split("\n")
    for document in documents:
        line = int(document.origin.rpartition(":")[2])
        assert document.text.startswith(lines[line - 1])


@given(st.lists(st.text("ab. \n", min_size=1, max_size=120), max_size=8), st.integers(20, 60))
@settings(max_examples=80, deadline=None)
def test_cutting_loses_no_letter(paragraphs: list[str], limit: int) -> None:
    found = list(sections(iter(enumerate(paragraphs, 1)), limit))
    assert all(len(text) <= limit for _, text in found)
    assert "".join("".join(t for _, t in found).split()) == "".join("".join(paragraphs).split())


def test_unusable_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9 " * 30)
    (tmp_path / "broken.txt.gz").write_bytes(b"\x1f\x8bnot gzip at all")
    (tmp_path / "short.txt").write_text("Too short.")
    documents, ledger = _read(tmp_path, "*")
    assert not documents
    assert {e.origin: e.reason for e in ledger.entries} == {
        "broken.txt.gz": "file cannot be read",
        "latin.txt": "file is not UTF-8",
        "short.txt:1": "section too short",
    }


def test_no_match_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no text file matches 'docs/\*\.md'"):
        files_of(TextSource(paths=("docs/*.md",)), tmp_path)


def test_absolute_patterns_and_overlaps(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    source = TextSource(paths=("*.txt", str(tmp_path / "a.txt")))
    assert files_of(source, tmp_path) == [("a.txt", tmp_path / "a.txt")]
