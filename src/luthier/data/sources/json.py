"""Source kind ``json``: a file that is one list of rows, or holds one under a key."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.core.progress import Progress
from luthier.data.sources._decode import encoding_of
from luthier.data.sources._json_stream import JsonStream, NotJsonError
from luthier.data.sources.files import empty, read_files, reading
from luthier.data.sources.raw import Raw, RowSource


class JsonSource(RowSource):
    """JSON files: each is one list of objects, or one object that holds such a list."""

    kind: Literal["json"] = "json"
    path: str
    """A file, or a pattern such as ``exports/*.json``, relative to the project file; also .gz."""
    records: str | None = None
    """Where the list stands, if the file is an object: ``train``, or ``data.paragraphs`` for the
    lists under ``paragraphs`` in all objects of the list ``data``; ``data`` if null."""
    columns: tuple[str, ...] | None = None
    """Names of the columns, where rows are lists of values instead of objects."""


def read_json(source: JsonSource, base: Path, ledger: Ledger, progress: Progress) -> Iterator[Raw]:
    """Read JSON files item by item; the file need not fit into memory.

    Args:
        source: What to read.
        base: Folder that relative paths start from.
        ledger: Gets a line for each item that is no object (or, with ``columns``, no fitting list).
        progress: Shows how many rows were read.

    Yields:
        Each object. Its origin is the path that jq understands: ``data.json:train[17]``.

    Raises:
        DataError: A file is missing, empty, damaged, not JSON, or holds no list where it should.
    """
    return read_files(
        source.path, base, progress, lambda name, path: _rows(source, name, path, ledger)
    )


def _rows(source: JsonSource, name: str, path: Path, ledger: Ledger) -> Iterator[Raw]:
    encoding = encoding_of(path)
    if encoding == "cp1252":
        ledger.change("read as another encoding than UTF-8", name, encoding)
    try:
        with reading(path) as file, io.TextIOWrapper(file, encoding=encoding) as text:
            stream = JsonStream(text)
            if not stream.peek():
                raise empty(path)
            for place, item in _items(stream, source, path):
                row = _row(item, source, f"{name}:{place}", ledger)
                if row is not None:
                    yield row
    except NotJsonError as error:
        raise DataError(
            f"not proper JSON: {error}",
            where=f"{path}:{error.line}",
            mend="Mend the file there; for one object on each line use `kind: jsonl`.",
        ) from error
    except UnicodeError as error:
        raise DataError(
            f"not {encoding.removesuffix('-sig').upper()}: {error}",
            where=str(path),
            mend="Save the file as UTF-8.",
        ) from error


def _row(item: Any, source: JsonSource, origin: str, ledger: Ledger) -> Raw | None:
    if source.columns is not None and isinstance(item, list):
        if len(item) == len(source.columns):
            return Raw(dict(zip(source.columns, item, strict=True)), origin)
        said = f"{len(item)}, not {len(source.columns)}"
        ledger.refuse("wrong number of columns", origin, said)
        return None
    if isinstance(item, dict):
        return Raw(item, origin)
    ledger.refuse("not a JSON object", origin, str(item))
    return None


def _items(stream: JsonStream, source: JsonSource, path: Path) -> Iterator[tuple[str, Any]]:
    """(place, item) of each item of the list that is meant."""
    outer, *inner = (source.records or "data").split(".")
    found = False
    if stream.peek() == "[" and not source.records:
        found = True
        yield from _list("", stream, [])
    elif stream.peek() == "{":
        keys = []
        for key in stream.pairs():
            keys.append(key)
            if key == outer and stream.peek() == "[":
                found = True
                yield from _list(key, stream, inner)
            else:
                stream.skip()
        if not found:
            raise _no_list(source, keys, path)
    else:
        stream.skip()
        raise _no_list(source, [], path)
    stream.end()


def _list(key: str, stream: JsonStream, inner: list[str]) -> Iterator[tuple[str, Any]]:
    for number, _ in enumerate(stream.items()):
        yield from _inner(f"{key}[{number}]", stream.value(), inner)


def _inner(place: str, item: Any, keys: list[str]) -> Iterator[tuple[str, Any]]:
    """The items of the lists under further keys; the item itself where it has no such list."""
    below = item.get(keys[0]) if keys and isinstance(item, dict) else None
    if not keys or not isinstance(below, list):
        yield place, item
        return
    for number, one in enumerate(below):
        yield from _inner(f"{place}.{keys[0]}[{number}]", one, keys[1:])


def _no_list(source: JsonSource, keys: list[str], path: Path) -> DataError:
    named = source.records is not None
    has = f"The file has: {', '.join(map(repr, keys))}. " if keys else ""
    return DataError(
        f"no list stands under '{source.records}'" if named else "this file is not a list of rows",
        where=str(path),
        mend=f"{has}Name the key of the list with `records`; for one object on each line use "
        "`kind: jsonl`.",
    )
