"""Tables and queries, from SQLite and from a real PostgreSQL."""

from __future__ import annotations

import itertools
import sqlite3
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from postgres import PASSWORD, CannotStartError, Postgres, postgres
from pydantic import ValidationError

from luthier.core.errors import ConfigError, DataError, LuthierError, ResourceError
from luthier.core.ledger import Ledger, read_ledger
from luthier.core.progress import Quiet
from luthier.data.sources.raw import Raw
from luthier.data.sources.sql import SqlSource, digest_sql, read_sql

FOREVER = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
    "SELECT i, 'question ' || i AS question FROM n"
)
MANY = 200_000


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    try:
        with postgres() as running:
            running.run(
                f"CREATE TABLE faq AS SELECT i AS id, 'Question ' || i AS question, "
                f"'Answer ' || i AS answer FROM generate_series(1, {MANY}) AS i;"
                "CREATE SEQUENCE numbers; CREATE SCHEMA archive;"
                "CREATE TYPE pair AS (a int, b text);"
                "CREATE TABLE archive.old (id int, a date, b numeric(10,2), c bytea, d jsonb, "
                "e timestamptz, f text[], g uuid, h boolean, i interval, j int4range, k pair);"
                "INSERT INTO archive.old VALUES (1, 'infinity', 12.50, 'abc', "
                """'{"role": ["user"]}', '2026-11-22 03:04:05+00', '{x,y}', """
                "'00000000-0000-0000-0000-000000000001', true, '1 day', '[1,3)', '(1,x)');"
                "INSERT INTO archive.old (id) VALUES (2);"
            )
            yield running
    except CannotStartError as error:
        pytest.skip(f"NOT TESTED on PostgreSQL: {error}")


