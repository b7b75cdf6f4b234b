"""All documents, to look for what supports an answer: a `Corpus` over an index."""

from __future__ import annotations

import functools
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from luthier.core.columns import to_records
from luthier.core.ledger import Ledger
from luthier.core.progress import Progress
from luthier.core.records import Document, Passage
from luthier.models.embed import open_encoder
from luthier.rag.abstain import FILE_NAME as CALIBRATION
from luthier.rag.access import ANYONE, seen
from luthier.rag.index import DRAFT, SEARCH, Index, Record, open_index, read_record
from luthier.rag.legs import Legs
from luthier.rag.query import QuerySpec
from luthier.rag.rank import RankSpec
from luthier.rag.rows import embed, made_with, passages_of
from luthier.rag.spec import RagSpec
from luthier.rag.stores.store import rows_of
from luthier.rag.sync import digest_of_document


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


def reindexed(
    spec: RagSpec, folder: Path, changed: Sequence[Document], into: Path, progress: Progress
) -> dict[str, Any]:
    """Write an index as it is after some documents changed; only these are embedded.

    Args:
        spec: Settings of the index.
        folder: The index before.
        changed: Documents of it, with their new texts.
        into: Filled with the index after.
        progress: Where progress is shown.

    Returns:
        ``documents`` that changed, their ``passages``, and ``seconds``.
    """
    started = time.monotonic()
    record, encoder = read_record(folder), open_encoder(spec.encoder)
    legs = Legs.open(folder / SEARCH, record.version, spec.words)
    passages = passages_of(spec, changed, encoder, Ledger(), progress)
    made = made_with(spec, encoder)
    vectors = embed(spec, passages, encoder, into / DRAFT, progress) if made.embed else None
    digests = {one.id: digest_of_document(one, made) for one in changed}
    after = legs.updated(rows_of(passages, digests, vectors))
    after.save(into / SEARCH, 1)
    shutil.rmtree(into / DRAFT, ignore_errors=True)
    if (folder / CALIBRATION).is_file():
        shutil.copyfile(folder / CALIBRATION, into / CALIBRATION)
    told = (record.settings, record.encoder_digest, after.count, record.documents, time.time())
    Record(1, *told).write(into)
    return {
        "documents": len(changed),
        "passages": len(passages),
        "seconds": round(time.monotonic() - started, 3),
    }
