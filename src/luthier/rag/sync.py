"""Bring a store up to date with its sources: only what is new, changed, moved or gone is touched.

A document is known by digests of its content, of what else its passages carry (access, metadata,
origin, time), and of the settings that cut and embed. A text is embedded only if the store has no
vector of it: a moved document, or the unchanged passages of a changed one, cost no embedding.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import operator
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from luthier.core.errors import DataError
from luthier.core.progress import Progress, Quiet
from luthier.core.records import Document, Passage
from luthier.core.store import write_atomic
from luthier.models.encode import Vectors
from luthier.rag.stores._check import vectors_of
from luthier.rag.stores._draft import Draft, Key, key_of
from luthier.rag.stores._record import writing
from luthier.rag.stores.store import DIGEST, VECTOR, Change, PassageStore, rows_of

MOST_GONE = 0.5
"""Share of a store's documents that may vanish at once without being allowed."""
_WITHOUT = "without.json"
_AT_ONCE = 1024  # texts embedded between two writes of the draft

MakePassages = Callable[[Sequence[Document]], Sequence[Passage]]
Embed = Callable[[Sequence[Passage]], Vectors]
Share = Callable[[Embed, Iterable[list[Passage]]], Iterable[Vectors]]
"""``map``, or what does the same on several workers."""


@dataclasses.dataclass(frozen=True, slots=True)
class Made:
    """The settings that a store's rows were made with, as digests.

    Attributes:
        cut: Of all that decides how documents become passages.
        embed: Of the encoder; "" without vectors.
    """

    cut: str
    embed: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """What a sync would do.

    Attributes:
        new: Ids of documents that the store lacks.
        changed: Ids of those that differ in text, access, metadata, origin or settings.
        moved: Ids of those whose content the store has under an id that is gone, with that id.
        gone: Ids of documents of the store that no source has any more; moved ones are not here.
        same: How many need nothing.
        empty: Ids of documents without text.
        without: Ids of documents with text of which the last sync could make no passage.
        version: The version that was looked at; 0 for an empty store.
    """

    new: tuple[str, ...]
    changed: tuple[str, ...]
    moved: dict[str, str]
    gone: tuple[str, ...]
    same: int
    empty: tuple[str, ...]
    without: tuple[str, ...]
    version: int

    @property
    def differ(self) -> int:
        """Documents that are not in the store as the sources have them."""
        return len(self.new) + len(self.changed) + len(self.moved) + len(self.gone)

    @property
    def known(self) -> int:
        """Documents that the store has."""
        return self.same + len(self.changed) + len(self.moved) + len(self.gone)


@dataclasses.dataclass(frozen=True, slots=True)
class Synced:
    """What a sync did.

    Attributes:
        version: The store's version now.
        new: Documents added.
        changed: Documents cut again.
        moved: Documents found under another id.
        gone: Documents removed.
        same: Documents left alone.
        empty: Documents without text.
        without: Documents with text of which no passage was made.
        passages: Written.
        embedded: Texts the encoder was asked for in this run.
        reused: Passages whose vectors were in the store or in the draft of a killed run.
        seconds: In all.
    """

    version: int
    new: int
    changed: int
    moved: int
    gone: int
    same: int
    empty: int
    without: int
    passages: int
    embedded: int
    reused: int
    seconds: float


def digest_of_document(document: Document, made: Made) -> str:
    """What tells whether a document's passages are up to date: four digests in one string."""
    content = f"{len(document.title)}\n{document.title}{document.text}"
    rest = (
        sorted(document.access),
        sorted(document.meta.items()),
        document.modified_s,
        document.kind,
        document.origin,
    )
    return f"{_hash(content, 16)}.{_hash(repr(rest), 8)}.{_settings(made)}"


@functools.lru_cache(maxsize=8)
def _settings(made: Made) -> str:
    return f"{_hash(made.cut, 6)}.{_hash(made.embed, 6)}"


def look(documents: Sequence[Document], store: PassageStore, made: Made, draft: Path) -> Look:
    """What a sync would do; nothing is written.

    Args:
        documents: All that the sources have now.
        store: See `PassageStore`.
        made: The settings in force.
        draft: The folder that `sync` is given.

    Raises:
        DataError: Two documents have one id.
        StoreError: The store fails.
    """
    return _look(documents, store, made, draft)[0]


