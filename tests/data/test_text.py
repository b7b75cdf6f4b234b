"""The old place of source kind ``text`` still answers."""

from __future__ import annotations

from pathlib import Path

from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.data.text import TextSource, read_text


def test_it_reads_all_documents_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Words enough to be kept as a section of their own.")
    found = read_text(TextSource(paths=("*.txt",)), tmp_path, Ledger(), Quiet())
    assert [d.id for d in found] == ["a.txt#1"]
