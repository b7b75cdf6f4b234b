"""Passages in LanceDB: one folder, several processes, the default.

LanceDB's own versions carry ours: a reader is pinned to one and never sees another. A change is a
few commits of LanceDB, and happens when ``store.json`` names the last of them; a writer that finds
commits which no record names takes them back. An erasure writes a new table without the documents
and deletes the old one with all its versions, since old files hold what was erased.
"""

from __future__ import annotations

import dataclasses
import itertools
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from luthier.core.columns import to_records
from luthier.core.errors import ResourceError, StoreError
from luthier.core.records import Passage
from luthier.models.encode import Vectors
from luthier.rag.access import Slice
from luthier.rag.stores import _lance_table as lance
from luthier.rag.stores._check import best, check_asked, checked, dimension_of, version_in
from luthier.rag.stores._record import Kept, Record, read_record, writing
from luthier.rag.stores.store import DIGEST, Change, Version

_DATABASE = "lance"
_CHANGES = 20  # after so many changes files and indexes are put in order
_GRACE_S = 600.0  # how long files that no version needs stay, for readers that are at it
_TRIES = 5  # until LanceDB finds nothing more to put in order
_OPEN = 4  # native versions kept open
_PASSAGE = [f.name for f in dataclasses.fields(Passage) if f.name != "score"]

Answer = TypeVar("Answer")


