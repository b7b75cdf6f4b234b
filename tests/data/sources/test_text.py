"""Text, Markdown and HTML files cut into sections."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import docx
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from pdf_files import pdf_of

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.core.records import Document
from luthier.data.sources.text import TextSource, digest_text, files_of, read_text


def _read(base: Path, *paths: str, **settings: int) -> tuple[list[Document], Ledger]:
    ledger = Ledger()
    return list(read_text(TextSource(paths=paths, **settings), base, ledger, Quiet())), ledger


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


def test_a_folder_is_read_whole(tmp_path: Path) -> None:
    for name in ("docs/a.txt", "docs/deep/b.md", "docs/.git/c.txt", "docs/d.png", "e.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert [n for n, _ in files_of(TextSource(paths=("docs",)), tmp_path)] == [
        "docs/a.txt",
        "docs/deep/b.md",
    ]
    assert len(files_of(TextSource(paths=(".",)), tmp_path)) == 3
    with pytest.raises(DataError, match="is not a pattern"):
        files_of(TextSource(paths=("a**b/***",)), tmp_path)


def test_pdf_and_word_files(tmp_path: Path) -> None:
    words = "Words enough to be a section of their own, in a file of its own kind."
    (tmp_path / "a.pdf").write_bytes(pdf_of([words, "", f"{words}\n{words}"]))
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.4 broken")
    (tmp_path / "c.docx").write_bytes(b"broken")
    document = docx.Document()
    document.add_heading("Guide", 1)
    document.add_paragraph(words * 3)
    document.add_heading("Install", 2)
    document.add_paragraph(words * 3)
    out = io.BytesIO()
    document.save(out)
    (tmp_path / "d.docx").write_bytes(out.getvalue())
    documents, ledger = _read(tmp_path, "*", section_chars=230)
    assert [(d.id, d.origin, d.title) for d in documents] == [
        ("a.pdf#1", "a.pdf:page 1", words),
        ("a.pdf#2", "a.pdf:page 3", words),
        ("d.docx#1", "d.docx:paragraph 1", "Guide"),
        ("d.docx#2", "d.docx:paragraph 3", "Guide > Install"),
    ]
    assert {e.origin: e.reason for e in ledger.entries} == {
        "a.pdf:page 2": "page without text, needs OCR",
        "b.pdf": "file is damaged",
        "c.docx": "file is damaged",
    }


def test_markdown_sections_are_called_by_their_headings(tmp_path: Path) -> None:
    words = "Words enough to be a section of their own. " * 5
    (tmp_path / "a.md").write_text(f"# Guide\n\n{words}\n\n## Install\n\n{words}\n")
    documents, _ = _read(tmp_path, "a.md", section_chars=230)
    assert [(d.title, d.origin) for d in documents] == [
        ("Guide", "a.md:1"),
        ("Guide > Install", "a.md:5"),
    ]


def test_other_encodings(tmp_path: Path) -> None:
    words = "Déjà vu: des mots assez longs pour une section entière."
    (tmp_path / "a.txt").write_text(words, encoding="utf-16")
    page = f"<meta charset=latin1><p>{words}</p>"
    (tmp_path / "b.html").write_text(page, encoding="latin-1")
    documents, ledger = _read(tmp_path, "*")
    assert [d.text for d in documents] == [words, words]
    assert [(e.action, e.detail) for e in ledger.entries] == [
        ("changed", "read as utf-16"),
        ("changed", "read as cp1252"),
    ]


@given(st.text("ab #=-\n", min_size=1, max_size=300), st.sampled_from(["md", "txt", "rst"]))
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_word_is_lost_in_silence(tmp_path: Path, text: str, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_text(text)
    documents, ledger = _read(tmp_path, path.name, section_chars=200, min_section_chars=20)
    assert documents or ledger.refused
    told = [e.detail for e in ledger.entries if e.reason != "file without text"]
    joined = [d.text for d in documents] + told
    assert sorted("".join("".join(joined).split())) == sorted("".join(text.split()))


def test_the_digest_follows_names_and_contents(tmp_path: Path) -> None:
    source = TextSource(paths=("*.txt",))
    (tmp_path / "a.txt").write_text("one")
    first = digest_text(source, tmp_path)
    assert digest_text(source, tmp_path) == first
    (tmp_path / "a.txt").write_text("two")
    second = digest_text(source, tmp_path)
    (tmp_path / "a.txt").rename(tmp_path / "b.txt")
    assert len({first, second, digest_text(source, tmp_path)}) == 3


def test_programs_are_read_whole_where_their_ending_is_named(tmp_path: Path) -> None:
    body = "def f(a):\n    return a\n\n\n" + "".join(f"X{n} = {n}\n" for n in range(500))
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "tool.py").write_text(f"\n\n{body}\n")
    (tmp_path / "src" / "a.py.gz").write_bytes(
        gzip.compress(b"    indented = 1  # and long enough")
    )
    (tmp_path / "src" / "a.txt").write_text("Words that are long enough to be a section here.")
    (tmp_path / "src" / "empty.py").write_text("\n")
    whole, _ = _read(tmp_path, "src")
    assert [d.origin for d in whole] == ["src/a.txt:1"]
    documents, ledger = _read(tmp_path, "src/*.py", "src/*.py.gz", min_section_chars=10)
    assert [(d.id, d.origin, d.title, d.kind) for d in documents] == [
        ("src/a.py.gz#1", "src/a.py.gz:1", "a.py.gz", "code"),
        ("src/tool.py#1", "src/tool.py:3", "tool.py", "code"),
    ]
    assert [d.text for d in documents] == ["    indented = 1  # and long enough", body.rstrip()]
    assert ledger.reasons() == {"file without text": 1}
