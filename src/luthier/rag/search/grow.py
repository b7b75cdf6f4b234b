"""How segments come to be, and when some of them become one.

A change adds one segment, and rows of others die. So that searching stays quick, and dead rows do
not pile up: a segment without living rows is dropped; one of whose rows more than a quarter is dead
is written anew; and where there are more than `MOST_SEGMENTS` small ones, the smallest become one,
as many as are each at most twice as large as those before them together. A passage is so written
anew a few times in its life, not at each change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from luthier.core.errors import StoreError
from luthier.rag.search.living import Living
from luthier.rag.search.segment import Gathered, gathered, plain, segment_of
from luthier.rag.search.words import Language
from luthier.rag.stores.store import VECTOR

MOST_ROWS = 250_000
"""Rows of a segment; more go into the next."""
MOST_SEGMENTS = 8
"""Small segments."""
_MOST_BYTES = 1 << 30
_MOST_DEAD = 0.25


def grown(
    batches: Iterable[pa.RecordBatch | pa.Table], language: Language, width: int | None = None
) -> Iterator[Living]:
    """Segments of rows, all living.

    Args:
        batches: Rows as `PassageStore.rows` gives them.
        language: Whose stemmer.
        width: Numbers of the vectors there are already, 0 for none; None if there are no rows yet.

    Raises:
        StoreError: The rows are no passages, or their vectors are of several lengths.
        ResourceError: The stemmer is not installed.
    """
    waiting = Gathered()
    for batch in batches:
        table = plain(batch)
        if not table.num_rows:
            continue
        here = table.schema.field(VECTOR).type.list_size if VECTOR in table.column_names else 0
        if width is None:
            width = here
        if here != width:
            raise StoreError(
                f"vectors of {here} numbers beside vectors of {width}",
                mend="One index holds the vectors of one encoder: build it anew.",
            )
        for first in range(0, table.num_rows, MOST_ROWS):
            piece = table.slice(first, MOST_ROWS)
            full = waiting.rows + len(piece) > MOST_ROWS
            if waiting.rows and (full or waiting.nbytes + piece.nbytes > _MOST_BYTES):
                yield _whole(waiting, language)
                waiting = Gathered()
            waiting.add(piece)
    if waiting.rows:
        yield _whole(waiting, language)


def _whole(found: Gathered, language: Language) -> Living:
    return Living(segment_of(found, language), np.empty(0, np.int32))


def tidied(living: Sequence[Living], language: Language) -> list[Living]:
    """The same rows in fewer segments where that is due; see the module."""
    kept = []
    for one in living:
        if one.count and len(one.dead) > _MOST_DEAD * len(one.segment):
            one = _whole(gathered([one.table()]), language)
        if one.count:
            kept.append(one)
    small = sorted((one for one in kept if one.count <= MOST_ROWS // 2), key=lambda one: one.count)
    if len(small) <= MOST_SEGMENTS:
        return kept
    merged, rows = small[:2], small[0].count + small[1].count
    for one in small[2:]:
        if one.count > 2 * rows or rows + one.count > MOST_ROWS:
            break
        merged.append(one)
        rows += one.count
    rest = [one for one in kept if one not in merged]
    return [*rest, _whole(gathered(one.table() for one in merged), language)]