def sync(
    documents: Sequence[Document],
    store: PassageStore,
    make_passages: MakePassages,
    made: Made,
    draft: Path,
    *,
    embed: Embed | None = None,
    share: Share = map,
    most_gone: float = MOST_GONE,
    progress: Progress | None = None,
    note: str = "",
) -> Synced:
    """Bring a store up to date in one step: readers see all of it or nothing.

    Args:
        documents: All that the sources have now; what is not among them is removed.
        store: See `PassageStore`.
        make_passages: Cuts documents; it gets only those that are new, changed or moved.
        made: The settings in force; when they change, all documents are cut again.
        draft: A folder for vectors that are computed and not stored yet. It survives a kill, is
            emptied in the end, and keeps a second sync waiting.
        embed: Gives vectors of length 1; it gets each text once. None for a store without.
        share: Applies ``embed`` to parts of the passages, in order.
        most_gone: Share of the store's documents that may vanish; 1 allows all.
        progress: Where progress is shown.
        note: What the new version is for.

    Raises:
        DataError: Two documents have one id, or too many vanished.
        StoreError: The store fails, or has vectors of another encoder.
    """
    started = time.monotonic()
    with writing(draft):
        plan, digests = _look(documents, store, made, draft)
        _guard(plan, most_gone)
        if not plan.differ:
            return _synced(plan, plan.version, 0, 0, 0, started)
        touched = {*plan.new, *plan.changed, *plan.moved}
        again = [one for one in documents if one.id in touched]
        kept = Draft(draft / f"vectors-{_hash(made.embed, 6)}.bin")
        run = None if embed is None else functools.partial(share, embed)
        cut = sorted(make_passages(again), key=operator.attrgetter("id")) if again else []
        there, written = {p.document_id for p in cut}, len(cut)
        vectors, embedded = None, 0
        if run is not None:
            known = _stored(store, plan, made, cut)
            vectors, embedded = _vectors(cut, known, kept, progress or Quiet(), run)
        rows = rows_of(cut, digests, vectors) if cut else None
        del cut, vectors  # the rows are what is needed now, and memory may be short
        gone = (*plan.gone, *plan.moved.values(), *plan.changed)
        version = plan.version
        if rows is not None or gone:
            version = store.apply(Change(rows, gone, note or f"sync: {_told(plan)}"))
        without = (*plan.without, *sorted(touched - there))
        write_atomic(draft / _WITHOUT, json.dumps({one: digests[one] for one in without}))
        kept.remove()
    reused = written - embedded if embed is not None else 0
    return _synced(plan, version, written, embedded, reused, started, len(without))


def erase(documents: Sequence[str], store: PassageStore, draft: Path) -> int:
    """Remove documents from every version, the disk and the draft; returns the newest version.

    A source that still has them brings them back at the next sync.
    """
    with writing(draft):
        for path in draft.glob("vectors-*.bin"):
            path.unlink()
        (draft / _WITHOUT).unlink(missing_ok=True)
        return store.erase(documents)


def _look(
    documents: Sequence[Document], store: PassageStore, made: Made, draft: Path
) -> tuple[Look, dict[str, str]]:
    version = store.version()
    there = store.digests(version)
    wanted, empty = _digests(documents, made)
    barren = _barren(draft)
    without = [one for one in wanted if one not in there and barren.get(one) == wanted[one]]
    left = wanted.keys() - set(without)
    new = [one for one in wanted if one in left and one not in there]
    gone = dict.fromkeys(one for one in there if one not in wanted)
    by_content: dict[str, list[str]] = {}
    for one in gone:
        by_content.setdefault(_content(there[one]), []).append(one)
    moved: dict[str, str] = {}
    for one in new:
        if found := by_content.get(_content(wanted[one])):
            moved[one] = found.pop()
            del gone[moved[one]]
    changed = [one for one, told in wanted.items() if one in there and told != there[one]]
    plan = Look(
        new=tuple(one for one in new if one not in moved),
        changed=tuple(changed),
        moved=moved,
        gone=tuple(gone),
        same=len(left) - len(new) - len(changed),
        empty=tuple(empty),
        without=tuple(without),
        version=version,
    )
    return plan, wanted


