"""Versions of the search index in a folder.

``segments/<name>/`` holds a segment, ``version-<number>.json`` what a version is made of: its
segments, each with the ranges of rows that are dead in it. A version's file is written last, so a
version that is there is whole. One process writes at a time; those that read need not wait.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from luthier.core.errors import StoreError
from luthier.core.store import write_atomic
from luthier.rag.search.lists import Rows
from luthier.rag.search.living import Living
from luthier.rag.search.segment import gathered, read_segment, segment_of, write_segment
from luthier.rag.search.words import Language

FORMAT = 1
_SEGMENTS = "segments"


def saved(folder: Path) -> list[int]:
    """The versions in a folder, oldest first."""
    found = (re.fullmatch(r"version-(\d+)\.json", p.name) for p in folder.glob("version-*.json"))
    return sorted(int(match[1]) for match in found if match)


def write_version(living: Sequence[Living], language: Language, folder: Path, number: int) -> None:
    """Write a version; segments that the folder has are not written again.

    Raises:
        StoreError: It cannot be written.
    """
    for one in living:
        if not (folder / _SEGMENTS / one.segment.name).is_dir():
            write_segment(one.segment, folder / _SEGMENTS)
    listed = [{"name": one.segment.name, "dead": _ranges(one.dead)} for one in living]
    _write(folder, number, {"format": FORMAT, "stemmer": language, "segments": listed})


def read_version(folder: Path, number: int) -> tuple[list[Living], Language]:
    """A version as it was written.

    Raises:
        StoreError: It is not there, or a file of it is missing or damaged.
    """
    record = _read(folder, number)
    living = []
    for listed in record["segments"]:
        segment = read_segment(folder / _SEGMENTS, listed["name"])
        dead = _rows(listed["dead"])
        if len(dead) and not 0 <= dead.min() <= dead.max() < len(segment):
            raise _damaged(folder, number, "it names rows that are not there")
        living.append(Living(segment, dead))
    return living, record["stemmer"]


def purge(folder: Path, documents: Collection[str]) -> int:
    """Remove documents from all versions and from the disk.

    Segments that hold any of their passages, dead ones too, are written anew without them, then
    the versions, then the old segments are deleted. If it is interrupted, run it again.

    Returns:
        How many passages were removed.

    Raises:
        StoreError: The folder is damaged or cannot be written.
    """
    records = {number: _read(folder, number) for number in saved(folder)}
    names = {s["name"]: r["stemmer"] for r in records.values() for s in r["segments"]}
    anew: dict[str, tuple[str, Rows]] = {}
    removed = 0
    for name, language in names.items():
        segment = read_segment(folder / _SEGMENTS, name)
        found = segment.documents.of(documents)
        if not found:
            continue
        gone = np.unique(np.concatenate(found))
        removed += len(gone)
        left = Living(segment, gone)
        place = np.where(left.alive > 0, np.cumsum(left.alive, dtype=np.int64) - 1, -1)
        made = segment_of(gathered([left.table()]), language) if left.count else None
        if made is not None:
            write_segment(made, folder / _SEGMENTS)
        anew[name] = (made.name if made is not None else "", place.astype(np.int32))
    if anew:
        for number, record in records.items():
            listed = [_moved(one, anew) for one in record["segments"]]
            _write(folder, number, {**record, "segments": [one for one in listed if one["name"]]})
    _sweep(folder)
    return removed


def prune(folder: Path, keep: Collection[int]) -> int:
    """Forget all versions but some, and delete the segments that none of these needs.

    Returns:
        How many versions went.
    """
    gone = [number for number in saved(folder) if number not in set(keep)]
    for number in gone:
        _path(folder, number).unlink(missing_ok=True)
    _sweep(folder)
    return len(gone)


def _moved(listed: dict[str, Any], anew: dict[str, tuple[str, Rows]]) -> dict[str, Any]:
    if listed["name"] not in anew:
        return listed
    name, place = anew[listed["name"]]
    dead = place[_rows(listed["dead"])]
    return {"name": name, "dead": _ranges(dead[dead >= 0])}


def _sweep(folder: Path) -> None:
    """Delete segments that no version names, and what an interrupted write has left."""
    named = {s["name"] for n in saved(folder) for s in _read(folder, n)["segments"]}
    for path in (folder / _SEGMENTS).glob("*"):
        if path.name not in named:
            shutil.rmtree(path, ignore_errors=True)
    for path in folder.glob(".version-*"):
        path.unlink(missing_ok=True)


def _path(folder: Path, number: int) -> Path:
    return folder / f"version-{number}.json"


def _write(folder: Path, number: int, record: dict[str, Any]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(_path(folder, number), json.dumps(record))
    except OSError as error:
        raise StoreError(
            f"the search index cannot be written: {error}",
            where=str(folder),
            mend="Check disk space and permissions, and run again.",
        ) from error


def _read(folder: Path, number: int) -> dict[str, Any]:
    path = _path(folder, number)
    if not path.is_file():
        raise StoreError(
            f"the search index has no version {number}",
            where=str(folder),
            mend="`luthier rag sync` makes it anew from the store.",
        )
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if record["format"] != FORMAT:
            raise ValueError(f"it has format {record['format']}, not {FORMAT}")
        for listed in record["segments"]:
            _ = str(listed["name"]), _rows(listed["dead"])
        _ = str(record["stemmer"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, number, str(error)) from error
    return record


def _damaged(folder: Path, number: int, how: str) -> StoreError:
    return StoreError(
        f"damaged search index: {how}",
        where=str(_path(folder, number)),
        mend="Delete the folder of the search index: it is made anew from the store.",
    )


def _ranges(rows: Rows) -> list[list[int]]:
    """Growing rows as pairs: where a run of them begins, and how long it is."""
    if not len(rows):
        return []
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    firsts = np.concatenate([[0], breaks])
    counts = np.diff(np.concatenate([firsts, [len(rows)]]))
    return [[int(rows[f]), int(n)] for f, n in zip(firsts, counts, strict=True)]


def _rows(ranges: Sequence[Sequence[int]]) -> Rows:
    pieces = [np.arange(first, first + count, dtype=np.int32) for first, count in ranges]
    return np.concatenate([np.empty(0, np.int32), *pieces]).astype(np.int32)
