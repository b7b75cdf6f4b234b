"""Random passages for stores, and what a store must answer of them, computed the slow way."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from luthier.core.records import EVERYONE, Passage
from luthier.models.encode import Vectors
from luthier.rag.access import Slice, viewer
from luthier.rag.stores.store import PassageStore, rows_of

DIMENSION = 8
WORDS = ["oak", "elm", "ash", "fir", "yew", "birch", "maple", "cedar", "alder", "hazel"]
NAMES = [f"user{i}" for i in range(12)] + [f"group{i}" for i in range(6)]
AWKWARD = ["o'brien", 'say "hi"', "a=b", "100%", "x,y", "naïve ☂", "a\\b", "--", "NULL", " lead"]
KINDS = ["text", "table", "code", "heading"]


def passages_of(document: str, chance: random.Random, *, word: str = "") -> list[Passage]:
    """Passages of one document, with lists, metadata and words drawn by chance."""
    access = tuple(chance.sample([*NAMES, *AWKWARD], chance.choice([0, 1, 2, 3])))
    if chance.random() < 0.2:
        access = (*access, EVERYONE)
    meta = {key: chance.choice([*AWKWARD[:4], "en", "de"]) for key in ("lang", "a=", "'k'")}
    if chance.random() < 0.3:
        meta = {}
    changed = chance.choice([0.0, 10.0, 1e9 + chance.random()])
    made = []
    for place in range(chance.randint(1, 4)):
        text = " ".join(chance.choices(WORDS, k=chance.randint(3, 12))) + f" {word}".rstrip()
        one = f"{document}#{place * 100}"
        title = chance.choice(["", "Title", "It's a “title”"])
        made.append(
            Passage(
                one,
                document,
                title,
                text,
                f"{document}.txt:1",
                place * 100,
                place * 100 + 9,
                kind=chance.choice(KINDS),
                context=chance.choice(["", "more"]),
                access=access,
                modified_s=changed,
                meta=meta,
            )
        )
    return made


def vectors_for(passages: Sequence[Passage], seed: int = 0) -> Vectors:
    """Vectors of length 1, the same for the same text."""
    seeds = [zlib.crc32(f"{p.id} {p.text} {seed}".encode()) for p in passages]
    found = np.stack([np.random.default_rng(s).standard_normal(DIMENSION) for s in seeds])
    made: Vectors = (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)
    return made


def table(passages: Sequence[Passage], digest: str = "1") -> pa.Table:
    """Passages as a store takes them, each document with one digest."""
    digests = {p.document_id: f"{digest}-{p.document_id}" for p in passages}
    return rows_of(passages, digests, vectors_for(passages))


def some_slice(chance: random.Random, documents: Sequence[str]) -> Slice:
    """A slice drawn by chance; half of them ask for nothing but who asks."""
    names = chance.sample([*NAMES, *AWKWARD], chance.randint(0, 3))
    who = viewer(names) if chance.random() < 0.8 else frozenset(names)
    if chance.random() < 0.5:
        return Slice(who)
    where = {}
    if chance.random() < 0.5:
        where["lang"] = tuple(chance.sample([*AWKWARD[:4], "en", "de"], chance.randint(0, 4)))
    if chance.random() < 0.2:
        where[chance.choice(["a=", "'k'", "none"])] = ("a=b", "en")
    return Slice(
        who,
        where,
        tuple(chance.sample(KINDS, chance.randint(0, 3))),
        tuple(chance.sample(documents, 5)) if chance.random() < 0.3 else (),
        chance.choice([0.0, 0.0, 10.0, 1e9]),
    )


def contents(store: PassageStore, version: int) -> dict[str, Passage]:
    """All passages of a version as `rows` tells them."""
    from luthier.core.columns import to_records

    found: dict[str, Passage] = {}
    for batch in store.rows(version):
        batch = batch.select(
            [n for n in batch.schema.names if n not in ("document_digest", "vector")]
        )
        found.update((p.id, p) for p in to_records(batch, Passage))
    return found


def by_id(passages: Iterable[Passage]) -> dict[str, Passage]:
    return {p.id: p for p in passages}


def sharing(passages: Mapping[str, Passage], query: str, part: Slice) -> set[str]:
    """Ids of the passages of a slice that share a word with a query."""
    words = set(query.lower().split())
    return {
        one
        for one, p in passages.items()
        if part.holds(p) and words & set(f"{p.title} {p.text}".lower().split())
    }
