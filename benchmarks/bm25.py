"""Search by words beside bm25s: SciFact, and 100,000 made-up passages that change.

Both read the same passages and questions, on one thread; bm25s runs at its fastest (numba, with its
stop words) in an environment of its own, which the first run makes. A query is text in, the
rows of 100 passages out. It would be a defeat if a query took longer than bm25s's, if nDCG@10 on
SciFact were more than .005 below its, if a change of 1 % of the passages cost more than a few
hundredths of the whole index, or if 100,000 passages took more than 5 s or 1 GB.

    LUTHIER_DATA=... python benchmarks/bm25.py [--peers FOLDER] [--passages 100000] [--no-peer]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from retrieval_scifact import ndcg, read_judgements

from luthier.core.records import Passage
from luthier.rag.access import Slice
from luthier.rag.legs import Legs, LegsSpec
from luthier.rag.stores.store import rows_of

DEPTH = 100
REPEATS = 5
DRIVER = Path(__file__).parent / "peers" / "words.py"
CONSTRAINTS = Path(__file__).parent.parent / "constraints.txt"
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "NUMBA")}
Row = Mapping[str, str]


def main() -> int:
    """Measure both sides on both corpora."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peers", type=Path, default=Path.home() / ".cache" / "luthier-peers")
    parser.add_argument("--passages", type=int, default=100_000, help="made up; 0: none")
    parser.add_argument("--no-peer", action="store_true")
    options = parser.parse_args()
    python = None if options.no_peer else _peer(options.peers / "bm25s")
    data = Path(os.environ.get("LUTHIER_DATA", "")) / "scifact"
    if (data / "corpus.jsonl").is_file():
        queries = [{"id": r["_id"], "text": r["text"]} for r in _lines(data / "queries.jsonl")]
        passages = [
            {"id": r["_id"], "title": r["title"], "text": r["text"]}
            for r in _lines(data / "corpus.jsonl")
        ]
        wanted = read_judgements(data / "qrels" / "test.tsv")
        _measure("SciFact", passages, queries, python, wanted)
    else:
        print("SKIPPED, SCIFACT WAS NOT MEASURED: set LUTHIER_DATA", file=sys.stderr)
    if not options.passages:
        return 0
    passages, queries = made_up(options.passages)
    _measure(f"{options.passages} made-up passages", passages, queries, python, None)
    return 0


def made_up(count: int, seed: int = 0) -> tuple[list[Row], list[Row]]:
    """Passages of some 120 words and queries of 12, words drawn by Zipf's law out of 200,000."""
    chance = np.random.default_rng(seed)
    letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
    often = 1.0 / np.arange(1, 27) ** 0.8
    known: dict[str, None] = {}
    while len(known) < 200_000:
        sizes = chance.integers(2, 11, 50_000)
        drawn = "".join(letters[chance.choice(26, int(sizes.sum()), p=often / often.sum())])
        ends = np.cumsum(sizes).tolist()
        known |= dict.fromkeys(drawn[a:b] for a, b in zip([0, *ends], ends, strict=False))
    words = np.array(sorted(known, key=len)[:200_000], object)
    steps = np.cumsum(1.0 / (np.arange(200_000) + 2.7))
    steps /= steps[-1]

    def text(size: int) -> str:
        return " ".join(words[np.searchsorted(steps, chance.random(size))])

    sizes = np.maximum(5, chance.normal(120, 30, count).astype(int)).tolist()
    passages = [
        {"id": f"d{i:07d}", "title": f"title {words[i % 200_000]}", "text": text(size)}
        for i, size in enumerate(sizes)
    ]
    return passages, [{"id": f"q{i}", "text": text(12)} for i in range(200)]


