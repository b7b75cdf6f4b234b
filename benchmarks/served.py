"""One index of more than 100,000 passages, asked in memory and in its store.

The passages are SciFact's abstracts, titles and sentences, and as many copies of them with some
words exchanged, whose vectors are moved as far as a paraphrase is; a tenth is for one of forty
groups alone. Claims are asked, their vectors made before. Each way is asked in a process of its
own, whose memory is told beside that of a process that has opened nothing. It would be a defeat if
the store's search found less than .99 of the nearest passages, or if any answer lay outside its
slice.

    LUTHIER_DATA=... python benchmarks/served.py --vectors made.npy   # as recall.py keeps them
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from recall import _embedded, _passage, _texts

from luthier.models.encode import Vectors
from luthier.rag.access import Slice, viewer
from luthier.rag.index import SEARCH, STORE, Index
from luthier.rag.live import publish
from luthier.rag.spec import RagSpec
from luthier.rag.stores.open import open_store
from luthier.rag.stores.recall import measure
from luthier.rag.stores.store import Change, rows_of
from luthier.rag.sync import Made

EXCHANGED = 0.2  # share of a copy's words
MOVED = 0.6  # length of what is added to a copy's vector
PARTS = {"anyone": Slice(), "one group": Slice(viewer(["group7"]), {"closed": ("yes",)})}


class Lookup:
    """Vectors of questions that were made before."""

    max_tokens, special_tokens, digest = 256, 2, "made before"

    def __init__(self, texts: Sequence[str], vectors: Vectors) -> None:
        self.dimension = vectors.shape[1]
        self._held = {_letters(text): place for place, text in enumerate(texts)}
        self._vectors = vectors

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Nothing is cut here."""
        raise NotImplementedError

    def encode(self, texts: Sequence[str], *_: Any, **__: Any) -> Vectors:
        """Vectors of known texts."""
        return self._vectors[[self._held[_letters(text)] for text in texts]]


def _letters(text: str) -> str:
    """What a question keeps when it is normalised."""
    return "".join(filter(str.isalnum, text.lower()))


def main() -> int:
    """Build once, ask each way in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--vectors", type=Path, help="kept here, and read from here if it is there")
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--claims", type=int, default=200)
    parser.add_argument("--ways", nargs="+", default=["memory", "store"])
    options = parser.parse_args()
    data = Path(os.environ.get("LUTHIER_DATA", "")) / "scifact"
    if not (data / "corpus.jsonl").is_file():
        print("SKIPPED, NOTHING WAS MEASURED: set LUTHIER_DATA", file=sys.stderr)
        return 0
    texts = _texts(data)
    with (data / "queries.jsonl").open(encoding="utf-8") as file:
        claims = [json.loads(line)["text"] for line in file][: options.claims]
    vectors, asked = _embedded(texts, claims, options.vectors)
    texts, vectors = _copied(texts, vectors, options.copies)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        passages = [_passage(i, text) for i, text in enumerate(texts)]
        spec = _spec("memory")
        store = open_store(spec.store, folder / STORE)
        with_ids = {p.document_id: "" for p in passages}
        store.apply(Change(rows_of(passages, with_ids, vectors)))
        del passages
        context = multiprocessing.get_context("spawn")
        for search in options.ways:
            spec = _spec(search)
            began, cpu = time.perf_counter(), time.process_time()
            publish(spec, folder, store, Made("", Lookup.digest))
            size = sum(p.stat().st_size for p in (folder / SEARCH).rglob("*") if p.is_file())
            print(
                f"{len(texts)} passages for the search in {search}: published in "
                f"{time.perf_counter() - began:.0f} s, {time.process_time() - cpu:.0f} CPU s; "
                f"{size / 1e6:.0f} MB of search files",
                flush=True,
            )
            one = context.Process(target=_ask, args=(folder, search, claims, asked))
            one.start()
            one.join()
        told = store.health()
        print(f"store: {told['bytes'] / 1e6:.0f} MB, {told['unindexed']} unindexed, ", end="")
        print(dict(told["search"]), measure(store))
    return 0


def _spec(search: str) -> RagSpec:
    return RagSpec.model_validate({"store": {"search": search}, "top_k": 10})


def _copied(texts: list[str], vectors: Vectors, copies: int) -> tuple[list[str], Vectors]:
    chance, draw = np.random.default_rng(0), random.Random(0)
    pool = " ".join(texts[::50]).split()
    made, moved = list(texts), [vectors]
    for _ in range(copies):
        for text in texts:
            words = text.split(" ")
            for _ in range(max(1, round(EXCHANGED * len(words)))):
                words[draw.randrange(len(words))] = draw.choice(pool)
            made.append(" ".join(words))
        step = chance.standard_normal(vectors.shape, np.float32)
        step *= MOVED / np.linalg.norm(step, axis=1, keepdims=True)
        moved.append((vectors + step) / np.linalg.norm(vectors + step, axis=1, keepdims=True))
    return made, np.concatenate(moved).astype(np.float32)


def _most_kb() -> int:
    """The most memory this process ever had, files that are mapped included."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found.group(1)) if found else 0


def _ask(folder: Path, search: str, claims: Sequence[str], asked: Vectors) -> None:
    """Ask each way, and tell times, memory and what was found."""
    before = _most_kb()
    index = Index(folder, _spec(search), Lookup(claims, asked))
    assert index.way == search
    for name, part in PARTS.items():
        index.search(claims[0], part=part)
        times, cpus, found = [], [], []
        for claim in claims:
            started, cpu = time.perf_counter(), time.process_time()
            found.append([p.id for p in index.search(claim, part=part)])
            cpus.append((time.process_time() - cpu) * 1000)
            times.append((time.perf_counter() - started) * 1000)
            assert all(part.holds(p) for p in index.search(claim, part=part)[:3])
        kept = folder / f"found-{name}.json"
        same = ""
        if kept.is_file():
            other = json.loads(kept.read_text())
            both = [len(set(a) & set(b)) / 10 for a, b in zip(found, other, strict=True)]
            same = f", {statistics.mean(both):.3f} of the ten as in memory"
        kept.write_text(json.dumps(found))
        print(
            f"  {search:7} {name:10} p50 {statistics.median(times):6.1f} ms "
            f"(CPU {statistics.median(cpus):.1f}), p95 {np.percentile(times, 95):6.1f} ms{same}",
            flush=True,
        )
    grown = _most_kb() - before
    print(f"  {search:7} takes {grown / 1e3:.0f} MB", flush=True)


if __name__ == "__main__":
    sys.exit(main())
