"""A missing library is named, with how to get it, before any work is done."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pdf_files import pdf_of

from luthier.core.errors import ResourceError
from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.data.sources._libraries import require
from luthier.data.sources.text import TextSource, read_text
from luthier.data.sources.web import WebSource, digest_web, read_web


def test_what_is_there() -> None:
    require("json", "JSON")


@pytest.mark.parametrize("name", ["no_such_library", "pypdfium2"])
def test_what_is_missing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ResourceError, match=f"needs the library {name}") as caught:
        require(name, "PDF files")
    assert "luthier[data]" in caught.value.mend


@pytest.mark.parametrize(("file", "library"), [("a.pdf", "pypdfium2"), ("a.docx", "docx")])
def test_files_that_need_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, library: str
) -> None:
    (tmp_path / file).write_bytes(pdf_of(["x"]))
    (tmp_path / "b.txt").write_text("Words enough to be a section of their own here.")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ResourceError, match=library):
        list(read_text(TextSource(paths=("*",)), tmp_path, Ledger(), Quiet()))
    assert len(list(read_text(TextSource(paths=("*.txt",)), tmp_path, Ledger(), Quiet()))) == 1


def test_pages_need_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = WebSource(urls=("http://127.0.0.1:9/",), offline=True)
    monkeypatch.setitem(sys.modules, "trafilatura", None)
    with pytest.raises(ResourceError, match="trafilatura"):
        list(read_web(source, tmp_path, Ledger(), Quiet()))
    whole = source.model_copy(update={"extract": "page"})
    assert list(read_web(whole, tmp_path, Ledger(), Quiet())) == []
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(ResourceError, match="httpx2"):
        digest_web(whole, tmp_path)
