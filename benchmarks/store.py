"""The passage stores: a full build, a sync of 1 % changed documents, searches and an erasure.

Passages have 60 words drawn from Zipf's law and random vectors of 384 numbers, in clusters and with
falling variance as embeddings have them, or pure noise; embedding is left out (the "encoder" looks
vectors up), so the cost is that of digests, rows and writing. Processor
seconds stand beside the clock's, since other programs may hold the processor. The memory is this
process's highest, the passages and vectors that it makes included.

    .venv/bin/python benchmarks/store.py --backend lance
    .venv/bin/python benchmarks/store.py --passages 60000 --index   # with the vector index
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from luthier.core.records import EVERYONE, Document, Passage
from luthier.models.encode import Vectors
from luthier.rag.access import Slice, viewer
from luthier.rag.legs import Legs, LegsSpec
from luthier.rag.stores.open import StoreSpec, open_store
from luthier.rag.stores.recall import index_vectors
from luthier.rag.stores.store import Change, PassageStore, rows_of
from luthier.rag.sync import Made, erase, look, sync

DIMENSION = 384
PER_DOCUMENT = 4
WORDS = 60
CLUSTERS = 500
RATE = 100
"""Texts that an encoder embeds in a second: what a core does with MiniLM, at best."""
MADE = Made("four passages", "random")


@dataclasses.dataclass
class Took:
    """Seconds of the clock and of the processor, all threads together."""

    wall_s: float = 0.0
    cpu_s: float = 0.0


@contextlib.contextmanager
def timed(name: str, count: int = 0) -> Iterator[Took]:
    """Print what a block took; with a count also how many a second."""
    took, wall, cpu = Took(), time.perf_counter(), time.process_time()
    yield took
    took.wall_s, took.cpu_s = time.perf_counter() - wall, time.process_time() - cpu
    rate = f"{count / took.wall_s:10,.0f}/s" if count else ""
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{name:34} {took.wall_s:8.2f} s {took.cpu_s:8.2f} s cpu {rate:12} {memory:5.2f} GB",
        flush=True,
    )


def documents_of(count: int, seed: int = 0) -> list[Document]:
    """Documents of some passages each, a twentieth of them for one of forty groups alone."""
    chance = np.random.default_rng(seed)
    share = np.cumsum(1 / np.arange(1, 50_001))
    made = []
    for i in range(count):
        drawn = np.searchsorted(share, chance.random((PER_DOCUMENT, WORDS)) * share[-1])
        access = (f"group{i % 40}",) if i % 20 == 0 else (EVERYONE,)
        text = "\n".join(" ".join(f"word{word}" for word in line) for line in drawn.tolist())
        meta = {"language": "en" if i % 3 else "de", "year": str(2000 + i % 25)}
        made.append(Document(f"d{i}", f"Title {i}", text, f"f:{i}", "text", "", meta, access))
    return made


def cut(documents: Sequence[Document]) -> list[Passage]:
    """A passage for each line."""
    made = []
    for one in documents:
        start = 0
        for line in one.text.split("\n"):
            end = start + len(line)
            made.append(
                Passage(
                    f"{one.id}#{start}",
                    one.id,
                    one.title,
                    line,
                    one.origin,
                    start,
                    end,
                    access=one.access,
                    meta=one.meta,
                )
            )
            start = end + 1
    return made


class Lookup:
    """An encoder that costs nothing: vectors drawn once, and how many were asked for."""

    def __init__(self, count: int, *, noise: bool) -> None:
        chance = np.random.default_rng(1)
        drawn = chance.standard_normal((count, DIMENSION), np.float32)
        if not noise:
            middles = chance.standard_normal((CLUSTERS, DIMENSION), np.float32)
            drawn += middles[chance.integers(0, CLUSTERS, count)]
            drawn /= np.sqrt(np.arange(1, DIMENSION + 1, dtype=np.float32))
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
        self.vectors: Vectors = drawn
        self.asked = 0

    def __call__(self, passages: Sequence[Passage]) -> Vectors:
        """Vectors for some passages."""
        first = self.asked % (len(self.vectors) - len(passages) + 1)
        self.asked += len(passages)
        return self.vectors[first : first + len(passages)]


def main() -> int:
    """Build, sync, search, erase."""
    options = _options()
    with timed("documents and vectors drawn"):
        documents = documents_of(options.passages // PER_DOCUMENT)
        encoder = Lookup(options.passages, noise=options.noise)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        spec = StoreSpec(backend=options.backend)
        _warm(open_store(spec, Path(folder) / "warm"), documents[:1], encoder)
        if options.apart:
            _write_alone(open_store(spec, Path(folder) / "alone"), documents, encoder)
        store, draft = open_store(spec, Path(folder) / "store"), Path(folder) / "draft"
        full = _syncs(store, draft, documents, encoder)
        _searches(store, encoder)
        with timed("put in order, words indexed"):
            store.optimize()
        if options.index:
            with timed("vector index, with its gate"):
                told = index_vectors(store)
            print("   ", dict(told))
        _searches(store, encoder)
        with timed("a document erased from the disk"):
            erase(["d7"], store, draft)
        print("   ", dict(store.health()), f"full build {full:.1f} s")
        store.close()
    return 0


def _warm(store: PassageStore, documents: Sequence[Document], encoder: Lookup) -> None:
    """Load the store's library, so that this is not counted."""
    passages = cut(documents)
    store.apply(Change(rows_of(passages, {documents[0].id: "1"}, encoder.vectors[: len(passages)])))
    store.erase([documents[0].id])
    store.close()


