"""Source kind ``sql``: the rows of a table or a query, from any database SQLAlchemy can reach.

Rows are streamed through a server-side cursor and never held together. Nothing is written: the
statement must be a query, PostgreSQL and SQLite are asked for a read-only transaction, and every
transaction is rolled back.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from luthier.core.errors import ConfigError, DataError, ResourceError
from luthier.core.ledger import Ledger
from luthier.core.progress import Progress
from luthier.core.secrets import SecretUrl, names_in, redact, reveal_url
from luthier.core.spec import runtime
from luthier.data.sources._plain import plain
from luthier.data.sources.dialects import check_columns
from luthier.data.sources.raw import Raw, RowSource

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, CursorResult, Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection

_DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
_PACKAGES = {
    "psycopg": "psycopg[binary]",
    "psycopg2": "psycopg2-binary",
    "MySQLdb": "mysqlclient",
    "cx_Oracle": "cx-Oracle",
    "snowflake": "snowflake-sqlalchemy",
    "sqlalchemy": "luthier[data]",
}
_SPOKEN_TYPES = ("date", "time", "timetz", "timestamp", "timestamptz", "interval")
_MODULUS = 2**256

Answer = tuple[list[str], Iterator[list[list[Any]]]]


class SqlSource(RowSource):
    """A table or a query of a database.

    Its columns are understood like those of a CSV file. Rows without ``key`` are numbered as the
    database gives them, so a table without one should have an ``ORDER BY`` in a query.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    kind: Literal["sql"] = "sql"
    url: SecretUrl
    """SQLAlchemy's URL, with secrets as ``${NAME}``; SQLite's paths start at the project file."""
    table: str | None = Field(default=None, min_length=1)
    """The table or view to read, as ``name`` or ``schema.name``; either this or ``query``."""
    columns: tuple[str, ...] = ()
    """Columns of the table to read; all if empty."""
    where: str | None = Field(default=None, min_length=1)
    """A condition in SQL on the table's rows."""
    query: str | None = Field(default=None, min_length=1)
    """One SELECT in the database's own SQL; either this or ``table``."""
    key: tuple[str, ...] = ()
    """Columns that name a row for good, also in its origin; row numbers if empty."""
    name: str | None = Field(default=None, min_length=1)
    """What rows are called in origins; the table's name, or ``query``."""
    version: str | None = Field(default=None, min_length=1)
    """A cheap SELECT whose result changes whenever the rows do; all rows are hashed if null."""
    batch_rows: int = runtime(1000, ge=1)
    """Rows fetched from the database at a time."""

    @model_validator(mode="after")
    def _one_statement(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise ValueError("give `table` or `query`, one of the two")
        if self.query is not None and (self.columns or self.where):
            raise ValueError("`columns` and `where` belong to a `table`: say it in the query")
        for setting in ("query", "version"):
            statement = getattr(self, setting)
            if statement is not None and not _is_query(statement):
                raise ValueError(
                    f"`{setting}` must be one statement that only reads: SELECT, WITH, VALUES"
                )
        if self.where is not None and ";" in _without_quotes(self.where):
            raise ValueError("`where` must be one condition, without ';'")
        return self


def read_sql(source: SqlSource, base: Path, ledger: Ledger, progress: Progress) -> Iterator[Raw]:
    """Stream the rows of a table or query.

    Args:
        source: What to read.
        base: Folder that the relative paths of SQLite start from.
        ledger: Gets a line for each row without a key.
        progress: Counts the rows.

    Yields:
        Rows with the origin ``name:key``, or ``name:number`` (counted from 1).

    Raises:
        ConfigError: An environment variable is missing, or the URL is none.
        DataError: The database, table, column or query is wrong, or the connection breaks.
        ResourceError: The database's driver is not installed.
    """
    name = source.name or source.table or "query"
    number = 0
    with progress.task(f"Reading {name}") as task, _answer(source, base) as (names, batches):
        keys = [names.index(column) for column in source.key]
        wanted = [i for i, column in enumerate(names) if column in (source.columns or names)]
        check_columns([names[i] for i in wanted], source, f"{source.url} {name}")
        for batch in batches:
            for values in batch:
                number += 1
                held = [values[i] for i in keys]
                if any(part is None or part == "" for part in held):
                    ledger.refuse("key is missing", f"{name}:{number}", ", ".join(source.key))
                    continue
                at = "/".join(str(part) for part in held) if held else str(number)
                yield Raw({names[i]: values[i] for i in wanted}, f"{name}:{at}")
            task.advance(len(batch))


def digest_sql(source: SqlSource, base: Path) -> str:
    """A digest of the rows the database gives now.

    With ``version`` only its result is read. Without, all rows are streamed and hashed once more
    than they are read: exact, whatever changed, at the price of running the query twice. The
    order of the rows does not count, since databases promise none.

    Raises:
        ConfigError, DataError, ResourceError: As ``read_sql``.
    """
    count, total = 0, 0
    with _answer(source, base, source.version) as (names, batches):
        for batch in batches:
            for values in batch:
                text = json.dumps(values, ensure_ascii=True, default=lambda data: data.hex())
                total += int.from_bytes(hashlib.sha256(text.encode()).digest())
                count += 1
    told = f"{json.dumps(names)}\n{count}\n{total % _MODULUS}"
    return hashlib.sha256(told.encode()).hexdigest()


@contextlib.contextmanager
def _answer(source: SqlSource, base: Path, version: str | None = None) -> Iterator[Answer]:
    """The names of the columns, and batches of rows with plain values."""
    with _connection(source, base) as connection:
        with _failing_as("the query fails", source):
            result = _execute(source, connection, version)
            names = list(result.keys())
        with contextlib.closing(result):
            _check_columns(names, () if version else source.key, source)
            yield names, _batches(result, source)


def _batches(result: CursorResult[Any], source: SqlSource) -> Iterator[list[list[Any]]]:
    batches = result.partitions(source.batch_rows)
    while True:
        with _failing_as("the database gives no further rows", source):
            batch = next(batches, None)
        if batch is None:
            return
        yield [[plain(value) for value in row] for row in batch]


def _execute(source: SqlSource, connection: Connection, version: str | None) -> CursorResult[Any]:
    connection = connection.execution_options(stream_results=True, yield_per=source.batch_rows)
    statement = version or source.query
    if statement is not None:
        statement = statement.strip().rstrip(";")
        return connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
    from sqlalchemy import column, select, table, text

    schema, name = _find_table(source, connection)
    asked = dict.fromkeys((*source.columns, *source.key)) if source.columns else ()
    query = select(*([column(c) for c in asked] or [text("*")])).select_from(
        table(name, schema=schema)
    )
    if source.where is not None:
        query = query.where(text(re.sub(r"(?<!\\):", r"\\:", source.where)))
    return connection.execute(query.order_by(*(column(k) for k in source.key)))


def _find_table(source: SqlSource, connection: Connection) -> tuple[str | None, str]:
    """Schema and name of the table.

    Raises:
        DataError: There is none of that name, or it lacks a column.
    """
    from sqlalchemy import exc, inspect

    full = source.table or ""
    inspector = inspect(connection)
    above, _, inner = full.rpartition(".")
    schema, name = (None, full) if inspector.has_table(full) else (above or None, inner)
    if not inspector.has_table(name, schema=schema):
        known = sorted([*inspector.get_table_names(), *inspector.get_view_names()])
        raise DataError(
            f"no table named '{full}'",
            where=source.url,
            mend=f"The database has: {_some(known)}." if known else "The database has no table.",
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", exc.SAWarning)  # a type SQLAlchemy does not know
        names = [c["name"] for c in inspector.get_columns(name, schema=schema)]
    _check_columns(names, (*source.columns, *source.key), source)
    return schema, name


def _check_columns(names: list[str], needed: Sequence[str], source: SqlSource) -> None:
    if missing := [column for column in needed if column not in names]:
        raise DataError(
            f"no column named {', '.join(map(repr, missing))}",
            where=f"{source.url} {source.table or 'query'}",
            mend=f"It has: {_some(names)}.",
        )
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise DataError(
            f"several columns are named {twice[0]!r}",
            where=f"{source.url} query",
            mend="Name them apart with AS.",
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return ", ".join(names[:20]) + more


@contextlib.contextmanager
def _connection(source: SqlSource, base: Path) -> Iterator[Connection]:
    """A connection in a transaction that cannot write where the database knows such a thing."""
    engine = _engine(source, base)
    with _failing_as("cannot connect to the database", source):
        opened = engine.connect()
    try:
        if engine.dialect.name == "postgresql":
            opened = opened.execution_options(postgresql_readonly=True)
        elif engine.dialect.name == "sqlite":
            with _failing_as("cannot read the database", source):
                opened.exec_driver_sql("PRAGMA query_only = ON")
        yield opened
    finally:
        with contextlib.suppress(Exception):
            opened.rollback()
        opened.close()
        engine.dispose()


def _engine(source: SqlSource, base: Path) -> Engine:
    try:
        from sqlalchemy import create_engine, event, exc
        from sqlalchemy.pool import NullPool
    except ModuleNotFoundError as error:
        raise _missing(error.name or "sqlalchemy", source) from None
    url = _url(source, base)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", exc.SAWarning)  # an argument that is ignored
            engine = create_engine(url, hide_parameters=True, poolclass=NullPool)
    except ModuleNotFoundError as error:
        raise _missing(error.name or url.drivername, source) from None
    except (exc.SQLAlchemyError, exc.SAWarning, TypeError, ValueError) as error:
        raise _not_a_url(error, source) from None
    if engine.dialect.is_async:
        raise ConfigError(
            f"the driver '{engine.driver}' is for asynchronous programs",
            where=source.url,
            mend="Take another, such as postgresql+psycopg or sqlite.",
        )
    event.listen(engine, "connect", _speak_text)
    return engine


def _speak_text(connection: DBAPIConnection, _: object) -> None:
    """Let values arrive that Python's types cannot hold: broken text, the date 'infinity'."""
    driver = type(connection).__module__.partition(".")[0]
    if driver == "sqlite3":
        connection.text_factory = lambda data: plain(bytes(data))
    elif driver == "psycopg":
        from psycopg.types.string import TextLoader

        for name in _SPOKEN_TYPES:
            connection.adapters.register_loader(name, TextLoader)


def _url(source: SqlSource, base: Path) -> URL:
    from sqlalchemy import exc, make_url

    try:
        url = make_url(reveal_url(source.url))
    except (exc.ArgumentError, ValueError) as error:
        raise _not_a_url(error, source) from None
    url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return url
    if str(url.database).startswith("file:"):
        return url
    path = base / Path(str(url.database)).expanduser()
    if not path.is_file():
        raise DataError(
            "no such database file",
            where=str(path),
            mend="Check `url` in the project file; sqlite:///name.db starts from its folder.",
        )
    return url.set(database=str(path))


def _not_a_url(error: Exception, source: SqlSource) -> ConfigError:
    return ConfigError(
        f"this is no database URL: {_first_line(error)}",
        where=source.url,
        mend="It reads like postgresql://user:${PASSWORD}@host/database or sqlite:///file.db.",
    )


def _missing(library: str, source: SqlSource) -> ResourceError:
    top = library.partition(".")[0]
    return ResourceError(
        f"the library '{top}' for this database is not installed",
        where=source.url,
        mend=f"pip install '{_PACKAGES.get(top, top)}'",
    )


@contextlib.contextmanager
def _failing_as(what: str, source: SqlSource) -> Iterator[None]:
    """Turn what a library raises into one clear message without secrets."""
    from sqlalchemy import exc

    try:
        yield
    except exc.SQLAlchemyError as error:
        said = getattr(error, "orig", None) or error
        variables = " and ".join(names_in(source.url))
        hint = f", and what {variables} holds" if variables else ""
        connecting = what.startswith("cannot connect")
        raise DataError(
            f"{what}: {_first_line(said)}",
            where=source.url,
            mend=f"Check `url`{hint}; is the database running?"
            if connecting
            else "Try the statement in the database's own shell.",
        ) from None


def _first_line(error: object) -> str:
    lines = [line.strip() for line in redact(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__


def _without_quotes(statement: str) -> str:
    """A statement without its comments and what stands in quotes."""
    pattern = r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|\$(\w*)\$.*?\$\1\$"
    return re.sub(pattern, " ", statement, flags=re.DOTALL)


def _is_query(statement: str) -> bool:
    bare = _without_quotes(statement).strip().rstrip("; \t\r\n")
    first = re.match(r"[(\s]*(\w+)", bare)
    reads = first is not None and first[1].lower() in ("select", "with", "values", "table")
    return reads and ";" not in bare