class LanceStore:
    """A `PassageStore` in a folder.

    Args:
        folder: Made at the first change.
        keep: Versions kept; older ones are forgotten at the next change.
    """

    def __init__(self, folder: Path, keep: int = 10) -> None:
        self.folder = folder
        self._keep = keep
        self._database: Any = None
        self._open: dict[tuple[str, int], Any] = {}

    def version(self) -> int:
        """See `PassageStore`."""
        newest = read_record(self.folder).newest
        return newest.version.number if newest else 0

    def versions(self) -> list[Version]:
        """See `PassageStore`."""
        return read_record(self.folder).versions

    def dimension(self) -> int | None:
        """See `PassageStore`."""
        return read_record(self.folder).dimension

    def apply(self, change: Change) -> int:
        """See `PassageStore`."""
        with writing(self.folder), lance.lance_errors(self.folder):
            record = read_record(self.folder)
            rows, gone = checked(change, record.dimension, str(self.folder))
            table = self.writable(record)
            if table is not None:
                lance.replace(table, rows, gone)
            elif rows is not None:
                record, table = self._first(record, rows)
            native, passages = (table.version, table.count_rows()) if table is not None else (0, 0)
            record = record.with_version(native, passages, change.note, self._keep)
            record = dataclasses.replace(record, changes=record.changes + 1)
            record.write(self.folder)
            if record.changes >= _CHANGES and table is not None:
                self._put_in_order(record, table)
        return record.last

    def digests(self, version: int) -> dict[str, str]:
        """See `PassageStore`."""
        return self._read(version, lambda table: lance.pairs(table, "document_id", DIGEST)) or {}

    def rows(
        self, version: int, columns: Sequence[str] = (), documents: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """See `PassageStore`."""
        if documents is not None and not documents:
            return
        where = None if documents is None else lance.one_of("document_id", documents)
        first = self._read(version, lambda table: _begun(lance.stream(table, columns, where)))
        with lance.lance_errors(self.folder):
            yield from first or ()

    def take(self, ids: Sequence[str], part: Slice, version: int) -> dict[str, Passage]:
        """See `PassageStore`."""
        where = lance.condition(part)
        if not ids or where is None:
            return {}
        where = f"{lance.one_of('id', ids)} AND {where}"
        rows = self._read(version, lambda table: lance.scan(table, _PASSAGE, where))
        return {p.id: p for p in to_records(rows, Passage)} if rows is not None else {}

    def match(self, query: str, depth: int, part: Slice, version: int) -> dict[str, float]:
        """See `PassageStore`."""
        where = lance.condition(part)
        if depth < 1 or where is None or not any(map(str.isalnum, query)):
            return {}
        hits = self._read(version, lambda table: lance.match(table, query, depth, where))
        return best(hits or [], depth)

    def nearest(
        self, vectors: Vectors, depth: int, part: Slice, version: int
    ) -> list[dict[str, float]]:
        """See `PassageStore`."""
        where = lance.condition(part)
        if depth < 1 or where is None or not len(vectors):
            return [{} for _ in vectors]
        record = read_record(self.folder)
        check_asked(vectors, record.dimension, str(self.folder))
        return self.near(vectors, depth, where, version, record.search.get("parameters", {}))

    def near(
        self,
        vectors: Vectors,
        depth: int,
        where: str,
        version: int,
        search: Mapping[str, Any],
    ) -> list[dict[str, float]]:
        """`nearest` with given parameters of the index; the recall gate tries them with it.

        Args:
            vectors: Of length 1.
            depth: Passages for each.
            where: A condition in LanceDB's SQL.
            version: Which.
            search: ``nprobes``, ``ef``, ``refine``; empty for exactly.
        """
        hits = self._read(
            version, lambda table: lance.nearest(table, vectors, depth, where, search)
        )
        return [best(one, depth) for one in hits] if hits is not None else [{} for _ in vectors]

    def read_ids(self, version: int, ids: Sequence[str], columns: Sequence[str]) -> pa.Table:
        """Some columns of some passages, in the order of their ids, whoever may see them."""
        where = lance.one_of("id", ids)
        return self._read(version, lambda table: lance.scan(table, columns, where))

    def restore(self, version: int, note: str = "") -> int:
        """See `PassageStore`."""
        with writing(self.folder), lance.lance_errors(self.folder):
            record = read_record(self.folder)
            known = version_in(record.versions, version, str(self.folder))
            old = next(k for k in record.kept if k.version == known)
            table = self.writable(record)
            native = 0
            if table is not None and old.native:
                table.restore(old.native)
                native = table.version
            elif table is not None:
                table.delete("true")  # the version from before the first rows
                native = table.version
            note = note or f"version {version} again"
            record = record.with_version(native, old.version.passages, note, self._keep)
            record.write(self.folder)
        return record.last

    def erase(self, documents: Sequence[str]) -> int:
        """See `PassageStore`. All versions stay, without the documents, in a table made anew."""
        with writing(self.folder), lance.lance_errors(self.folder):
            record = read_record(self.folder)
            newest = record.newest
            if newest is None or not record.table or not documents:
                return newest.version.number if newest else 0
            self._sweep(record)
            search = record.search
            if search.get("parameters"):
                search = {"index": "exact", "why": "documents were erased: make the index anew"}
            again, table = self._without(record, set(documents))
            if record.optimized_s and table is not None:
                lance.put_in_order(table)
            native = table.version if table is not None else 0
            passages = again.kept[-1].version.passages
            note = f"erased {len(set(documents))} documents"
            again = again.with_version(native, passages, note, self._keep)
            erased = record.erased + len(set(documents))
            again = dataclasses.replace(again, search=search, erased=erased)
            again.write(self.folder)
            self.close()
            self._sweep(again)
        return again.last

    def _without(self, record: Record, doomed: set[str]) -> tuple[Record, Any]:
        """All versions once more in the next table, without some documents; none if none has rows.

        The oldest is written whole, of each that follows what differs from the one before.
        """
        again, table = dataclasses.replace(record, table="", kept=()), None
        kept: list[Kept] = []
        before: dict[str, str] = {}
        for one in record.kept:
            number = one.version.number
            now = {k: v for k, v in self.digests(number).items() if k not in doomed}
            changed = [k for k, digest in now.items() if before.get(k) != digest]
            gone = [k for k in before if now.get(k) != before[k]]
            rows = None
            if changed:
                whole = [f"NOT ({lance.one_of('document_id', sorted(doomed))})"]
                wanted = whole if len(changed) == len(now) else lance.parts(changed)
                found = [lance.scan(self._at(number), (), part) for part in wanted]
                rows = pa.concat_tables(found).sort_by("id")
            if table is None and rows is not None:
                again, table = self._first(again, rows)
            elif table is not None and (rows is not None or gone):
                lance.replace(table, rows, gone)
            native, count = (table.version, table.count_rows()) if table is not None else (0, 0)
            kept.append(Kept(dataclasses.replace(one.version, passages=count), native))
            before = now
        return dataclasses.replace(again, kept=tuple(kept)), table

    def prune(self, keep: int) -> int:
        """See `PassageStore`."""
        if keep < 1:
            raise StoreError("at least one version is kept", where=str(self.folder))
        with writing(self.folder), lance.lance_errors(self.folder):
            record = read_record(self.folder)
            went = max(0, len(record.kept) - keep)
            record = dataclasses.replace(record, kept=record.kept[-keep:])
            record.write(self.folder)
            table = self.writable(record)
            if table is not None:
                self._put_in_order(record, table, 0.0)
        return went

    def optimize(self) -> None:
        """See `PassageStore`."""
        with writing(self.folder), lance.lance_errors(self.folder):
            record = read_record(self.folder)
            table = self.writable(record)
            if table is not None:
                self._put_in_order(record, table)

    def health(self) -> Mapping[str, Any]:
        """See `PassageStore`."""
        record = read_record(self.folder)
        files = [p for p in self.folder.rglob("*") if p.is_file()] if record.last else []
        newest = record.newest
        unindexed = 0
        if newest is not None and newest.native:
            unindexed = self._read(newest.version.number, _unindexed) or 0
        return {
            "kind": "lance",
            "where": str(self.folder),
            "bytes": sum(p.stat().st_size for p in files),
            "files": len(files),
            "versions": len(record.kept),
            "passages": newest.version.passages if newest else 0,
            "changes": record.changes,
            "unindexed": unindexed,
            "search": dict(record.search),
        }

    def close(self) -> None:
        """See `PassageStore`."""
        self._open.clear()
        self._database = None

    def _connect(self) -> Any:
        if self._database is None:
            try:
                import lancedb
            except ImportError as error:
                raise ResourceError(
                    "LanceDB is not installed", mend="pip install 'luthier[rag]'"
                ) from error
            self._database = lancedb.connect(
                self.folder / _DATABASE, read_consistency_interval=timedelta(0)
            )
        return self._database

    def _at(self, version: int) -> Any:
        """The table as a version has it, None if it has none."""
        record = read_record(self.folder)
        known = version_in(record.versions, version, str(self.folder))
        native = next(k.native for k in record.kept if k.version == known)
        place = (record.table, native)
        if native and place not in self._open:
            table = self._connect().open_table(record.table)
            table.checkout(native)
            while len(self._open) >= _OPEN:
                self._open.pop(next(iter(self._open)))
            self._open[place] = table
        return self._open.get(place)

    def _read(self, version: int, ask: Callable[[Any], Answer]) -> Answer | None:
        """What a version's table answers; None if it has none.

        Files are put in order while others read: the second try finds where the version is now.
        """
        if not version:
            return None
        try:
            table = self._at(version)
            return None if table is None else ask(table)
        except lance.FAILURES:
            self.close()
        with lance.lance_errors(self.folder):
            table = self._at(version)
            return None if table is None else ask(table)

    def _first(self, record: Record, rows: pa.Table) -> tuple[Record, Any]:
        """Make the next table."""
        name = f"passages-{record.generation + 1}"
        shutil.rmtree(self.folder / _DATABASE / f"{name}.lance", ignore_errors=True)
        table = lance.create(self._connect(), name, rows)
        record = dataclasses.replace(
            record, table=name, generation=record.generation + 1, dimension=dimension_of(rows)
        )
        return record, table

    def writable(self, record: Record) -> Any:
        """The table at its newest version, without what a killed writer left; None if none is."""
        self._sweep(record)
        if not record.table or record.newest is None:
            return None
        table = self._connect().open_table(record.table)
        if table.version != record.newest.native:
            table.restore(record.newest.native)
        return table

    def _sweep(self, record: Record) -> None:
        """Delete tables that the record does not name."""
        for path in (self.folder / _DATABASE).glob("*.lance"):
            if path.name != f"{record.table}.lance":
                shutil.rmtree(path)

    def _put_in_order(self, record: Record, table: Any, age_s: float = _GRACE_S) -> None:
        lance.put_in_order(table)
        record = dataclasses.replace(record, changes=0, optimized_s=time.time())
        for turn in range(_TRIES):
            record = record.at(table.version)
            record.write(self.folder)
            wanted = {f"v{k.version.number}": k.native for k in record.kept if k.native}
            try:
                lance.clean(table, wanted, age_s)
            except RuntimeError:  # it found more to put in order, and kept the version before
                if turn == _TRIES - 1:
                    raise
            if table.version == record.kept[-1].native:
                return


def _begun(rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of which the first are read, so that a table that moved is noticed at once."""
    return itertools.chain(list(itertools.islice(rows, 1)), rows)


def _unindexed(table: Any) -> int:
    """Most rows that an index of a table lacks."""
    stats = [table.index_stats(one.name) for one in table.list_indices()]
    return max((one.num_unindexed_rows for one in stats if one is not None), default=0)
