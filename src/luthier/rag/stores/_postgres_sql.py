"""The tables of a store in PostgreSQL, slices as conditions on them, and BM25 in SQL.

Names are made for one store by ``named``: ``{t}`` stands for what its tables begin with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from luthier.rag.access import Slice
from luthier.rag.stores._check import label
from luthier.rag.stores._rows import ALWAYS

FORMAT = 1
COPIED = [
    "id", "document_id", "title", "text", "origin", "start", "end", "kind", "context", "access",
    "modified_s", "meta", "document_digest",
]  # fmt: skip
"""Columns of a passage, in the order in which they are copied in."""
_NAMED = ", ".join(f'"{name}"' for name in COPIED)

# Stop words are kept: `all`, `any` and `is` are names in many a corpus.
TABLES = f"""
CREATE TEXT SEARCH DICTIONARY {{t}}_stems (TEMPLATE = pg_catalog.snowball, Language = english);
CREATE TEXT SEARCH CONFIGURATION {{t}}_words (COPY = pg_catalog.english);
ALTER TEXT SEARCH CONFIGURATION {{t}}_words
    ALTER MAPPING FOR asciiword, asciihword, hword_asciipart, word, hword, hword_part
    WITH {{t}}_stems;
CREATE TABLE {{t}}_versions (
    number bigint PRIMARY KEY, made_s float8, passages bigint, words bigint, note text);
CREATE TABLE {{t}}_passages (
    row bigint PRIMARY KEY,
    id text NOT NULL, document_id text NOT NULL, title text, text text, origin text,
    start bigint, "end" bigint, kind text, context text, access text[], modified_s float8,
    meta text, document_digest text, labels text[], words tsvector, length bigint,
    since bigint, until bigint DEFAULT {ALWAYS});
CREATE INDEX {{t}}_id ON {{t}}_passages (id);
CREATE INDEX {{t}}_document ON {{t}}_passages (document_id);
CREATE INDEX {{t}}_until ON {{t}}_passages (until);
CREATE TABLE {{t}}_about (key text PRIMARY KEY, value text);
"""

INDEXES = """
CREATE INDEX IF NOT EXISTS {t}_access ON {t}_passages USING gin (access);
CREATE INDEX IF NOT EXISTS {t}_labels ON {t}_passages USING gin (labels);
CREATE INDEX IF NOT EXISTS {t}_text ON {t}_passages USING gin (words);
"""
"""Made behind the first rows: an index over a full table is made faster than it grows."""

VECTORS = "CREATE TABLE {t}_vectors (row bigint PRIMARY KEY, vector %s)"

STAGE = f"""
CREATE TEMP TABLE {{t}}_stage ON COMMIT DROP AS
    SELECT row, {_NAMED}, labels FROM {{t}}_passages WITH NO DATA
"""
COPY = f"COPY {{t}}_stage (row, {_NAMED}, labels) FROM STDIN"
COPY_VECTORS = "COPY {t}_vectors (row, vector) FROM STDIN (FORMAT BINARY)"
FROM_STAGE = f"""
INSERT INTO {{t}}_passages (row, {_NAMED}, labels, words, length, since)
    SELECT s.*, w.words, (SELECT coalesce(sum(cardinality(u.positions)), 0) FROM unnest(w.words) u),
        %s
    FROM {{t}}_stage s,
        LATERAL (SELECT to_tsvector('{{t}}_words', s.title || ' ' || s.text) AS words) w
"""

AT = "p.since <= %(at)s AND %(at)s < p.until"
"""That a passage ``p`` is in a version."""

MADE = f"""
INSERT INTO {{t}}_versions SELECT %s, %s, count(*), coalesce(sum(length), 0), %s
    FROM {{t}}_passages WHERE until = {ALWAYS}
"""
RECOUNT = """
UPDATE {t}_versions v SET (passages, words) = (
    SELECT count(*), coalesce(sum(p.length), 0) FROM {t}_passages p
    WHERE p.since <= v.number AND v.number < p.until)
"""
TRIM = """
DELETE FROM {t}_versions WHERE number NOT IN
    (SELECT number FROM {t}_versions ORDER BY number DESC LIMIT %s)
