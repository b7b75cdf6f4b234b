"""Synthetic vectors for the rare classes of labelled rows, and the clean-up afterwards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, assert_never

import numpy as np

from luthier.core.ledger import Ledger
from luthier.core.records import Example
from luthier.data.balance._neighbours import outnumbered, tomek_links
from luthier.data.balance._resample import by_label, generator
from luthier.data.balance._smote import SmoteMethod, synthesise
from luthier.data.balance.vectors import Encode, VectorRows, encode_texts
from luthier.models.encode import Vectors

CleanUp = Literal["nothing", "tomek", "edited"]


def with_synthetic(
    rows: Sequence[Example],
    *,
    method: SmoteMethod,
    ratio: float,
    neighbour_count: int,
    then: CleanUp,
    seed: int,
    encode: Encode,
    ledger: Ledger,
) -> tuple[list[Example], VectorRows, dict[str, str]]:
    """Encode rows, add vectors to rare classes, and take out what the clean-up objects to.

    Args:
        rows: Labelled training rows.
        method: How vectors are made.
        ratio: Share of the largest class's rows that every class has before the clean-up.
        neighbour_count: Of how many neighbours one is drawn.
        then: The clean-up. A class never vanishes: where it would, its rows stay.
        seed: Decides the draws.
        encode: Vectors of length 1 for texts.
        ledger: Gets a line for each row the clean-up takes out.

    Returns:
        The rows that stay, all vectors, and the labels for which another method had to be used.
    """
    real = encode_texts([row.question for row in rows], encode)
    labels = [row.label for row in rows]
    ids = [row.id for row in rows]
    parents = [("", "")] * len(rows)
    places = by_label(rows)
    goal = math.ceil(ratio * max(map(len, places.values())))
    blocks, all_labels, other_method = [real], list(labels), {}
    for label, own in places.items():
        if len(own) >= goal:
            continue
        made = synthesise(
            real,
            labels,
            label,
            goal - len(own),
            method=method,
            neighbour_count=neighbour_count,
            seed=int(generator(seed, "smote", label).integers(2**32)),
        )
        if made.method != method:
            other_method[label] = made.method
        blocks.append(_unit(made.vectors))
        all_labels += [label] * len(made.vectors)
        parents += [
            (ids[a], ids[b]) for a, b in zip(made.first.tolist(), made.second.tolist(), strict=True)
        ]
    all_ids = ids + [""] * (len(all_labels) - len(ids))
    whole = VectorRows(np.concatenate(blocks), tuple(all_labels), tuple(all_ids), tuple(parents))
    return *_cleaned(list(rows), whole, then, ledger), other_method


def _cleaned(
    rows: list[Example], whole: VectorRows, then: CleanUp, ledger: Ledger
) -> tuple[list[Example], VectorRows]:
    match then:
        case "nothing":
            return rows, whole
        case "tomek":
            out, reason = tomek_links(whole.vectors, whole.labels), "Tomek link"
        case "edited":
            out, reason = outnumbered(whole.vectors, whole.labels), "contradicted by neighbours"
        case _:
            assert_never(then)
    for own in by_label(rows).values():
        if out[own].all():
            out[own] = False
    for row, gone in zip(rows, out[: len(rows)].tolist(), strict=True):
        if gone:
            ledger.refuse(reason, row.origin, f"{row.label}: {row.question}")
    kept = np.flatnonzero(~out).tolist()
    vectors = VectorRows(
        whole.vectors[kept],
        tuple(whole.labels[i] for i in kept),
        tuple(whole.ids[i] for i in kept),
        tuple(whole.parents[i] for i in kept),
    )
    return [rows[i] for i in kept if i < len(rows)], vectors


def _unit(vectors: Vectors) -> Vectors:
    """Length 1, as the encoder's own are; a point between two unit vectors is shorter."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return unit
