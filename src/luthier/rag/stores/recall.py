"""How vectors are searched: exactly while that is quick, then by an index that passed a gate.

An index over vectors (IVF_HNSW_SQ) answers sooner and may miss. So its parameters are raised until
measured recall@10 against exact search passes a gate, for all passages and for the slices of access
lists alike; if none does, search stays exact. What was measured stands in the store's record.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from luthier.core.errors import StoreError
from luthier.models.encode import Vectors
from luthier.rag.access import Slice, viewer
from luthier.rag.stores import _lance_table as lance
from luthier.rag.stores._check import vectors_of
from luthier.rag.stores._record import read_record, writing
from luthier.rag.stores.lance import LanceStore
from luthier.rag.stores.store import VECTOR, PassageStore

EXACT_BELOW = 50_000
"""Passages up to which vectors are searched exactly: a few milliseconds each."""
GATE = 0.99
_DEPTH = 10
_QUESTIONS = 64
_SLICES = 6
_CLOSE = 1e-6  # a cosine so near the last exact one is as good
_LADDER = [
    {"nprobes": 20, "ef": 64, "refine": 2},
    {"nprobes": 50, "ef": 128, "refine": 4},
    {"nprobes": 100, "ef": 256, "refine": 4},
    {"nprobes": 200, "ef": 512, "refine": 8},
    {"nprobes": 1000, "ef": 1024, "refine": 16},
]


@dataclasses.dataclass(frozen=True, slots=True)
class Recall:
    """Recall@10 of a store's vector search against exact search.

    Attributes:
        overall: For somebody who may see most.
        worst: The lowest of all slices, `overall` included.
        slice: Whose slice that is: a name of access lists, "" for all of them together.
        questions: How many were asked in each slice.
        exact: Whether search is exact, so that nothing can be missed.
    """

    overall: float
    worst: float
    slice: str
    questions: int
    exact: bool


def measure(store: PassageStore, *, depth: int = _DEPTH, seed: int = 0) -> Recall | None:
    """Recall of a store's vector search as it is; None without vectors.

    Args:
        store: Any; those that always search exactly are not asked.
        depth: Passages for each question.
        seed: Of the questions, which are made of stored vectors, two mixed for each.
    """
    version = store.version()
    if not version or not store.dimension() or not store.versions()[-1].passages:
        return None
    parameters = store.health()["search"].get("parameters")
    if not isinstance(store, LanceStore) or not parameters:
        return Recall(1.0, 1.0, "", 0, exact=True)
    asked, parts = _questions(store, version, seed)
    return _measured(store, version, asked, parts, parameters, depth)


def index_vectors(
    store: PassageStore,
    *,
    gate: float = GATE,
    exact_below: int = EXACT_BELOW,
    seed: int = 0,
) -> Mapping[str, Any]:
    """Choose how the newest version's vectors are searched, and make the index if one is due.

    Call it behind a build, and when `measure` falls below the gate.

    Args:
        store: Stores other than LanceDB's always search exactly and are left alone.
        gate: Least recall@10, overall and in every slice that is measured.
        exact_below: Passages up to which search is exact.
        seed: Of the questions.

    Returns:
        ``index`` (``IVF_HNSW_SQ`` or ``exact``), ``passages``, ``gate``, ``why`` where it is exact,
        else ``parameters``, ``recall``, ``worst`` and ``slice``.

    Raises:
        StoreError: The store fails.
    """
    if not isinstance(store, LanceStore):
        return {"index": "exact", "why": "this store always searches exactly"}
    with writing(store.folder), lance.lance_errors(store.folder):
        record = read_record(store.folder)
        table = store.writable(record)
        newest = record.newest
        if table is None or newest is None or not record.dimension:
            return {"index": "exact", "why": "there are no vectors"}
        passages = newest.version.passages
        told: dict[str, Any] = {"index": "exact", "passages": passages, "gate": gate}
        if passages < exact_below:
            told["why"] = f"fewer than {exact_below} passages"
            _drop(table)
        else:
            _train(table)
        record = record.at(table.version)
        record = dataclasses.replace(record, search=told)
        record.write(store.folder)
        if "why" in told:
            return told
        version = newest.version.number
        told = _climb(store, version, told, gate, seed)
        if told["index"] == "exact":
            _drop(table)
        record = dataclasses.replace(record.at(table.version), search=told)
        record.write(store.folder)
    return told


def climb(
    measured: Callable[[Mapping[str, int]], Recall], gate: float
) -> tuple[Mapping[str, int] | None, Recall]:
    """The first parameters, cheapest first, whose worst recall passes; None if none does.

    Args:
        measured: Recall with some parameters.
        gate: Least recall.

    Returns:
        The parameters, and the recall of the last ones that were tried.
    """
    for parameters in _LADDER:
        found = measured(parameters)
        if found.worst >= gate:
            return parameters, found
    return None, found


def recall_of(found: Sequence[Mapping[str, float]], exact: Sequence[Mapping[str, float]]) -> float:
    """Share of the exact answers that were found; one that is as near as the last counts too."""
    hits = wanted = 0
    for got, best in zip(found, exact, strict=True):
        if best:
            last = min(best.values()) - _CLOSE
            hits += min(sum(score >= last for score in got.values()), len(best))
            wanted += len(best)
    return hits / wanted if wanted else 1.0


def _climb(
    store: LanceStore, version: int, told: Mapping[str, Any], gate: float, seed: int
) -> dict[str, Any]:
    asked, parts = _questions(store, version, seed)
    parameters, found = climb(
        lambda one: _measured(store, version, asked, parts, one, _DEPTH), gate
    )
    seen = {"recall": found.overall, "worst": found.worst, "slice": found.slice}
    if parameters is None:
        return {**told, **seen, "why": "no parameters of the index passed the gate"}
    return {**told, **seen, "index": "IVF_HNSW_SQ", "parameters": dict(parameters)}


def _measured(
    store: LanceStore,
    version: int,
    asked: Vectors,
    parts: Mapping[str, str],
    parameters: Mapping[str, int],
    depth: int,
) -> Recall:
    recalls: dict[str, float] = {}
    for name, where in parts.items():
        exact = store.near(asked, depth, where, version, {})
        recalls[name] = recall_of(store.near(asked, depth, where, version, parameters), exact)
    worst = min(recalls, key=lambda name: recalls[name])
    return Recall(recalls[""], recalls[worst], worst, len(asked), exact=False)


def _questions(store: LanceStore, version: int, seed: int) -> tuple[Vectors, dict[str, str]]:
    """Questions as vectors, and conditions by the name whose slice they are."""
    often: collections.Counter[str] = collections.Counter()
    ids: list[str] = []
    for batch in store.rows(version, ["id", "access"]):
        ids += batch.column(0).to_pylist()
        often.update(batch.column(1).flatten().to_pylist())
    chance = np.random.default_rng(seed)
    picked = chance.choice(len(ids), min(2 * _QUESTIONS, len(ids)), replace=False)
    rows = store.read_ids(version, [ids[i] for i in picked], [VECTOR])
    vectors = vectors_of(rows)
    mixed = vectors + 0.5 * np.roll(vectors, 1, axis=0)
    asked = mixed[:_QUESTIONS] / np.linalg.norm(mixed[:_QUESTIONS], axis=1, keepdims=True)
    ranked = [name for name, _ in often.most_common() if name]
    places = np.unique(np.linspace(0, len(ranked) - 1, min(_SLICES, len(ranked))).astype(int))
    parts = {"": "true"}
    for place in places.tolist():
        where = lance.condition(Slice(viewer([ranked[place]])))
        if where is not None:
            parts[ranked[place]] = where
    return asked.astype(np.float32), parts


def _train(table: Any) -> None:
    from lancedb.index import HnswSq

    try:
        table.create_index(VECTOR, config=HnswSq(distance_type="cosine"))
    except RuntimeError as error:
        raise StoreError(f"the vector index cannot be made: {error}") from error


def _drop(table: Any) -> None:
    for one in table.list_indices():
        if one.columns == [VECTOR]:
            table.drop_index(one.name)
