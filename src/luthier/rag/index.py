"""Index documents and find the passages that answer a question.

An index is a folder. ``index.json`` names its version, its settings and its encoder; ``search/``
holds what is searched (`luthier.rag.legs`). `build` fills a folder once, for a bundle; a living one
has its store beside it and follows its sources (`luthier.rag.live`). There are no absolute paths in
it: a copy works anywhere.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from luthier.core.errors import DataError, StoreError
from luthier.core.ledger import Ledger
from luthier.core.progress import Progress
from luthier.core.records import Document, Message, Passage
from luthier.core.store import write_atomic
from luthier.models.embed import open_encoder
from luthier.models.encode import Encodes
from luthier.models.generate import Generate
from luthier.rag.access import Slice
from luthier.rag.legs import Legs
from luthier.rag.retrieve import Found, Means, open_means, question_of, retrieve
from luthier.rag.rows import check_ids, embed, made_with, passages_of, shortened
from luthier.rag.search.stored import AnyLegs, open_stored
from luthier.rag.spec import RagSpec, index_settings
from luthier.rag.stores.open import open_store
from luthier.rag.stores.store import PassageStore, rows_of
from luthier.rag.sync import digest_of_document

BUILD_VERSION = 2
INDEX_FILE = "index.json"
SEARCH, DRAFT, STORE = "search", "draft", "store"


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """What ``index.json`` says.

    Attributes:
        version: Of the index; 1 for one that was built once.
        settings: See `luthier.rag.spec.index_settings`.
        encoder_digest: Of the encoder that made the vectors; "" without vectors.
        passages: How many there are.
        documents: Of how many documents.
        made_s: When this version was made, in seconds since 1970.
        search: Where it is searched: in memory, or in the store beside it.
    """

    version: int
    settings: dict[str, Any]
    encoder_digest: str
    passages: int
    documents: int
    made_s: float
    search: Literal["memory", "store"] = "memory"

    def write(self, folder: Path) -> None:
        """Write it into a folder in one step; readers see the old one or this."""
        told = {"format": BUILD_VERSION, **dataclasses.asdict(self)}
        write_atomic(folder / INDEX_FILE, json.dumps(told, indent=2, sort_keys=True))


def build(
    spec: RagSpec, documents: Sequence[Document], folder: Path, progress: Progress
) -> dict[str, Any]:
    """Cut, embed and index documents.

    Args:
        spec: See `RagSpec`.
        documents: What to index; ids must be unique. Documents without text stand in the ledger.
        folder: Filled with what `open_index` reads; what an earlier call embedded is used.
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
    check_ids(documents)
    encoder = open_encoder(spec.encoder)
    ledger = Ledger()
    passages = passages_of(spec, documents, encoder, ledger, progress)
    there = {p.document_id for p in passages}
    ledger.check(rows_in=len(documents), rows_out=len(there), limit=1.0, stage="index")
    if not passages:
        raise DataError(
            f"none of {len(documents)} documents has text to index", where=documents[0].origin
        )
    vectors, embed_s = None, 0.0
    made = made_with(spec, encoder)
    if made.embed:
        before = time.monotonic()
        vectors = embed(spec, passages, encoder, folder / DRAFT, progress)
        embed_s = time.monotonic() - before
    digests = {d.id: digest_of_document(d, made) for d in documents if d.id in there}
    Legs.of([rows_of(passages, digests, vectors)], spec.words).save(folder / SEARCH, 1)
    shutil.rmtree(folder / DRAFT, ignore_errors=True)
    ledger.write(folder)
    record = Record(1, index_settings(spec), made.embed, len(passages), len(there), time.time())
    record.write(folder)
    return {
        "documents": len(documents),
        "refused": ledger.refused,
        "passages": len(passages),
        "shortened": shortened(passages, encoder),
        "seconds": round(time.monotonic() - started, 3),
        "passages_per_s": round(len(passages) / embed_s, 1) if embed_s else 0.0,
        "encoder_digest": encoder.digest,
        "dimension": encoder.dimension,
    }


