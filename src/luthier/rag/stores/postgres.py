"""Passages in PostgreSQL: for a server that is there anyway, and for many machines.

Each passage knows the version in which it came and the one in which it went, so all versions stand
side by side and a change is one transaction. Text is searched by BM25 computed in SQL over a text
search index (k1 1.2, b 0.75), vectors exactly: by pgvector where the server has it, else in memory.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from luthier.core.errors import StoreError
from luthier.core.records import Passage
from luthier.models.encode import Vectors
from luthier.rag.access import Slice
from luthier.rag.stores import _postgres_sql as sql
from luthier.rag.stores._check import best, check_asked, checked, version_in
from luthier.rag.stores._exact import VectorCache, numbers
from luthier.rag.stores._postgres_tables import Tables
from luthier.rag.stores._rows import ALWAYS, LONGEST_QUERY, batches, passages
from luthier.rag.stores.store import VECTOR, Change, Version, schema

_TAKEN = sql.COPIED[:-1]


class PostgresStore(Tables):
    """A `PassageStore` in some tables of a database.

    Args:
        url: Of the database; a password stands in it as ``${NAME}``.
        table: What the names of the tables begin with.
        keep: Versions kept; older ones are forgotten at the next change.
    """

    def __init__(self, url: str, table: str = "luthier", keep: int = 10) -> None:
        super().__init__(url, table)
        self._keep = keep
        self._cache = VectorCache(self._vectors_behind)

    def version(self) -> int:
        """See `PassageStore`."""
        return max((one.number for one in self.versions()), default=0)

    def versions(self) -> list[Version]:
        """See `PassageStore`."""
        with self.reading() as there:
            return self.versions_in(there) if there else []

    def dimension(self) -> int | None:
        """See `PassageStore`."""
        with self.reading() as there:
            return self.dimension_in(there) if there else None

    def apply(self, change: Change) -> int:
        """See `PassageStore`."""
        with self.writing() as there:
            rows, gone = checked(change, self.dimension_in(there), self.where)
            number = self.next_number(there)
            self.run(
                there,
                "UPDATE {t}_passages SET until = %s WHERE until = %s AND document_id = ANY(%s)",
                [number, ALWAYS, gone],
            )
            if rows is not None:
                self.insert(there, rows, number)
            self.run(there, sql.MADE, [number, time.time(), change.note])
            self.tell(there, "changes", self.number(there, "changes") + 1)
            self.forget(there, self._keep)
        return number

    def digests(self, version: int) -> dict[str, str]:
        """See `PassageStore`."""
        asked = (
            f"SELECT DISTINCT p.document_id, p.document_digest FROM {{t}}_passages p WHERE {sql.AT}"
        )
        return dict(self._ask(version, asked, {}))

    def rows(
        self, version: int, columns: Sequence[str] = (), documents: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """See `PassageStore`."""
        if not version:
            return
        with self.reading(own=True) as there:
            version_in(self.versions_in(there) if there else [], version, self.where)
            dimension = self.dimension_in(there) or 0
            wanted = list(columns) or schema(dimension).names
            read = ", ".join(self._column(there, name) for name in wanted)
            asked = f"SELECT {read} FROM {{t}}_passages p WHERE {sql.AT}"
            told: dict[str, object] = {"at": version}
            if documents is not None:
                asked += " AND p.document_id = ANY(%(documents)s)"
                told["documents"] = list(documents)
            with there.cursor("rows", binary=True) as cursor:
                cursor.execute(self.named(f'{asked} ORDER BY p.id COLLATE "C"'), told)
                found: Iterable[Sequence[Any]] = cursor
                if VECTOR in wanted and self.about(there, "vectors") == "vector":
                    found = _unpacked(cursor, wanted.index(VECTOR))
                yield from batches(found, wanted, dimension)

    def take(self, ids: Sequence[str], part: Slice, version: int) -> dict[str, Passage]:
        """See `PassageStore`."""
        with self.reading() as there:
            read = ", ".join(self._column(there, name) for name in _TAKEN)
        asked = f"SELECT {read} FROM {{t}}_passages p WHERE p.id = ANY(%(ids)s) AND {sql.AT} AND @"
        return passages(self._in_slice(asked, {"ids": list(ids)}, part, version), _TAKEN)

    def match(self, query: str, depth: int, part: Slice, version: int) -> dict[str, float]:
        """See `PassageStore`."""
        if depth < 1 or not any(map(str.isalnum, query)):
            return {}
        found = self._ask(version, sql.WORDS, [query.replace("\0", " ")])
        lexemes = found[0][0][:LONGEST_QUERY] if found else []
        if not lexemes:
            return {}
        told = {"asked": sql.tsquery(lexemes), "lexemes": lexemes, "depth": depth}
        return best(self._in_slice(sql.MATCH, told, part, version), depth)

    def nearest(
        self, vectors: Vectors, depth: int, part: Slice, version: int
    ) -> list[dict[str, float]]:
        """See `PassageStore`."""
        if depth < 1 or not len(vectors):
            return [{} for _ in vectors]
        with self.reading() as there:  # the cache reads in this transaction too
            if there is None:
                self._ask(version, "", {})
                return [{} for _ in vectors]
            check_asked(vectors, self.dimension_in(there), self.where)
            if self.about(there, "vectors") == "vector":
                hits = [
                    self._in_slice(sql.NEAREST, {"asked": _text(v), "depth": depth}, part, version)
                    for v in vectors
                ]
                return [best(one, depth) for one in hits]
            asked = f"SELECT p.row FROM {{t}}_passages p WHERE {sql.AT} AND @ ORDER BY p.row"
            rows = numbers(self._in_slice(asked, {}, part, version))
            near = self._cache.nearest(vectors, rows, depth)
            found = sorted({row for one in near for row, _ in one})
            named = "SELECT row, id FROM {t}_passages WHERE row = ANY(%s)"
            ids = dict(self.run(there, named, [found]).fetchall())
        return [best(((ids[row], score) for row, score in one), depth) for one in near]

    def restore(self, version: int, note: str = "") -> int:
        """See `PassageStore`."""
        with self.writing() as there:
            version_in(self.versions_in(there), version, self.where)
            number, last = self.next_number(there), self.number(there, "row")
            dimension = self.dimension_in(there)
            for statement in sql.RESTORE:
                if dimension or "_vectors" not in statement:
                    self.run(there, statement, {"old": version, "new": number, "last": last})
            self.tell(there, "row", last + self.one(there, "SELECT count(*) FROM {t}_back"))
            told = [number, time.time(), note or f"version {version} again"]
            self.run(there, sql.MADE, told)
            self.forget(there, self._keep)
        return number

    def erase(self, documents: Sequence[str]) -> int:
        """See `PassageStore`. All versions stay, without the documents.

        The tables and their indexes are written anew. The server's write-ahead log and backups
        are its administrator's.
        """
        if not documents or not self.versions():
            return self.version()
        with self.writing() as there:
            self.delete(there, "document_id = ANY(%s)", [list(documents)])
            self.run(there, sql.RECOUNT)
            number = self.next_number(there)
            note = f"erased {len(set(documents))} documents"
            self.run(there, sql.MADE, [number, time.time(), note])
            self.forget(there, self._keep)
        self._cache.clear()
        self.vacuum("FULL, ANALYZE")
        return number

    def prune(self, keep: int) -> int:
        """See `PassageStore`."""
        if keep < 1:
            raise StoreError("at least one version is kept", where=self.where)
        before = len(self.versions())
        if before > keep:
            with self.writing() as there:
                self.forget(there, keep)
            self.vacuum("ANALYZE")
        return max(0, before - keep)

    def optimize(self) -> None:
        """See `PassageStore`."""
        if self.versions():
            self.vacuum("ANALYZE")
            with self.writing() as there:
                self.tell(there, "changes", 0)

    def health(self) -> Mapping[str, Any]:
        """See `PassageStore`."""
        versions = self.versions()
        size = changes = 0
        how = ""
        with self.reading() as there:
            if there is not None:
                changes = self.number(there, "changes")
                how = self.about(there, "vectors") or ""
                names = " + ".join(f"pg_total_relation_size('{t}')" for t in self.tables(there))
                size = self.one(there, f"SELECT {names}")
        return {
            "kind": "pgvector" if how == "vector" else "postgres",
            "where": self.where,
            "bytes": size,
            "files": 0,
            "versions": len(versions),
            "passages": versions[-1].passages if versions else 0,
            "changes": changes,
            "unindexed": 0,
            "search": {},
        }

    def close(self) -> None:
        """See `PassageStore`."""
        self._cache.clear()
        self.disconnect()

    def _column(self, there: Any, name: str) -> str:
        """How a column of a passage ``p`` is read, packed as other databases keep it."""
        if name == "access":
            return "array_to_json(p.access)::text"
        if name != VECTOR:
            return f'p."{name}"'
        read = "(SELECT vector FROM {t}_vectors v WHERE v.row = p.row)"
        return f"vector_send({read})" if self.about(there, "vectors") == "vector" else read

    def _in_slice(
        self, asked: str, told: Mapping[str, object], part: Slice, version: int
    ) -> list[Any]:
        """Rows of a question about passages ``p``; the slice stands where it has ``@``."""
        within = sql.condition(part)
        if within is None:
            return []
        more, values_of_more = within
        return self._ask(version, asked.replace("@", more, 1), {**told, **values_of_more})

    def _ask(self, version: int, asked: str, told: Any) -> list[Any]:
        if not version:
            return []
        with self.reading() as there:
            version_in(self.versions_in(there) if there else [], version, self.where)
            if isinstance(told, dict):
                told = {**told, "at": version}
            return list(self.run(there, asked, told).fetchall())

    def _vectors_behind(self, row: int) -> Iterator[tuple[int, bytes]]:
        asked = "SELECT row, vector FROM {t}_vectors WHERE row > %s ORDER BY row"
        with self.reading() as there, there.cursor(binary=True) as cursor:
            yield from cursor.execute(self.named(asked), [row])


def _unpacked(rows: Iterable[Sequence[Any]], place: int) -> Iterator[list[Any]]:
    """Rows in which pgvector's way to write a vector is turned into plain float32."""
    for row in rows:
        turned = np.frombuffer(row[place], ">f4", offset=4).astype(np.float32).tobytes()
        yield [*row[:place], turned, *row[place + 1 :]]


def _text(vector: Vectors) -> str:
    return json.dumps(vector.tolist())
