"""The labels people gave, in one Parquet file: nothing is overwritten, the latest one counts.

Several processes may save at once: a lock file beside the table keeps them apart, and the table
is replaced whole, so that a reader or a crash never meets half a file.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import fcntl
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from luthier.core.columns import schema_of
from luthier.core.errors import StoreError
from luthier.core.ledger import FILE_NAME as LEDGER, Entry
from luthier.core.records import read_table, write_table

FILE_NAME = "labels.parquet"
Votes = dict[str, dict[str, str]]


@dataclasses.dataclass(frozen=True, slots=True)
class Label:
    """What one annotator said about one row.

    Attributes:
        row_id: The row.
        annotator: Who said it.
        label: One of the scheme's labels, or "" where the annotator passed the row over.
        at: When, ISO 8601 in UTC (``when`` writes it).
        seconds: How long it took, where that is known.
        note: A remark.
    """

    row_id: str
    annotator: str
    label: str
    at: str
    seconds: float | None = None
    note: str = ""


def when(at: dt.datetime | str | float | None = None) -> str:
    """A time as ``Label.at`` holds it: UTC, microseconds.

    Args:
        at: A time, ISO 8601 text, or seconds since 1970; now if None. Without a zone, UTC.

    Raises:
        ValueError: The text is no time.
    """
    if at is None:
        at = dt.datetime.now(dt.UTC)
    elif isinstance(at, str):
        at = dt.datetime.fromisoformat(at)
    elif not isinstance(at, dt.datetime):
        try:
            at = dt.datetime.fromtimestamp(at, dt.UTC)
        except (OverflowError, OSError) as error:
            raise ValueError(f"no time: {at}") from error
    at = at.replace(tzinfo=dt.UTC) if at.tzinfo is None else at.astimezone(dt.UTC)
    return at.isoformat(timespec="microseconds")


def read_labels(path: Path) -> list[Label]:
    """All labels in the order they were saved; none if the file isn't there yet.

    Raises:
        StoreError: The file is no table of labels.
    """
    return read_table(path, Label) if path.exists() else []


def save_labels(path: Path, labels: Sequence[Label]) -> int:
    """Add labels to the table and return how many were new.

    What its annotator last said about the row already (same label, same note) is not added again,
    so that a file may be imported twice.

    Raises:
        StoreError: The table is damaged, or the disk refuses.
    """
    with _locked(path):
        said = {key: (one.label, one.note) for key, one in current(read_labels(path)).items()}
        new = []
        for one in labels:
            key = (one.row_id, one.annotator)
            if said.get(key) != (one.label, one.note):
                said[key] = (one.label, one.note)
                new.append(one)
        if new:
            _append(path, new)
    return len(new)


def note_import(labels: Path, entries: Sequence[Entry]) -> Path:
    """Add lines to the ledger beside the labels: what an import refused or changed.

    Lines that stand there already are not added again, so that a file may be imported twice.

    Args:
        labels: The file of labels.
        entries: Of the import's ledger.

    Returns:
        The ledger's file.

    Raises:
        StoreError: The ledger is damaged, or the disk refuses.
    """
    path = labels.with_name(LEDGER)
    with _locked(labels):
        before = read_table(path, Entry) if path.exists() else []
        found = list(dict.fromkeys([*before, *entries]))
        if len(found) > len(before):
            draft = path.with_suffix(".draft")
            try:
                write_table(draft, found, Entry)
                os.replace(draft, path)
            except OSError as error:
                raise StoreError(f"cannot save: {error.strerror}", where=str(path)) from error
    return path


def save_label(path: Path, label: Label) -> bool:
    """Add one label, as a web page does; False if its annotator had said the same before.

    Raises:
        StoreError: The table is damaged, or the disk refuses.
    """
    return save_labels(path, [label]) == 1


def current(labels: Iterable[Label]) -> dict[tuple[str, str], Label]:
    """The latest label of each annotator for each row: ``{(row, annotator): label}``.

    Of two that were given at the same time, the one saved later counts.
    """
    latest: dict[tuple[str, str], Label] = {}
    for one in labels:
        key = (one.row_id, one.annotator)
        if key not in latest or latest[key].at <= one.at:
            latest[key] = one
    return latest


def in_scheme(labels: Iterable[Label], names: Collection[str]) -> tuple[list[Label], list[Label]]:
    """The labels that count, and those that are set aside: the scheme no longer has them.

    What an annotator said of a row counts as a whole: if the latest label is no longer in the
    scheme, an earlier one doesn't count again, and the row is open to that annotator.

    Args:
        labels: Saved labels.
        names: The scheme's labels.

    Returns:
        Labels in the order they came, and for each row and annotator the one set aside.
    """
    saved = list(labels)
    aside = {k: one for k, one in current(saved).items() if one.label and one.label not in names}
    counted = [
        one
        for one in saved
        if (one.row_id, one.annotator) not in aside and (not one.label or one.label in names)
    ]
    return counted, list(aside.values())


def votes_of(labels: Iterable[Label], without: str = "") -> Votes:
    """What each annotator says now: ``{row: {annotator: label}}``; passed-over rows are left out.

    Args:
        labels: Saved labels.
        without: An annotator whose labels don't count as a vote (the adjudicator).
    """
    votes: Votes = {}
    for (row, annotator), one in current(labels).items():
        if one.label and annotator != without:
            votes.setdefault(row, {})[annotator] = one.label
    return votes


def _append(path: Path, labels: Sequence[Label]) -> None:
    schema = schema_of(Label)
    added = pa.Table.from_pylist([dataclasses.asdict(one) for one in labels], schema=schema)
    draft = path.with_suffix(".draft")
    try:
        if path.exists():
            added = pa.concat_tables([pq.read_table(path, partitioning=None), added])
        pq.write_table(added, draft, compression="zstd")
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(draft, path)
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"cannot save labels: {error}", where=str(path)) from error


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_suffix(".lock").open("w")
    except OSError as error:
        raise StoreError(f"cannot save labels: {error.strerror}", where=str(path)) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