@pytest.fixture
def pg(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Settings of a source at the server, with its password in the environment."""
    monkeypatch.setenv("PG_PASSWORD", PASSWORD)
    return {"url": server.url("${PG_PASSWORD}")}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A project folder with a SQLite file."""
    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.execute("CREATE TABLE faq (id, part, question TEXT, answer TEXT, added DATE)")
        database.executemany(
            "INSERT INTO faq VALUES (?, ?, ?, ?, ?)",
            [
                (7, "a", "Where is it?", "Here: 100 %.", "2026-01-01"),
                (3, "b", "When?", "At 12:30 :now", "junk"),
                (3, "a", "Why?", None, None),
            ],
        )
        database.execute('CREATE VIEW "asked of" AS SELECT question FROM faq')
    database.close()
    return tmp_path


def read(base: Path, ledger: Ledger | None = None, **given: Any) -> list[Raw]:
    source = SqlSource(**{"url": "sqlite:///shop.db", **given})
    return list(read_sql(source, base, ledger or Ledger(), Quiet()))


def failure(base: Path, **given: Any) -> str:
    """What a source that cannot be read says, for reading as for the digest."""
    source = SqlSource(**{"url": "sqlite:///shop.db", **given})
    said = []
    for use in (
        lambda: list(read_sql(source, base, Ledger(), Quiet())),
        lambda: digest_sql(source, base),
    ):
        with pytest.raises(LuthierError) as error:
            use()
        said.append(str(error.value))
    assert said[0] == said[1]
    assert len(said[0].splitlines()) == 2, said[0]
    return said[0]


def test_a_table_is_read_in_the_order_of_its_key(shop: Path) -> None:
    rows = read(shop, table="faq", key=("id", "part"))
    assert [r.origin for r in rows] == ["faq:3/a", "faq:3/b", "faq:7/a"]
    assert rows[1].values == {
        "id": 3,
        "part": "b",
        "question": "When?",
        "answer": "At 12:30 :now",
        "added": "junk",
    }


def test_columns_and_a_condition(shop: Path) -> None:
    where = "answer LIKE '%:now' AND question <> ':x %s'"
    rows = read(shop, table="faq", columns=("question",), key=("id",), where=where, text="question")
    assert rows == [Raw({"question": "When?"}, "faq:3")]
    assert read(shop, table="asked of", text="question")[0] == Raw(
        {"question": "Where is it?"}, "asked of:1"
    )


def test_a_query_is_run_as_it_stands(shop: Path) -> None:
    query = "-- all\nSELECT question AS q, '100 %s :x' AS a FROM faq WHERE id % 2 = 1 ORDER BY q;\n"
    rows = read(shop, query=query, question="q", answer="a")
    assert [(r.values["q"], r.origin) for r in rows] == [
        ("When?", "query:1"),
        ("Where is it?", "query:2"),
        ("Why?", "query:3"),
    ]
    assert {r.values["a"] for r in rows} == {"100 %s :x"}
    assert read(shop, query=query, key=("q",), name="asked", text="q")[0].origin == "asked:When?"


def test_rows_without_a_key_stand_in_the_ledger(shop: Path) -> None:
    ledger = Ledger()
    rows = read(shop, ledger, query="SELECT * FROM faq", key=("added",), name="faq")
    assert [r.origin for r in rows] == ["faq:2026-01-01", "faq:junk"]
    assert [(e.reason, e.origin) for e in ledger.entries] == [("key is missing", "faq:3")]


def test_broken_text_stays_bytes(shop: Path) -> None:
    rows = read(
        shop, query="SELECT CAST(x'ff41' AS TEXT) AS a, CAST(x'c3bc' AS TEXT) AS b", text="b"
    )
    assert rows[0].values == {"a": b"\xffA", "b": "ü"}


def test_nothing_is_read_ahead(shop: Path) -> None:
    source = SqlSource(url="sqlite:///shop.db", query=FOREVER, batch_rows=10, text="question")
    rows = read_sql(source, shop, Ledger(), Quiet())
    assert [r.values["i"] for r in itertools.islice(rows, 25)] == list(range(1, 26))
    rows.close()  # type: ignore[attr-defined]


def test_nothing_is_written(shop: Path) -> None:
    before = (shop / "shop.db").read_bytes()
    delete = "WITH x AS (SELECT 1) DELETE FROM faq"
    assert "the query fails: attempt to write a readonly database" in failure(shop, query=delete)
    assert (shop / "shop.db").read_bytes() == before


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM faq",
        "  /* SELECT */ DROP TABLE faq",
        "SELECT 1; DROP TABLE faq",
        "PRAGMA query_only = OFF",
        "EXPLAIN SELECT 1",
        "",
        "--",
    ],
)
@pytest.mark.parametrize("setting", ["query", "version"])
def test_statements_that_do_not_only_read_are_refused(query: str, setting: str) -> None:
    others = {} if setting == "query" else {"table": "faq"}
    with pytest.raises(ValidationError):
        SqlSource(url="sqlite:///shop.db", **{setting: query}, **others)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "query",
    [
        "select ';' as a -- ;",
        "(SELECT 1) UNION (SELECT 2);",
        "values (1)",
        "/* ; */WITH x AS (SELECT 1) SELECT * FROM x",
    ],
)
def test_statements_that_read_are_taken(query: str) -> None:
    assert SqlSource(url="sqlite:///shop.db", query=query).query == query


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"table": "a", "query": "SELECT 1"},
        {"query": "SELECT 1", "columns": ("a",)},
        {"query": "SELECT 1", "where": "a"},
        {"table": "a", "where": "1; DROP TABLE faq"},
        {"table": "a", "password": "x"},
        {"table": "a", "url": "postgresql://a:hunter2@b/c"},
    ],
)
def test_wrong_settings_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as error:
        SqlSource(**{"url": "sqlite:///shop.db", **given})
    assert "hunter2" not in str(error.value)