def _measure(
    name: str,
    passages: Sequence[Row],
    queries: Sequence[Row],
    python: Path | None,
    wanted: Mapping[str, set[str]] | None,
) -> None:
    print(f"\n{name}: {len(passages)} passages, {len(queries)} queries", flush=True)
    head = ("p50 ms", "p95 ms", "CPU p50", "build s", "CPU s", "nDCG@10")
    print(f"{'':28}" + "".join(f"{one:>9}" for one in head))
    if python is not None:
        with tempfile.TemporaryDirectory() as folder:
            for file, rows in (("passages", passages), ("queries", queries)):
                lines = "\n".join(json.dumps(row) for row in rows)
                (Path(folder) / f"{file}.jsonl").write_text(lines + "\n", encoding="utf-8")
            command = [str(python), str(DRIVER), folder, str(REPEATS)]
            subprocess.run(command, check=True, env={**os.environ, **ONE_THREAD})
            peer = json.loads((Path(folder) / "bm25s.json").read_text(encoding="utf-8"))
        _row(f"bm25s {peer['version']}, numba", peer, wanted)
        print(f"{'  all queries in one call':28}{peer['together_ms']:9.3f}")
    table = rows_of(
        [
            Passage(p["id"], p["id"], p["title"], p["text"], f"{p['id']}:1", 0, len(p["text"]))
            for p in passages
        ],
        {p["id"]: "" for p in passages},
    )
    Legs.of([table.slice(0, 100)])  # compiles the kernels if need be
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    legs, took = timed(lambda: Legs.of(table.to_batches(8192), LegsSpec()))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    _row("Luthier, BM25", {**_asked(legs, queries, "bm25"), **took}, wanted)
    _row("Luthier, TF-IDF", {**_asked(legs, queries, "tfidf"), **took}, wanted)
    print(f"building added {grown:.0f} MB to the peak", flush=True)
    if wanted is None:
        _changes(legs, table, took["build_cpu_s"], queries[0]["text"])


def _changes(legs: Legs, table: pa.Table, whole: float, query: str) -> None:
    """What it costs to change 1 % of the passages, and to save it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _, saving = timed(lambda: legs.save(folder, 1))
        shares, saves = [], []
        for number in range(3):
            one = table.slice(number * (len(table) // 4), len(table) // 100)
            legs.lexical(query, 10, Slice())
            after, took = timed(lambda one=one: legs.updated(one))
            _, first = timed(lambda after=after: after.lexical(query, 10, Slice()))
            _, saved = timed(lambda after=after, n=number: after.save(folder, 2 + n))
            shares.append((took["build_cpu_s"] + first["build_cpu_s"]) / whole)
            saves.append(saved["build_cpu_s"] / saving["build_cpu_s"])
        _, opening = timed(lambda: Legs.open(folder, 1))
    print(
        f"1 % changed: {statistics.median(shares):.1%} of the whole build (CPU, the first query "
        f"after it included); to save it {statistics.median(saves):.1%} of saving all"
    )
    print(
        f"saving all {saving['build_cpu_s']:.2f} CPU s, opening {opening['build_cpu_s']:.2f} CPU s"
    )


def _asked(legs: Legs, queries: Sequence[Row], weighting: Any) -> dict[str, Any]:
    part = Slice()
    for query in queries[:3]:
        legs.lexical(query["text"], DEPTH, part, weighting=weighting)
    rankings, times, cpus = {}, [], []
    for query in queries:
        least, least_cpu = float("inf"), float("inf")
        for _ in range(REPEATS):
            started, cpu = time.perf_counter(), time.thread_time()
            hits = legs.lexical(query["text"], DEPTH, part, weighting=weighting)
            least = min(least, time.perf_counter() - started)
            least_cpu = min(least_cpu, time.thread_time() - cpu)
        times.append(least * 1000.0)
        cpus.append(least_cpu * 1000.0)
        rankings[query["id"]] = legs.ids(hits.rows)
    return {"times_ms": times, "cpu_ms": cpus, "rankings": rankings}


def _row(name: str, told: Mapping[str, Any], wanted: Mapping[str, set[str]] | None) -> None:
    numbers = [
        statistics.median(told["times_ms"]),
        float(np.percentile(told["times_ms"], 95)),
        statistics.median(told["cpu_ms"]),
        told["build_s"],
        told["build_cpu_s"],
    ]
    line = f"{name:28}" + "".join(f"{number:9.3f}" for number in numbers)
    if wanted is not None:
        line += (
            f"{statistics.mean(ndcg(told['rankings'][q], d, 10) for q, d in wanted.items()):9.4f}"
        )
    print(line, flush=True)


def timed(what: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What a function returns, and the seconds it took."""
    began, cpu = time.perf_counter(), time.process_time()
    made = what()
    took = {"build_s": time.perf_counter() - began, "build_cpu_s": time.process_time() - cpu}
    return made, took


def _peer(folder: Path) -> Path:
    """The Python of bm25s's environment, made if it is not there."""
    python = folder / "bin" / "python"
    if not python.is_file():
        venv.create(folder, with_pip=True)
        command = [python, "-m", "pip", "install", "-q", "-c", CONSTRAINTS]
        subprocess.run([*map(str, command), "bm25s", "numba", "PyStemmer"], check=True)
    return python


def _lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


if __name__ == "__main__":
    sys.exit(main())