class Index:
    """An index opened for searching; it writes nothing. Made by `open_index`.

    Args:
        folder: Where it is.
        spec: How it is searched.
        encoder: Makes vectors of questions; None where words alone are searched.
        model: Works on questions, for the steps of ``query`` that ask one.

    Attributes:
        folder: See above.
        spec: See above.
    """

    def __init__(
        self, folder: Path, spec: RagSpec, encoder: Encodes | None, model: Generate | None = None
    ) -> None:
        self.folder, self.spec = folder, spec
        self._encoder, self._model = encoder, model
        self._stamp: tuple[int, int] = (0, 0)
        self._store: PassageStore | None = None
        self._record, self._means = self._opened()

    @property
    def legs(self) -> AnyLegs:
        """What is searched."""
        return self._means.legs

    @property
    def count(self) -> int:
        """Passages in it."""
        return self._means.legs.count

    @property
    def way(self) -> Literal["memory", "store"]:
        """Where it is searched."""
        return self._record.search

    @property
    def version(self) -> int:
        """Of what is searched."""
        return self._record.version

    @property
    def encoder_digest(self) -> str:
        """Of the encoder that made its vectors."""
        return self._record.encoder_digest

    def refresh(self) -> bool:
        """Take up a version that was written since; tells whether there was one."""
        if _stamp(self.folder) == self._stamp:
            return False
        before = self._record.version
        self._record, self._means = self._opened()
        return self._record.version != before

    def search(self, query: str, k: int | None = None, part: Slice | None = None) -> list[Passage]:
        """The passages that answer a question best, best first.

        Args:
            query: The question. An empty one finds nothing.
            k: How many; by default ``spec.top_k``.
            part: Where one may look; by default what everyone may see.

        Returns:
            At most ``k`` passages with their scores, equal scores in the order of their ids.

        Raises:
            StoreError: The index is damaged.
        """
        return self.search_many([query], k, part)[0]

    def search_many(
        self, queries: Sequence[str], k: int | None = None, part: Slice | None = None
    ) -> list[list[Passage]]:
        """`search` for many questions, embedded together."""
        return [list(one.passages) for one in self.look_up(queries, k, part)]

    def look_up(
        self,
        asked: Sequence[str | Sequence[Message]],
        k: int | None = None,
        part: Slice | None = None,
    ) -> list[Found]:
        """`search` with what was done to each question, and why each passage stands where it does.

        Args:
            asked: Questions, or conversations whose last user turn is one.
            k: As for `search`.
            part: As for `search`.
        """
        self.refresh()
        wanted = self.spec.top_k if k is None else k
        return retrieve(self._means, asked, wanted, part or Slice())

    def question(self, conversation: Sequence[Message]) -> str:
        """The question of a conversation as it stands alone, as ``query.fold`` says."""
        return question_of(self._means, conversation)

    def _opened(self) -> tuple[Record, Means]:
        stamp = _stamp(self.folder)
        record = read_record(self.folder)
        if self._encoder is not None:
            _check_encoder(record, self._encoder, self.spec, self.folder)
        try:
            legs = self._searched(record)
        except StoreError:  # its files were just replaced, or it is damaged: a second look tells
            record = read_record(self.folder)
            legs = self._searched(record)
        if legs.count != record.passages:
            raise _damaged(self.folder, f"{legs.count} passages instead of {record.passages}")
        means = open_means(legs, self.spec, self._encoder, self._model)
        self._stamp = stamp
        return record, means

    def _searched(self, record: Record) -> AnyLegs:
        search, words = self.folder / SEARCH, self.spec.words
        if record.search == "memory":
            return Legs.open(search, record.version, words)
        if self._store is None:
            self._store = open_store(self.spec.store, self.folder / STORE)
        return open_stored(search, self._store, record.version, words)


def open_index(folder: Path, spec: RagSpec, model: Generate | None = None) -> Index:
    """Open an index for searching.

    Args:
        folder: What `build` filled, or a copy of it, or a living index. Nothing is written into it.
        spec: How to search. Settings that decide the index (`index_settings`) may not differ
            in kind: without vectors only bm25 works. The encoder must be the one it was made with.
        model: Works on questions, for the steps of ``query`` that ask one.

    Raises:
        StoreError: The folder is not an index, is damaged, lacks vectors, or was made with
            another encoder.
        ResourceError: The encoder is not installed.
        ModelError: The encoder cannot be used.
    """
    encoder = None
    if spec.retriever != "bm25":
        if not read_record(folder).encoder_digest:
            raise StoreError(
                f"this index has no vectors, so it cannot be searched with '{spec.retriever}'",
                where=str(folder),
                mend="Use the retriever bm25, or build the index anew.",
            )
        encoder = open_encoder(spec.encoder)
    return Index(folder, spec, encoder, model)


def read_record(folder: Path) -> Record:
    """What ``index.json`` says.

    Raises:
        StoreError: The folder is no index, is damaged, or of another format.
    """
    path = folder / INDEX_FILE
    if not path.is_file():
        raise StoreError(
            "this folder is not an index: it lacks index.json",
            where=str(folder),
            mend="`luthier run` builds one for a bundle, `luthier rag index` one that lives.",
        )
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        form = told.pop("format", told.get("version"))
        if form == BUILD_VERSION:
            return Record(**told)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise _damaged(folder, f"index.json cannot be read ({error})") from error
    raise StoreError(
        f"this index has the format {form}; this Luthier reads {BUILD_VERSION}",
        where=str(folder),
        mend="`luthier rag index` makes it anew, a bundle's `luthier run`.",
    )


def _check_encoder(record: Record, encoder: Encodes, spec: RagSpec, folder: Path) -> None:
    if encoder.digest != record.encoder_digest:
        name = getattr(spec.encoder, "name", "") or getattr(spec.encoder, "model", "")
        raise StoreError(
            f"this index was made with another encoder than '{name}' "
            f"({record.encoder_digest[:12]}, not {encoder.digest[:12]})",
            where=str(folder),
            mend="Name the encoder it was made with, or index with this one: luthier rag index.",
        )


def _stamp(folder: Path) -> tuple[int, int]:
    """What changes when ``index.json`` is replaced."""
    try:
        told = (folder / INDEX_FILE).stat()
    except OSError:
        return (0, 0)
    return (told.st_mtime_ns, told.st_ino)


def _damaged(folder: Path, how: str) -> StoreError:
    return StoreError(
        f"damaged index: {how}",
        where=str(folder),
        mend="Delete this folder and run again: the index is made anew.",
    )
