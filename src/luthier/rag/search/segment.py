"""A segment: some passages with all that is needed to search them; it is never changed."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from luthier.core.columns import schema_of
from luthier.core.errors import StoreError
from luthier.core.records import Passage
from luthier.rag.search.arrays import Arrays, checksum, read_arrays, write_arrays
from luthier.rag.search.columns import Read, reader
from luthier.rag.search.dense import Coded, coded
from luthier.rag.search.lexical import Postings, postings_from, postings_of
from luthier.rag.search.lists import Lists, lists_from, lists_of
from luthier.rag.search.words import Language
from luthier.rag.stores.store import VECTOR

COLUMNS = pa.schema([f for f in schema_of(Passage) if f.name != "score"])
"""What a segment keeps of a passage."""
FORMAT = 1
_FIELDS = [field.name for field in dataclasses.fields(Passage)]
_ROWS, _LISTS, _VECTORS, _ABOUT = "rows.arrow", "lists.bin", "vectors.bin", "segment.json"


@dataclasses.dataclass(frozen=True, eq=False)
class Segment:
    """Passages in the order of their ids.

    Attributes:
        name: Different for each segment.
        rows: `COLUMNS`, each in one piece.
        words: Their postings.
        access: Rows by who may see them.
        kinds: Rows by kind.
        documents: Rows by document.
        meta: Rows by `meta_name`.
        modified_s: float64, when each was changed.
        vectors: Their vectors, or None.
    """

    name: str
    rows: pa.Table
    words: Postings
    access: Lists
    kinds: Lists
    documents: Lists
    meta: Lists
    modified_s: npt.NDArray[np.float64]
    vectors: Coded | None

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    @functools.cached_property
    def read(self) -> dict[str, Read]:
        """What reads some rows of each column."""
        return {name: reader(self.rows[name].chunk(0)) for name in COLUMNS.names}

    def passages(self, rows: npt.NDArray[np.int32]) -> list[Passage]:
        """Some rows as passages, with a score of 0."""
        nothing = [0.0] * len(rows)
        columns = [self.read[n](rows) if n in self.read else nothing for n in _FIELDS]
        return list(map(Passage, *columns))

    def place_of(self, id_: str) -> int:
        """The row of a passage, or -1."""
        ids = self.rows["id"].chunk(0)
        low, high, asked = 0, len(ids), id_.encode()
        while low < high:
            middle = (low + high) // 2
            here = ids[middle].as_buffer().to_pybytes()
            if here == asked:
                return middle
            low, high = (middle + 1, high) if here < asked else (low, middle)
        return -1


def meta_name(key: str, value: str) -> str:
    """What stands for a key with a value; no two pairs have the same."""
    return f"{len(key.encode())}:{key}{value}"


def plain(batch: pa.RecordBatch | pa.Table, where: str = "") -> pa.Table:
    """The columns of a segment out of rows of a store.

    Raises:
        StoreError: A column is missing or of another type.
    """
    table = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
    try:
        own = table.select(COLUMNS.names).cast(COLUMNS)
    except (KeyError, pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise StoreError(f"these rows are no passages: {error}", where=where) from error
    return own.append_column(VECTOR, table[VECTOR]) if VECTOR in table.column_names else own


class Gathered:
    """Rows on their way into a segment; of a batch that was read, nothing else is kept.

    Attributes:
        tables: `COLUMNS` of all batches.
        rows: How many.
        nbytes: Of all that is held.
    """

    def __init__(self) -> None:
        self.tables: list[pa.Table] = []
        self.rows = self.nbytes = 0
        self._held: npt.NDArray[np.float32] | None = None

    def add(self, table: pa.Table) -> None:
        """Take rows as `plain` makes them."""
        self.nbytes += table.nbytes
        if VECTOR in table.column_names:
            self._take(table[VECTOR], len(table))
            table = table.select(COLUMNS.names)
            # a batch of a store is one piece of memory, which a column of it would keep whole
            table = table.take(pa.array(np.arange(len(table))))
        self.tables.append(table)
        self.rows += len(table)

    def vectors(self) -> npt.NDArray[np.float32] | None:
        """Their vectors, or None where there are none."""
        if self._held is not None:
            self._held.resize((self.rows, self._held.shape[1]), refcheck=False)
        return self._held

    def _take(self, column: pa.ChunkedArray, rows: int) -> None:
        width, end = column.type.list_size, self.rows
        if self._held is None:
            self._held = np.empty((rows, width), np.float32)
        if end + rows > len(self._held):  # the system moves pages, and copies nothing
            more = max(end + rows, len(self._held) * 5 // 4)
            self._held.resize((more, width), refcheck=False)
        for piece in column.chunks:
            flat = piece.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
            self._held[end : end + len(flat)] = flat
            end += len(flat)


def gathered(tables: Iterable[pa.Table]) -> Gathered:
    """Rows as `plain` makes them, gathered."""
    made = Gathered()
    for table in tables:
        made.add(table)
    return made


def segment_of(found: Gathered, language: Language) -> Segment:
    """A segment of rows as `plain` makes them.

    Args:
        found: All with vectors of one length, or all without.
        language: Whose stemmer.

    Raises:
        StoreError: Two passages have one id.
        ResourceError: The stemmer is not installed.
    """
    held, rows = found.vectors(), pa.concat_tables(found.tables).combine_chunks()
    found.tables.clear()
    rows, order = _sorted(rows)
    if held is not None and order is not None:
        held = held[order]
    column = {name: rows[name].chunk(0) for name in COLUMNS.names}
    return Segment(
        name=uuid.uuid4().hex,
        rows=rows,
        words=postings_of([(column["title"], column["text"])], language),
        access=_listed(column["access"]),
        kinds=lists_of(column["kind"]),
        documents=lists_of(column["document_id"]),
        meta=_marks(column["meta"]),
        modified_s=column["modified_s"].to_numpy(zero_copy_only=False),
        vectors=coded(held) if held is not None else None,
    )


def _sorted(rows: pa.Table) -> tuple[pa.Table, npt.NDArray[np.int64] | None]:
    """Rows in the order of their ids, and where each one was, unless they were so before."""
    ids = rows["id"].chunk(0)
    order = None
    before, behind = ids[:-1], ids[1:]
    if not pc.all(pc.less(before, behind)).as_py():
        order = pc.sort_indices(ids)
        rows = rows.take(order).combine_chunks()
        ids = rows["id"].chunk(0)
        twice = pc.equal(ids[:-1], ids[1:])
        if pc.any(twice).as_py():
            one = ids.filter(pa.concat_arrays([twice, pa.array([False])]))[0]
            raise StoreError(f"two passages have the id '{one}'")
    return rows, None if order is None else order.to_numpy().astype(np.int64)


def _listed(column: pa.Array) -> Lists:
    parents = pc.list_parent_indices(column).to_numpy().astype(np.int32)
    return lists_of(column.flatten(), parents)


def _marks(column: pa.Array) -> Lists:
    lengths = np.diff(column.offsets.to_numpy())
    parents = np.repeat(np.arange(len(column), dtype=np.int32), lengths)
    first, last = column.offsets[0].as_py(), column.offsets[-1].as_py()
    keys, values = column.keys[first:last], column.items[first:last]
    sizes = pc.cast(pc.binary_length(keys), pa.string())
    tagged = pc.binary_join_element_wise(sizes, ":", "")
    return lists_of(pc.binary_join_element_wise(tagged, keys, values, ""), parents)


def write_segment(segment: Segment, folder: Path) -> None:
    """Write a segment into ``folder / segment.name``, whole or not at all.

    Raises:
        StoreError: It cannot be written.
    """
    final = folder / segment.name
    draft = folder / f".{segment.name}.{os.getpid()}"
    try:
        draft.mkdir(parents=True)
        with pa.ipc.new_file(str(draft / _ROWS), COLUMNS) as writer:
            writer.write_table(segment.rows)
        write_arrays(draft / _LISTS, _numbers(segment))
        if segment.vectors is not None:
            write_arrays(draft / _VECTORS, segment.vectors.arrays())
        sizes = {p.name: [p.stat().st_size, _checked(p)] for p in sorted(draft.iterdir())}
        about = {"format": FORMAT, "rows": len(segment), "files": sizes}
        (draft / _ABOUT).write_text(json.dumps(about), encoding="utf-8")
        os.replace(draft, final)
    except OSError as error:
        raise StoreError(
            f"the search index cannot be written: {error}",
            where=str(final),
            mend="Check disk space and permissions, and run again.",
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _numbers(segment: Segment) -> Arrays:
    parts: dict[str, dict[str, npt.NDArray[Any]]] = {"words": segment.words.arrays()}
    for name in ("access", "kinds", "documents", "meta"):
        parts[name] = getattr(segment, name).arrays()
    flat = {f"{part}.{name}": a for part, arrays in parts.items() for name, a in arrays.items()}
    return {**flat, "modified_s": segment.modified_s}


def _checked(path: Path) -> int | None:
    """A checksum of what a damaged number could make a kernel or Arrow read out of bounds by."""
    return None if path.name == _VECTORS else checksum(path)


def read_segment(folder: Path, name: str) -> Segment:
    """A segment as `write_segment` wrote it; its files are mapped.

    Raises:
        StoreError: A file is missing or damaged.
    """
    home = folder / name
    try:
        about = json.loads((home / _ABOUT).read_text(encoding="utf-8"))
        if about["format"] != FORMAT:
            raise ValueError(f"it has format {about['format']}, not {FORMAT}")
        for file, (size, told) in about["files"].items():
            there = (home / file).stat().st_size
            if there != size:
                raise ValueError(f"{file} has {there} bytes, not {size}")
            if told is not None and _checked(home / file) != told:
                raise ValueError(f"{file} has other contents than were written")
        rows = pa.ipc.open_file(pa.memory_map(str(home / _ROWS))).read_all()
        parts: dict[str, Arrays] = {}
        arrays = read_arrays(home / _LISTS)
        for key in arrays:
            part, _, field = key.partition(".")
            parts.setdefault(part, {})[field] = arrays[key]
        has = _VECTORS in about["files"]
        return Segment(
            name=name,
            rows=rows,
            words=postings_from(parts["words"]),
            access=lists_from(parts["access"]),
            kinds=lists_from(parts["kinds"]),
            documents=lists_from(parts["documents"]),
            meta=lists_from(parts["meta"]),
            modified_s=arrays["modified_s"],
            vectors=Coded(**read_arrays(home / _VECTORS)) if has else None,
        )
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowInvalid) as error:
        what = f"{error.filename} is missing" if isinstance(error, FileNotFoundError) else error
        raise StoreError(
            f"damaged search index: {what}",
            where=str(home),
            mend="Delete the folder of the search index: it is made anew from the store.",
        ) from error
