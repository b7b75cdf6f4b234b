"""Nearest vectors within a slice: a million clustered vectors, unfiltered, and filtered to a part.

The vectors are made so that neighbours mean something: points on a mixture of clusters of unequal
size with a spread of their own in some directions, as embeddings of texts have; questions are
points of the same mixture. Who may see what is drawn by chance. Recall is against the exact float32
product over the slice. It would be a defeat if recall@10 were below .99, or if a slice of 10 % or
.1 % of a million took 15 ms or more (median).

    python benchmarks/vectors.py [--vectors 1000000] [--dimension 384] [--queries 100]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from luthier.core.records import Passage
from luthier.rag.access import Slice
from luthier.rag.legs import Legs, LegsSpec
from luthier.rag.stores.store import rows_of

SLICES = {
    "everybody's": ("everyone", 0.0, 1.0),
    "10 %": ("tenth", 0.0, 0.1),
    "1 %": ("hundredth", 0.1, 0.11),
    "0.1 %": ("thousandth", 0.11, 0.111),
}
"""Each with its group, and between which numbers of 0 to 1 a row's is that is in it."""
TOP = 10
DEPTH = 100
PIECE = 50_000


def main() -> int:
    """Build, ask, compare with the exact answer."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--queries", type=int, default=100)
    options = parser.parse_args()
    luck = np.random.default_rng(1).random(options.vectors)  # of each row, which decides its groups
    mixture = Mixture(options.dimension, clusters=2000, seed=0)
    began, cpu = time.perf_counter(), time.process_time()
    legs = Legs.of(_batches(mixture, luck), LegsSpec(stemmer="none"))
    print(
        f"{legs.count} vectors of {legs.dimension} in {len(legs.segments)} segments, made and "
        f"built in {time.perf_counter() - began:.0f} s ({time.process_time() - cpu:.0f} CPU s)"
    )
    asked = mixture.draw(options.queries)
    print(f"{'slice':14}{'rows':>9}{'p50 ms':>9}{'p95 ms':>9}{'CPU p50':>9}{'recall@10':>11}")
    for name, (group, low, high) in SLICES.items():
        part = Slice(frozenset([group]))
        exact = _exact(legs, asked, np.flatnonzero((low <= luck) & (luck < high)))
        times, cpus, recalls = [], [], []
        legs.dense(asked[0], DEPTH, part)
        for query, best in zip(asked, exact, strict=True):
            started, cpu = time.perf_counter(), time.thread_time()
            hits = legs.dense(query, DEPTH, part)
            cpus.append((time.thread_time() - cpu) * 1000.0)
            times.append((time.perf_counter() - started) * 1000.0)
            recalls.append(len(best & set(hits.rows[:TOP].tolist())) / len(best))
        print(
            f"{name:14}{legs.size(part):9}{statistics.median(times):9.2f}"
            f"{float(np.percentile(times, 95)):9.2f}{statistics.median(cpus):9.2f}"
            f"{statistics.mean(recalls):11.4f}",
            flush=True,
        )
    return 0


class Mixture:
    """Points of unit length around centres; clusters have sizes by Zipf's law.

    Args:
        dimension: Numbers of a point.
        clusters: How many.
        seed: Of all that is drawn.
    """

    def __init__(self, dimension: int, clusters: int, seed: int) -> None:
        self._chance = np.random.default_rng(seed)
        # few directions carry most, as in embeddings of texts
        self._spread = (1.0 / np.sqrt(1.0 + np.arange(dimension) / 16.0)).astype(np.float32)
        self._centres = self._points(clusters, dimension)
        self._share = 1.0 / np.arange(10, clusters + 10)
        self._share /= self._share.sum()

    def _points(self, count: int, dimension: int) -> np.ndarray:
        return self._chance.standard_normal((count, dimension), np.float32) * self._spread

    def draw(self, count: int) -> np.ndarray:
        """Points, shape (count, dimension)."""
        which = self._chance.choice(len(self._share), count, p=self._share)
        points = self._centres[which] + 0.7 * self._points(count, self._centres.shape[1])
        return points / np.linalg.norm(points, axis=1, keepdims=True)


def _batches(mixture: Mixture, luck: np.ndarray) -> Iterator[pa.Table]:
    for first in range(0, len(luck), PIECE):
        passages = []
        for i, drawn in enumerate(luck[first : first + PIECE].tolist(), first):
            access = tuple(group for group, low, high in SLICES.values() if low <= drawn < high)
            one = f"v{i:08d}"  # rows stand in the order of their ids
            passages.append(Passage(one, one, "", "", "made:1", 0, 0, access=access))
        digests = {p.document_id: "" for p in passages}
        yield rows_of(passages, digests, mixture.draw(len(passages)))


def _exact(legs: Legs, asked: np.ndarray, inside: np.ndarray) -> list[set[int]]:
    """Of some rows those of the best by a product over all their vectors."""
    best = [(np.empty(0, np.float32), np.empty(0, np.int64))] * len(asked)
    for first in range(0, len(inside), PIECE):
        rows = inside[first : first + PIECE]
        cosines = asked @ legs.vectors(rows).T
        for i, (scores, there) in enumerate(best):
            joined = np.concatenate([scores, cosines[i]])
            named = np.concatenate([there, rows])
            order = np.argpartition(-joined, TOP - 1)[:TOP] if len(joined) > TOP else slice(None)
            best[i] = joined[order], named[order]
    return [set(rows.tolist()) for _, rows in best]


if __name__ == "__main__":
    sys.exit(main())
