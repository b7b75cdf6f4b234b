"""What a store that is searched itself needs behind a change, and whether memory would do."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from luthier.rag.stores.recall import EXACT_BELOW, index_vectors
from luthier.rag.stores.store import PassageStore

UNINDEXED = 0.1
"""Share of rows that may be searched one by one."""
FEW = 1000
"""So many rows are searched one by one without notice."""
_GROWN = 1.5  # times as many passages: the parameters of the vector index are chosen anew
_TIMES = 2.5  # the rows' bytes: rows, vectors, codes and postings while a version is made
_ROOM = 0.5  # share of the free memory that may be taken
_SAMPLE = 8  # batches whose rows are weighed


def tend(store: PassageStore, exact_below: int = EXACT_BELOW) -> Mapping[str, Any]:
    """Put a store in order where a tenth of its rows are in no index, and see to its vectors.

    Args:
        store: Which; its newest version.
        exact_below: Passages up to which vectors are searched exactly.

    Returns:
        How vectors are searched, as `index_vectors` tells it.
    """
    told = store.health()
    passages = told["passages"]
    if told["unindexed"] > max(FEW, UNINDEXED * passages):
        store.optimize()
    search: Mapping[str, Any] = told["search"]
    if passages >= exact_below and passages > _GROWN * search.get("passages", 0):
        return index_vectors(store, exact_below=exact_below)
    return search


def memory_needed(store: PassageStore, version: int) -> int:
    """Bytes that searching a version in memory takes at most, by the weight of its first rows."""
    rows = itertools.islice(store.rows(version), _SAMPLE)
    weighed = [(batch.num_rows, batch.nbytes) for batch in rows]
    count, size = (sum(part) for part in zip(*weighed, strict=True)) if weighed else (0, 0)
    passages = next(v.passages for v in store.versions() if v.number == version)
    return round(_TIMES * size / count * passages) if count else 0


def memory_allowed(memory_gb: float | None) -> int:
    """Bytes that a search in memory may take: what is set, or half of what is free."""
    if memory_gb is not None:
        return round(memory_gb * 1e9)
    from luthier.setup.machine import memory

    return round(_ROOM * memory().free_bytes)
