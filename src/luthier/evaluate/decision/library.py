"""All documents, to look for what supports an answer: a `Corpus` over an index."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from luthier.core.columns import to_records
from luthier.core.records import Passage
from luthier.rag.access import ANYONE, seen
from luthier.rag.index import Index, open_index
from luthier.rag.query import QuerySpec
from luthier.rag.rank import RankSpec
from luthier.rag.spec import RagSpec


class Library:
    """The passages of an index that everyone may see, searched by words alone.

    Args:
        folder: The index.
        spec: Its settings; how it ranks is left aside.
    """

    def __init__(self, folder: Path, spec: RagSpec) -> None:
        plain = {"retriever": "bm25", "query": QuerySpec(), "ranking": RankSpec()}
        self._index: Index = open_index(folder, spec.model_copy(update=plain))

    def near(self, texts: Sequence[str], count: int) -> list[list[Passage]]:
        """For each text the passages that share most words with it."""
        return self._index.search_many(texts, count) if texts else []

    def of_document(self, document_id: str) -> list[Passage]:
        """The passages of a document, in order; none if it is not there."""
        return list(self._documents.get(document_id, ()))

    @functools.cached_property
    def _documents(self) -> dict[str, list[Passage]]:
        made: dict[str, list[Passage]] = {}
        names = list(Passage.__dataclass_fields__)
        for table in self._index.legs.tables():
            kept = table.select([name for name in names if name in table.column_names])
            for passage in seen(to_records(kept, Passage), ANYONE):
                made.setdefault(passage.document_id, []).append(passage)
        for passages in made.values():
            passages.sort(key=lambda p: (p.start, p.end))
        return made