def test_a_digest_follows_the_rows_and_not_their_order(shop: Path) -> None:
    def digest(**given: Any) -> str:
        return digest_sql(SqlSource(url="sqlite:///shop.db", **given), shop)

    forth, back = (f"SELECT id, part FROM faq ORDER BY id {way}" for way in ("ASC", "DESC"))
    table, version = digest(table="faq"), "SELECT count(*) FROM faq"
    assert digest(query=forth) == digest(query=back)
    counted = digest(table="faq", version=version, key=("id",))
    with sqlite3.connect(shop / "shop.db") as database:
        database.execute("UPDATE faq SET answer = 'Because.' WHERE answer IS NULL")
    assert digest(table="faq") != table
    assert digest(table="faq", version=version, key=("id",)) == counted
    with sqlite3.connect(shop / "shop.db") as database:
        database.execute("INSERT INTO faq SELECT * FROM faq")
    assert digest(table="faq", version=version) != counted
    database.close()


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"url": "sqlite:///other.db", "table": "faq"}, "no such database file"),
        ({"url": "sqlite:///text.db", "table": "faq"}, "file is not a database"),
        ({"table": "fag"}, "no table named 'fag'\n  The database has: asked of, faq."),
        ({"table": "faq", "columns": ("q",)}, "no column named 'q'\n  It has: id, part,"),
        ({"query": "SELECT 1 AS a, 2 AS a"}, "several columns are named 'a'"),
        ({"query": "SELECT quest FROM faq"}, "the query fails: no such column: quest"),
        ({"query": "SELECT FROM"}, "the query fails: near"),
        ({"table": "faq", "where": "AND"}, "the query fails: near"),
        ({"url": "no url", "table": "faq"}, "no database URL"),
        ({"url": "sqlite:///shop.db?wrong=1", "table": "faq"}, "no database URL"),
        ({"url": "nosuch://a/b", "table": "faq"}, "no database URL"),
        ({"url": "postgresql+asyncpg://a/b", "table": "faq"}, "asyncpg"),
        ({"url": "sqlite+aiosqlite:///shop.db", "table": "faq"}, "aiosqlite"),
        ({"url": "oracle+oracledb://a/b", "table": "faq"}, "pip install 'oracledb'"),
        ({"url": "mysql://a/b", "table": "faq"}, "pip install 'pymysql'"),
        ({"url": "postgresql://127.0.0.1:1/b", "table": "faq"}, "cannot connect"),
        ({"url": "postgresql://a:${NOT_SET}@b/c", "table": "faq"}, "NOT_SET is not set"),
    ],
)
def test_bad_input_says_what_is_wrong(shop: Path, given: dict[str, Any], what: str) -> None:
    (shop / "text.db").write_text("no database at all, whatever it is called" * 50)
    assert what in failure(shop, **given)
    assert not (shop / "other.db").exists()