def _barren(draft: Path) -> dict[str, str]:
    """Digests, by id, of documents of which the last sync could make no passage."""
    with contextlib.suppress(OSError, ValueError):
        told: dict[str, str] = json.loads((draft / _WITHOUT).read_text(encoding="utf-8"))
        return told
    return {}


def _digests(documents: Iterable[Document], made: Made) -> tuple[dict[str, str], list[str]]:
    """Digests by id, and ids of documents without text."""
    found: dict[str, str] = {}
    empty: dict[str, None] = {}
    for one in documents:
        if one.id in found or one.id in empty:
            raise DataError(f"two documents have the id '{one.id}'", where=one.origin)
        if one.text.strip():
            found[one.id] = digest_of_document(one, made)
        else:
            empty[one.id] = None
    return found, list(empty)


def _guard(plan: Look, most_gone: float) -> None:
    if plan.gone and len(plan.gone) > most_gone * plan.known:
        raise DataError(
            f"{len(plan.gone)} of {plan.known} documents have vanished from the sources; nothing "
            "was changed",
            mend="Check that all sources can be read. If they are gone for good, allow it.",
        )


def _vectors(
    passages: Sequence[Passage],
    known: dict[Key, Vectors],
    draft: Draft,
    progress: Progress,
    embed: Callable[[Iterable[list[Passage]]], Iterable[Vectors]],
) -> tuple[Vectors, int]:
    """A vector for each passage, and how many texts were embedded."""
    keys = [key_of(p.title, p.text) for p in passages]
    missing: dict[Key, Passage] = {}
    for key, passage in zip(keys, passages, strict=True):
        if key not in known and key not in draft:
            missing.setdefault(key, passage)
    waiting = list(missing.items())
    with progress.task("embedding passages", len(waiting)) as task:
        parts = [waiting[first : first + _AT_ONCE] for first in range(0, len(waiting), _AT_ONCE)]
        made = embed([passage for _, passage in part] for part in parts)
        if waiting:
            task.advance(0, "the encoder is opened first")
        for part, vectors in zip(parts, made, strict=True):
            draft.add([key for key, _ in part], vectors)
            task.advance(len(part), " ")
    fresh = [i for i, key in enumerate(keys) if key not in known]
    drafted = draft.vectors([keys[i] for i in fresh])
    if len(fresh) == len(keys):
        return drafted, len(waiting)
    found = np.empty((len(keys), len(next(iter(known.values())))), np.float32)
    if fresh:
        found[fresh] = drafted
    for i, key in enumerate(keys):
        if key in known:
            found[i] = known[key]
    return found, len(waiting)


def _stored(
    store: PassageStore, plan: Look, made: Made, passages: Sequence[Passage]
) -> dict[Key, Vectors]:
    """Vectors by the same encoder that the store has of texts which are wanted again."""
    encoder = _hash(made.embed, 6)
    touched = [*plan.changed, *plan.moved.values(), *plan.gone]
    if not touched or not store.dimension():
        return {}
    wanted = {key_of(p.title, p.text) for p in passages}
    columns = ["title", "text", DIGEST, VECTOR]
    found: dict[Key, Vectors] = {}
    for batch in store.rows(plan.version, columns, touched):
        titles, texts, digests = (batch.column(i).to_pylist() for i in range(3))
        vectors = vectors_of(batch)
        for i, (title, text, told) in enumerate(zip(titles, texts, digests, strict=True)):
            if told.rpartition(".")[2] == encoder and (key := key_of(title, text)) in wanted:
                found[key] = vectors[i].copy()
    return found


def _synced(
    plan: Look,
    version: int,
    passages: int,
    embedded: int,
    reused: int,
    began: float,
    without: int | None = None,
) -> Synced:
    return Synced(
        version=version,
        new=len(plan.new),
        changed=len(plan.changed),
        moved=len(plan.moved),
        gone=len(plan.gone),
        same=plan.same,
        empty=len(plan.empty),
        without=len(plan.without) if without is None else without,
        passages=passages,
        embedded=embedded,
        reused=reused,
        seconds=round(time.monotonic() - began, 3),
    )


def _told(plan: Look) -> str:
    counts = {
        "new": len(plan.new),
        "changed": len(plan.changed),
        "moved": len(plan.moved),
        "gone": len(plan.gone),
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def _content(digest: str) -> str:
    return digest.partition(".")[0]


def _hash(text: str, size: int) -> str:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=size).hexdigest()
