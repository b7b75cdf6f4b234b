"""The old place of source kind ``text``; it is read by ``luthier.data.sources.text``."""

from __future__ import annotations

from pathlib import Path

from luthier.core.ledger import Ledger
from luthier.core.progress import Progress
from luthier.core.records import Document
from luthier.data.sources import text
from luthier.data.sources.text import TextSource, files_of

__all__ = ["TextSource", "files_of", "read_text"]


def read_text(source: TextSource, base: Path, ledger: Ledger, progress: Progress) -> list[Document]:
    """All documents of the source at once; see ``luthier.data.sources.text.read_text``."""
    return list(text.read_text(source, base, ledger, progress))