"""

RESTORE = [
    """
    CREATE TEMP TABLE {t}_back ON COMMIT DROP AS
        SELECT p.row AS old, %(last)s + row_number() OVER (ORDER BY p.row) AS row
        FROM {t}_passages p
        WHERE p.since <= %(old)s AND %(old)s < p.until AND p.until < %(new)s
    """,
    f"""
    INSERT INTO {{t}}_passages (row, {_NAMED}, labels, words, length, since)
        SELECT b.row, {_NAMED}, labels, words, length, %(new)s
        FROM {{t}}_back b JOIN {{t}}_passages p ON p.row = b.old
    """,
    """
    INSERT INTO {t}_vectors
        SELECT b.row, v.vector FROM {t}_back b JOIN {t}_vectors v ON v.row = b.old
    """,
    f"""
    UPDATE {{t}}_passages SET until = %(new)s
        WHERE until = {ALWAYS} AND since > %(old)s AND since < %(new)s
    """,
]
"""Let a new version hold what an old one held."""

WORDS = "SELECT tsvector_to_array(to_tsvector('{t}_words', %s))"
_K1, _B = 1.2, 0.75
MATCH = f"""
WITH about AS MATERIALIZED (
    SELECT passages AS n, greatest(words, 1)::float8 / greatest(passages, 1) AS mean
    FROM {{t}}_versions WHERE number = %(at)s),
hits AS MATERIALIZED (
    SELECT p.row, p.id, p.length, p.words, (@) AS mine FROM {{t}}_passages p
    WHERE {AT} AND p.words @@ %(asked)s::tsquery),
often AS MATERIALIZED (
    SELECT h.row, u.lexeme, cardinality(u.positions) AS tf FROM hits h, unnest(h.words) u
    WHERE u.lexeme = ANY(%(lexemes)s)),
rare AS (SELECT lexeme, count(*) AS df FROM often GROUP BY lexeme)
SELECT h.id, sum(ln(1 + (a.n - r.df + 0.5) / (r.df + 0.5)) * o.tf * ({_K1} + 1)
        / (o.tf + {_K1} * (1 - {_B} + {_B} * h.length / a.mean))) AS score
FROM hits h JOIN often o USING (row) JOIN rare r USING (lexeme), about a
WHERE h.mine GROUP BY h.row, h.id ORDER BY score DESC, h.id COLLATE "C" LIMIT %(depth)s
"""
"""BM25 over all passages of a version with a word of the question; ``@`` is the slice."""

NEAREST = f"""
SELECT p.id, -(v.vector <#> %(asked)s::vector) AS score
FROM {{t}}_passages p JOIN {{t}}_vectors v USING (row)
WHERE {AT} AND @ ORDER BY v.vector <#> %(asked)s::vector, p.id COLLATE "C" LIMIT %(depth)s
"""


def condition(part: Slice) -> tuple[str, dict[str, object]] | None:
    """A slice as a condition on a passage ``p``, with its values; None if nothing can be in it."""
    names = [name for name in sorted(part.who) if name]
    if not names or any(not one for one in part.where.values()):
        return None
    if not math.isfinite(part.since_s):
        return None
    asked = ["p.access && %(who)s::text[]"]
    told: dict[str, object] = {"who": names}
    if part.since_s > 0:
        asked.append("p.modified_s >= %(since_s)s")
        told["since_s"] = part.since_s
    for place, (key, found) in enumerate(part.where.items()):
        asked.append(f"p.labels && %(label{place})s::text[]")
        told[f"label{place}"] = [label(key, one) for one in found]
    for column, wanted in (("kind", part.kinds), ("document_id", part.documents)):
        if wanted:
            asked.append(f"p.{column} = ANY(%({column})s)")
            told[column] = list(wanted)
    return " AND ".join(asked), told


def tsquery(lexemes: Sequence[str]) -> str:
    """Any of some words, as PostgreSQL writes it."""
    quoted = (one.replace("\\", "\\\\").replace("'", "''") for one in lexemes)
    return " | ".join(f"'{one}'" for one in quoted)
