"""Index documents and find the passages that answer a question.

An index folder holds a LanceDB database (``lance/``), ``ledger.parquet`` and ``index.json``
(settings, the encoder's digest, counts, and the size of every file of the database, so that a
damaged copy is refused when it is opened). It holds no absolute paths: a copy works anywhere.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, assert_never

from luthier.core.errors import DataError, StoreError
from luthier.core.ledger import Ledger
from luthier.core.progress import Progress
from luthier.core.records import Document, Passage
from luthier.core.store import write_atomic
from luthier.models.encode import Encoder, Vectors, load_encoder
from luthier.rag._fuse import fuse, named, ranked
from luthier.rag._table import Hits, PassageTable, write_passages
from luthier.rag.passages import cut
from luthier.rag.spec import RagSpec, index_settings

BUILD_VERSION = 1
INDEX_FILE = "index.json"
DATABASE = "lance"
_DEPTH = 200  # candidates that each kind of search hands on to the fusion


def build(
    spec: RagSpec, documents: Sequence[Document], folder: Path, progress: Progress
) -> dict[str, Any]:
    """Cut, embed and index documents.

    Args:
        spec: See `RagSpec`.
        documents: What to index; ids must be unique. Documents without text stand in the ledger.
        folder: An empty folder, filled with what `open_index` reads.
        progress: Where progress is shown.

    Returns:
        Counts (``documents``, ``refused``, ``passages``, ``shortened``: passages whose title and
        text together are longer than the encoder reads), ``seconds``, ``passages_per_s`` of the
        embedding (0 without one), ``encoder_digest`` and ``dimension``.

    Raises:
        DataError: No documents, none with text, or two with one id.
        ResourceError: The encoder is not installed.
        ModelError: The encoder cannot be used.
        StoreError: The index cannot be written.
    """
    started = time.monotonic()
    _check_ids(documents)
    encoder = load_encoder(spec.encoder)
    ledger = Ledger()
    passages, shortened = _cut_all(spec, documents, encoder, ledger, progress)
    vectors, embed_s = None, 0.0
    if spec.retriever != "bm25":
        before = time.monotonic()
        vectors = _embed(encoder, passages, progress)
        embed_s = time.monotonic() - before
    write_passages(folder / DATABASE, passages, vectors)
    ledger.write(folder)
    summary = {
        "documents": len(documents),
        "refused": ledger.refused,
        "passages": len(passages),
        "shortened": shortened,
        "seconds": round(time.monotonic() - started, 3),
        "passages_per_s": round(len(passages) / embed_s, 1) if embed_s else 0.0,
        "encoder_digest": encoder.digest,
        "dimension": encoder.dimension,
    }
    record = {
        "version": BUILD_VERSION,
        "spec": spec.model_dump(mode="json"),
        "settings": index_settings(spec),
        "encoder_digest": encoder.digest,
        "passages": len(passages),
        "files": _sizes(folder / DATABASE),
    }
    write_atomic(folder / INDEX_FILE, json.dumps(record, indent=2, sort_keys=True))
    return summary


@dataclasses.dataclass(frozen=True, slots=True)
class Index:
    """An index opened for searching; it writes nothing. Made by `open_index`.

    Attributes:
        folder: Where it is.
        spec: How it is searched.
        count: Passages in it.
        encoder_digest: Of the encoder that made its vectors.
    """

    folder: Path
    spec: RagSpec
    count: int
    encoder_digest: str
    _table: PassageTable
    _encoder: Encoder | None

    def search(self, query: str, k: int | None = None) -> list[Passage]:
        """The passages that answer a question best, best first.

        Args:
            query: The question. An empty one finds nothing.
            k: How many; by default ``spec.top_k``.

        Returns:
            At most ``k`` passages with their scores, equal scores in the order of their ids.
            Scores are BM25 (bm25), a cosine (dense), or 0 to 1 + ``title_weight`` (hybrid).

        Raises:
            StoreError: The database fails.
        """
        return self.search_many([query], k)[0]

    def search_many(self, queries: Sequence[str], k: int | None = None) -> list[list[Passage]]:
        """`search` for many questions, embedded together."""
        wanted = self.spec.top_k if k is None else k
        asked = [i for i, query in enumerate(queries) if query.strip()]
        found: list[list[Passage]] = [[] for _ in queries]
        if wanted < 1 or not asked:
            return found
        texts = [queries[i] for i in asked]
        depth = max(_DEPTH, wanted)
        dense = [Hits({}, {})] * len(texts)
        if self._encoder is not None:
            dense = self._table.nearest(self._encoder.encode(texts), depth)
        best = [
            ranked(self._scores(text, near, depth), wanted)
            for text, near in zip(texts, dense, strict=True)
        ]
        passages = self._table.take(sorted({one for ranks in best for one, _ in ranks}))
        for i, ranks in zip(asked, best, strict=True):
            found[i] = [dataclasses.replace(passages[one], score=s) for one, s in ranks]
        return found

    def _scores(self, query: str, dense: Hits, depth: int) -> dict[str, float]:
        match self.spec.retriever:
            case "bm25":
                return self._table.match(query, depth).scores
            case "dense":
                return dense.scores
            case "hybrid":
                words = self._table.match(query, depth)
                fused = fuse(words.scores, dense.scores, self.spec.dense_weight)
                names = named(query, {**words.titles, **dense.titles})
                return {o: s + self.spec.title_weight * names[o] for o, s in fused.items()}
            case _ as never:
                assert_never(never)


def open_index(folder: Path, spec: RagSpec) -> Index:
    """Open an index for searching.

    Args:
        folder: What `build` filled, or a copy of it. Nothing is written into it.
        spec: How to search. Settings that decide the index (`index_settings`) may not differ
            in kind: without vectors only bm25 works. The encoder must be the one it was made with.

    Raises:
        StoreError: The folder is not an index, is damaged, lacks vectors, or was made with
            another encoder.
        ResourceError: The encoder is not installed.
        ModelError: The encoder cannot be used.
    """
    record = _read_record(folder)
    table = PassageTable(folder / DATABASE)
    if table.count() != record["passages"]:
        raise _damaged(folder, f"{table.count()} passages instead of {record['passages']}")
    encoder = None
    if spec.retriever != "bm25":
        if not record["settings"]["vectors"]:
            raise StoreError(
                f"this index has no vectors, so it cannot be searched with '{spec.retriever}'",
                where=str(folder),
                mend="Use the retriever bm25, or build the index anew.",
            )
        encoder = load_encoder(spec.encoder)
        if encoder.digest != record["encoder_digest"]:
            raise StoreError(
                f"this index was made with another encoder than '{spec.encoder}' "
                f"({record['encoder_digest'][:12]}, not {encoder.digest[:12]})",
                where=str(folder),
                mend="Name the encoder it was made with, or build the index anew.",
            )
    return Index(folder, spec, record["passages"], record["encoder_digest"], table, encoder)


def _check_ids(documents: Sequence[Document]) -> None:
    if not documents:
        raise DataError("there are no documents to index", mend="Check the sources under data.")
    seen: dict[str, Document] = {}
    for one in documents:
        if (first := seen.setdefault(one.id, one)) is not one:
            raise DataError(
                f"two documents have the id '{one.id}' (the other is from {first.origin})",
                where=one.origin,
            )


def _cut_all(
    spec: RagSpec,
    documents: Sequence[Document],
    encoder: Encoder,
    ledger: Ledger,
    progress: Progress,
) -> tuple[list[Passage], int]:
    """Passages of all documents, and how many the encoder cannot read whole."""
    readable = encoder.max_tokens - encoder.special_tokens
    passages: list[Passage] = []
    shortened = kept = 0
    with progress.task("cutting passages", len(documents)) as task:
        for one in documents:
            title = len(encoder.token_offsets(one.title))
            room = max(readable - title, readable // 2)  # a long title must not starve its text
            size = min(spec.chunk_size, room)
            overlap = min(spec.chunk_overlap, size // 2 - 1)
            pieces = cut(one, encoder.token_offsets, size=size, overlap=max(0, overlap))
            if pieces:
                kept += 1
            else:
                ledger.refuse("empty document", one.origin, one.id)
            if title + size > readable:
                lengths = (len(encoder.token_offsets(p.text)) for p in pieces)
                shortened += sum(title + length > readable for length in lengths)
            passages += pieces
            task.advance()
    ledger.check(rows_in=len(documents), rows_out=kept, limit=1.0, stage="index")
    if not passages:
        raise DataError(
            f"none of {len(documents)} documents has text to index", where=documents[0].origin
        )
    return passages, shortened


def _embed(encoder: Encoder, passages: Sequence[Passage], progress: Progress) -> Vectors:
    texts = [f"{p.title}\n{p.text}" for p in passages]
    with progress.task("embedding passages", len(texts)) as task:
        return encoder.encode(texts, advance=task.advance)


def _sizes(folder: Path) -> dict[str, int]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): p.stat().st_size for p in files}


def _read_record(folder: Path) -> dict[str, Any]:
    path = folder / INDEX_FILE
    if not path.is_file():
        raise StoreError(
            "this folder is not an index: it lacks index.json",
            where=str(folder),
            mend="Run `luthier run`; it builds the index.",
        )
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version, files = record["version"], record["files"]
        _ = record["passages"], record["encoder_digest"], record["settings"]["vectors"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, f"index.json cannot be read ({error})") from error
    if version != BUILD_VERSION:
        raise StoreError(
            f"this index has version {version}; this Luthier reads {BUILD_VERSION}",
            where=str(folder),
            mend="Build it anew.",
        )
    there = _sizes(folder / DATABASE)
    for name, size in files.items():
        if there.get(name) != size:
            state = "missing" if name not in there else f"{there[name]} bytes, not {size}"
            raise _damaged(folder, f"{DATABASE}/{name} is {state}")
    return record


def _damaged(folder: Path, how: str) -> StoreError:
    return StoreError(
        f"damaged index: {how}",
        where=str(folder),
        mend="Delete this folder and run again: the index is made anew.",
    )