def _write_alone(store: PassageStore, documents: Sequence[Document], encoder: Lookup) -> None:
    passages = cut(documents)
    with timed("  rows_of", len(passages)):
        rows = rows_of(passages, {d.id: "1" for d in documents}, encoder.vectors[: len(passages)])
    with timed("  one change", len(passages)):
        store.apply(Change(rows))
    store.erase([d.id for d in documents])
    store.close()


def _syncs(store: PassageStore, draft: Path, documents: list[Document], encoder: Lookup) -> float:
    with timed("full build by sync", len(documents) * PER_DOCUMENT) as full:
        sync(documents, store, cut, MADE, draft, embed=encoder)
    there = store.digests(1)
    with timed("search files of it", len(documents) * PER_DOCUMENT) as search:
        legs = Legs.of(store.rows(1), LegsSpec())
        legs.save(draft.parent / "search", 1)
    whole, every = full.cpu_s + search.cpu_s, len(documents) * PER_DOCUMENT
    print(
        f"    into the store and all legs: {every / whole:,.0f} passages for a processor's second"
    )
    with timed("nothing changed") as nothing:
        sync(documents, store, cut, MADE, draft, embed=encoder)
    for i in range(0, len(documents), 100):
        documents[i] = dataclasses.replace(documents[i], text="new " + documents[i].text)
    encoder.asked = 0
    with timed("dry look at 1 % changed"):
        look(documents, store, MADE, draft)
    with timed("1 % changed") as some:
        done = sync(documents, store, cut, MADE, draft, embed=encoder)
    now = store.digests(done.version)
    changed = [one for one, told in now.items() if there.get(one) != told]
    with timed("search files of the change") as after:
        put = pa.Table.from_batches(store.rows(done.version, (), changed))
        legs.updated(put).save(draft.parent / "search", done.version)
    some_s = some.cpu_s + after.cpu_s
    share, written = some.cpu_s / full.cpu_s, (some.cpu_s - nothing.cpu_s) / full.cpu_s
    print(
        f"    {done.changed} documents cut, {done.passages} passages written, {done.embedded} "
        f"texts embedded, {done.reused} vectors kept; {share:.1%} of the full build's processor "
        f"time, {written:.1%} without the look at all documents"
    )
    embedded = (some_s + done.embedded / RATE) / (whole + every / RATE)
    print(
        f"    store and legs: {some_s / whole:.1%} of a build without embedding, {embedded:.2%} of "
        f"one whose encoder takes {RATE} texts a second"
    )
    return full.wall_s


def _searches(store: PassageStore, encoder: Lookup) -> None:
    version, part = store.version(), Slice(viewer(["group1"]))
    store.match("word5 word70 word900", 10, part, version)
    with timed("  10 searches by words", 10):
        for i in range(10):
            store.match(f"word{i + 3} word{i * 70} word{i * 900}", 100, part, version)
    store.nearest(encoder.vectors[:1], 10, part, version)
    with timed("  10 searches by vectors", 10):
        for i in range(10):
            store.nearest(encoder.vectors[i : i + 1], 100, part, version)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backend", default="lance", help="lance, sqlite or a postgresql:// URL")
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--apart", action="store_true", help="rows and writing by themselves too")
    parser.add_argument("--index", action="store_true", help="make the vector index as well")
    parser.add_argument("--noise", action="store_true", help="vectors without any structure")
    parser.add_argument("--folder", type=Path, help="where the store is made; by default /tmp")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