def test_a_missing_library_is_named(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(ResourceError, match=r"pip install 'luthier\[data\]'"):
        read(shop, table="faq")


def test_columns_that_mean_nothing(shop: Path) -> None:
    with pytest.raises(DataError, match=r"sqlite:///shop\.db query: no columns named 'question'"):
        read(shop, query="SELECT id, part FROM faq")
    with pytest.raises(DataError, match="no column named 'body'"):
        read(shop, table="faq", text="body")


def test_a_key_that_no_column_is(shop: Path) -> None:
    with pytest.raises(DataError, match="no column named 'nr'"):
        read(shop, query="SELECT * FROM faq", key=("nr",))


@settings(max_examples=25, deadline=None)
@given(rows=st.lists(st.tuples(st.none() | st.text("ab:/ü", max_size=3), st.text(max_size=5))))
def test_every_row_comes_out_or_stands_in_the_ledger(
    rows: list[tuple[str | None, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = tmp_path_factory.mktemp("rows")
    with sqlite3.connect(base / "shop.db") as database:
        database.execute("CREATE TABLE t (k TEXT, v TEXT)")
        database.executemany("INSERT INTO t VALUES (?, ?)", rows)
    database.close()
    ledger = Ledger()
    out = read(base, ledger, table="t", key=("k",), text="v", batch_rows=3)
    ledger.check(rows_in=len(rows), rows_out=len(out), limit=1.0, stage="sql")
    assert sorted(r.values["v"] for r in out) == sorted(v for k, v in rows if k)


def test_postgres_streams_many_rows(pg: dict[str, str], tmp_path: Path) -> None:
    source = SqlSource(**pg, table="faq", key=("id",))
    total = held = 0
    for row in read_sql(source, tmp_path, Ledger(), Quiet()):
        held += row.origin == f"faq:{row.values['id']}"
        total += row.values["id"]
    assert (held, total) == (MANY, MANY * (MANY + 1) // 2)


def test_postgres_holds_the_rows_back(pg: dict[str, str], tmp_path: Path) -> None:
    source = SqlSource(**pg, query=FOREVER, batch_rows=10, text="question")
    rows = read_sql(source, tmp_path, Ledger(), Quiet())
    assert [r.values["i"] for r in itertools.islice(rows, 25)] == list(range(1, 26))
    rows.close()  # type: ignore[attr-defined]


def test_postgres_types(pg: dict[str, str], tmp_path: Path) -> None:
    full, empty = read(tmp_path, **pg, table="archive.old", key=("id",), text="c")
    stamp = full.values.pop("e")
    assert stamp.startswith("2026-11-2")
    assert full == Raw(
        {
            "id": 1,
            "a": "infinity",
            "b": "12.50",
            "c": "abc",
            "d": {"role": ["user"]},
            "f": ["x", "y"],
            "g": "00000000-0000-0000-0000-000000000001",
            "h": True,
            "i": "1 day",
            "j": "[1, 3)",
            "k": "(1,x)",
        },
        "archive.old:1",
    )
    assert set(empty.values.values()) == {2, None}


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"table": "fag"}, "no table named 'fag'\n  The database has: faq."),
        ({"table": "archive.new"}, "no table named 'archive.new'"),
        ({"query": "SELECT nothing FROM faq"}, 'the query fails: column "nothing" does not exist'),
        ({"query": "SELECT 1 / (id - 5000) AS text FROM faq"}, "division by zero"),
        ({"query": "SELECT nextval('numbers') AS text"}, "in a read-only transaction"),
        ({"query": "WITH x AS (DELETE FROM faq RETURNING 1) SELECT * FROM x"}, "the query fails"),
        ({"query": "SELECT * INTO faq2 FROM faq"}, "the query fails"),
    ],
)
def test_postgres_says_what_is_wrong(
    pg: dict[str, str], tmp_path: Path, given: dict[str, Any], what: str
) -> None:
    assert what in failure(tmp_path, **pg, **given)


@pytest.mark.parametrize("secret", ["wrong-hunter3", "hunter2/@:?%"])
def test_no_password_is_told(
    server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("PG_PASSWORD", secret)
    encoded = urllib.parse.quote(secret, safe="")
    monkeypatch.setenv("PG_URL", server.url(encoded))
    for url in (server.url("${PG_PASSWORD}"), "${PG_URL}"):
        source = SqlSource(url=url, table="nothing", missing={})
        ledger = Ledger()
        with pytest.raises(DataError) as error:
            list(read_sql(source, tmp_path, ledger, Quiet()))
        wrong = secret != PASSWORD
        assert ("password authentication failed" in str(error.value)) == wrong
        ledger.refuse("source cannot be read", url, str(error.value))
        ledger.write(tmp_path)
        kept = str(read_ledger(tmp_path).entries)
        for told in (str(error.value), repr(error.value), source.model_dump_json(), kept):
            assert secret not in told
            assert encoded not in told


def test_postgres_without_the_server(pg: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot connect to the database: .*no_such_db"):
        read(tmp_path, url=f"{pg['url'].rpartition('/')[0]}/no_such_db", table="faq")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PG_PASSWORD")
        with pytest.raises(ConfigError, match="PG_PASSWORD is not set"):
            read(tmp_path, **pg, table="faq")
