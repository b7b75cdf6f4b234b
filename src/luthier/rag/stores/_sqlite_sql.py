"""The tables of a SQLite store, and slices as conditions on them.

Access lists and metadata are kept once for all passages that share them, each with the names and
labels it is found by: a slice first finds the few lists that will do.
"""

from __future__ import annotations

import json
import math

from luthier.rag.access import Slice
from luthier.rag.stores._check import label
from luthier.rag.stores._rows import ALWAYS

FORMAT = 1
PLAIN = [
    "id", "document_id", "title", "text", "origin", "start", "end", "kind", "context",
    "modified_s", "document_digest",
]  # fmt: skip
"""Columns of a passage that stand in its row as they are."""

TABLES = f"""
CREATE TABLE about (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE versions (number INTEGER PRIMARY KEY, made_s REAL, passages INTEGER, note TEXT);
CREATE TABLE lists (list INTEGER PRIMARY KEY, names TEXT UNIQUE);
CREATE TABLE names (name TEXT, list INTEGER, PRIMARY KEY (name, list)) WITHOUT ROWID;
CREATE TABLE metas (meta INTEGER PRIMARY KEY, pairs TEXT UNIQUE);
CREATE TABLE labels (label TEXT, meta INTEGER, PRIMARY KEY (label, meta)) WITHOUT ROWID;
CREATE TABLE passages (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT, document_id TEXT, title TEXT, text TEXT, origin TEXT, start INTEGER, "end" INTEGER,
    kind TEXT, context TEXT, modified_s REAL, document_digest TEXT,
    list INTEGER, meta INTEGER, since INTEGER, until INTEGER DEFAULT {ALWAYS});
CREATE INDEX passages_id ON passages (id);
CREATE INDEX passages_document ON passages (document_id);
CREATE INDEX passages_until ON passages (until);
CREATE TABLE vectors (row INTEGER PRIMARY KEY, vector BLOB);
CREATE VIRTUAL TABLE words USING fts5 (
    title, text, content = passages, content_rowid = row, tokenize = 'porter unicode61');
"""

COLUMNS = {
    **{name: f'p."{name}"' for name in PLAIN},
    "access": "(SELECT names FROM lists WHERE list = p.list)",
    "meta": "(SELECT pairs FROM metas WHERE meta = p.meta)",
    "vector": "(SELECT vector FROM vectors WHERE row = p.row)",
}
"""How a column of a passage ``p`` is read."""

AT = "p.since <= ? AND ? < p.until"
"""That a passage is in a version, which is given twice."""

FORGET = [
    "INSERT INTO words (words, rowid, title, text) "
    "SELECT 'delete', row, title, text FROM passages WHERE row IN (SELECT row FROM doomed)",
    "DELETE FROM vectors WHERE row IN (SELECT row FROM doomed)",
    "DELETE FROM passages WHERE row IN (SELECT row FROM doomed)",
    "DELETE FROM lists WHERE list NOT IN (SELECT list FROM passages)",
    "DELETE FROM names WHERE list NOT IN (SELECT list FROM lists)",
    "DELETE FROM metas WHERE meta NOT IN (SELECT meta FROM passages)",
    "DELETE FROM labels WHERE meta NOT IN (SELECT meta FROM metas)",
]
"""Delete the passages whose rows stand in ``doomed``, and what only they needed."""

_PLAIN = ", ".join(f'"{name}"' for name in PLAIN)
RESTORE = [
    f"INSERT INTO passages ({_PLAIN}, list, meta, since) SELECT {_PLAIN}, list, meta, :new "
    "FROM passages p WHERE p.since <= :old AND :old < p.until AND p.until < :new",
    "INSERT INTO vectors SELECT p.row, v.vector FROM passages p JOIN passages o ON o.id = p.id "
    "AND o.since <= :old AND :old < o.until JOIN vectors v ON v.row = o.row WHERE p.since = :new",
    "INSERT INTO words (rowid, title, text) SELECT row, title, text FROM passages "
    "WHERE since = :new",
    f"UPDATE passages SET until = :new WHERE until = {ALWAYS} AND since > :old AND since < :new",
]
"""Let a new version hold what an old one held."""


def condition(part: Slice) -> tuple[str, list[object]] | None:
    """A slice as a condition on a passage ``p``, with its values; None if nothing can be in it."""
    names = [name for name in sorted(part.who) if name]
    if not names or any(not one for one in part.where.values()):
        return None
    if not math.isfinite(part.since_s):
        return None
    listed = "(SELECT value FROM json_each(?))"
    asked = [f"p.list IN (SELECT list FROM names WHERE name IN {listed})"]
    told: list[object] = [json.dumps(names)]
    if part.since_s > 0:
        asked.append("p.modified_s >= ?")
        told.append(part.since_s)
    for key, found in part.where.items():
        asked.append(f"p.meta IN (SELECT meta FROM labels WHERE label IN {listed})")
        told.append(json.dumps([label(key, one) for one in found]))
    for column, wanted in (("kind", part.kinds), ("document_id", part.documents)):
        if wanted:
            asked.append(f"p.{column} IN {listed}")
            told.append(json.dumps(list(wanted)))
    return " AND ".join(asked), told
