"""An index that lives: it follows its sources, keeps versions, and forgets what it must.

Beside what `luthier.rag.index` reads, its folder holds ``store/`` (all passages, by version; or the
store is a database) and ``draft/`` (vectors that a killed run has computed). The store changes
first, the search files follow, and ``index.json`` is replaced last: whoever asks meanwhile is
answered from the version before. A run that was killed in between is made good by the next.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from luthier.core.errors import LuthierError, StoreError
from luthier.core.ledger import Ledger
from luthier.core.progress import Progress
from luthier.core.records import Document, Passage
from luthier.models.embed import open_encoder
from luthier.models.encode import Vectors
from luthier.rag import health as healths, legs as searched, sync as syncing
from luthier.rag.health import Health
from luthier.rag.index import DRAFT, SEARCH, Record, read_record
from luthier.rag.legs import Legs
from luthier.rag.rows import encoded_text, made_with, passages_of
from luthier.rag.spec import RagSpec, index_settings
from luthier.rag.stores.open import open_store
from luthier.rag.stores.store import PassageStore
from luthier.rag.sync import MOST_GONE, Look, Made, Synced

STORE = "store"


def sync(
    spec: RagSpec,
    documents: Sequence[Document],
    folder: Path,
    progress: Progress,
    *,
    most_gone: float = MOST_GONE,
) -> Synced:
    """Bring an index up to date with its documents, or make it; only what differs is touched.

    Args:
        spec: See `RagSpec`; where a setting that decides the index has changed, all is cut anew.
        documents: All there are now.
        folder: Of the index.
        progress: Where progress is shown.
        most_gone: Share of the documents that may vanish at once; 1 allows all.

    Raises:
        DataError: Two documents have one id, or too many vanished.
        StoreError: The store fails.
        ModelError: The encoder cannot be used; so ``ResourceError``.
    """
    encoder = open_encoder(spec.encoder)
    made = made_with(spec, encoder)
    store = open_store(spec.store, folder / STORE)
    ledger = Ledger()

    def make_passages(some: Sequence[Document]) -> Sequence[Passage]:
        return passages_of(spec, some, encoder, ledger, progress)

    def embed(passages: Sequence[Passage]) -> Vectors:
        return encoder.encode([encoded_text(p) for p in passages])

    told = syncing.sync(
        documents,
        store,
        make_passages,
        made,
        folder / DRAFT,
        embed=embed if made.embed else None,
        most_gone=most_gone,
        progress=progress,
    )
    if ledger.refused:
        ledger.write(folder)
    publish(spec, folder, store, made)
    return told


def look(spec: RagSpec, documents: Sequence[Document], folder: Path) -> Look:
    """What `sync` would do; nothing is written."""
    made = made_with(spec, open_encoder(spec.encoder))
    return syncing.look(documents, open_store(spec.store, folder / STORE), made, folder / DRAFT)


def health(spec: RagSpec, documents: Sequence[Document], folder: Path) -> Health:
    """How the index fares, held against what its sources have now; nothing is written."""
    made = made_with(spec, open_encoder(spec.encoder))
    store = open_store(spec.store, folder / STORE)
    return healths.health(store, documents=documents, made=made, draft=folder / DRAFT)


def rollback(spec: RagSpec, folder: Path, version: int) -> int:
    """Go back to what a version held, as a new version; returns its number.

    The next `sync` goes on from there, and brings what the sources have.

    Raises:
        StoreError: There is no such version.
    """
    store = open_store(spec.store, folder / STORE)
    number = store.restore(version, f"back to version {version}")
    publish(spec, folder, store, made_with(spec, open_encoder(spec.encoder)))
    return number


def erase(spec: RagSpec, folder: Path, documents: Sequence[str]) -> int:
    """Remove documents from every version, from the search files and from the disk.

    A source that still has them brings them back at the next `sync`.

    Returns:
        How many passages the search files lost, over all their versions.
    """
    store = open_store(spec.store, folder / STORE)
    syncing.erase(documents, store, folder / DRAFT)
    gone = searched.purge(folder / SEARCH, documents) if (folder / SEARCH).is_dir() else 0
    publish(spec, folder, store, made_with(spec, open_encoder(spec.encoder)))
    return gone


def publish(spec: RagSpec, folder: Path, store: PassageStore, made: Made) -> Record | None:
    """Bring the search files to the store's newest version, and show it to all who ask.

    What changed is taken from the store itself, so it does not matter what came between: a sync, a
    rollback, an erasure, or a run that was killed.

    Returns:
        What ``index.json`` says now; None for a store without any version.
    """
    version = store.version()
    if not version:
        return None
    old = _old_record(folder)
    same = old is not None and old.version == version and old.encoder_digest == made.embed
    if old is not None and same and (folder / SEARCH / f"version-{version}.json").is_file():
        legs = _opened(folder, version, spec)
        if legs is not None and legs.count == old.passages:
            return old
    digests = store.digests(version)
    legs = _brought_up(spec, folder, store, old, digests, version)
    legs.save(folder / SEARCH, version)
    record = Record(
        version, index_settings(spec), made.embed, legs.count, len(digests), time.time()
    )
    record.write(folder)
    kept = {version} if old is None else {version, old.version}
    searched.prune(folder / SEARCH, kept)
    return record


def _brought_up(
    spec: RagSpec,
    folder: Path,
    store: PassageStore,
    old: Record | None,
    digests: dict[str, str],
    version: int,
) -> Legs:
    """The search files of a version: those of the old one and what differs, or all anew."""
    before = None
    known = {one.number for one in store.versions()}
    if old is not None and old.version in known and old.version != version:
        before = _opened(folder, old.version, spec)
    if before is None or old is None:
        return Legs.of(store.rows(version), spec.words)
    there = store.digests(old.version)
    changed = [one for one, digest in digests.items() if there.get(one) != digest]
    gone = [one for one in there if one not in digests]
    if len(changed) > len(digests) // 2:
        return Legs.of(store.rows(version), spec.words)
    rows = list(store.rows(version, (), changed)) if changed else []
    return before.updated(pa.Table.from_batches(rows) if rows else None, gone)


def _opened(folder: Path, version: int, spec: RagSpec) -> Legs | None:
    """Search files of a version, if they are there and of use."""
    try:
        return Legs.open(folder / SEARCH, version, spec.words)
    except StoreError:
        return None


def _old_record(folder: Path) -> Record | None:
    try:
        return read_record(folder)
    except LuthierError:
        return None
