"""bm25s for ``benchmarks/bm25.py``, in a process and an environment of its own.

    python benchmarks/peers/words.py FOLDER REPEATS

``FOLDER`` holds ``passages.jsonl`` (id, title, text) and ``queries.jsonl`` (id, text). Its fastest
settings are taken: numba, one thread, its own stop words and stemmer; queries one by one, and all
in one call. ``bm25s.json`` says what it took.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import bm25s
import Stemmer

DEPTH = 100


def main() -> None:
    """Index, ask, write."""
    folder, repeats = Path(sys.argv[1]), int(sys.argv[2])
    passages = _lines(folder / "passages.jsonl")
    queries = _lines(folder / "queries.jsonl")
    stemmer = Stemmer.Stemmer("english")
    bodies = [f"{p['title']}\n{p['text']}" for p in passages]
    began, cpu = time.perf_counter(), time.process_time()
    index = bm25s.BM25(backend="numba")
    index.index(bm25s.tokenize(bodies, stemmer=stemmer, show_progress=False), show_progress=False)
    told: dict[str, Any] = {
        "build_s": time.perf_counter() - began,
        "build_cpu_s": time.process_time() - cpu,
    }

    def search(texts: list[str]) -> Any:
        words = bm25s.tokenize(texts, stemmer=stemmer, show_progress=False)
        return index.retrieve(words, k=DEPTH, show_progress=False, n_threads=1)[0]

    texts = [query["text"] for query in queries]
    for text in texts[:3]:
        search([text])
    search(texts[:3])
    rankings, times, cpus = {}, [], []
    for query in queries:
        least, least_cpu = float("inf"), float("inf")
        for _ in range(repeats):
            started, cpu = time.perf_counter(), time.thread_time()
            rows = search([query["text"]])
            least = min(least, time.perf_counter() - started)
            least_cpu = min(least_cpu, time.thread_time() - cpu)
        times.append(least * 1000.0)
        cpus.append(least_cpu * 1000.0)
        rankings[query["id"]] = [passages[row]["id"] for row in rows[0]]
    together = []
    for _ in range(repeats):
        started = time.perf_counter()
        search(texts)
        together.append((time.perf_counter() - started) / len(texts) * 1000.0)
    told |= {"times_ms": times, "cpu_ms": cpus, "together_ms": min(together)}
    told["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    told["version"] = bm25s.__version__
    (folder / "bm25s.json").write_text(json.dumps({**told, "rankings": rankings}), "utf-8")


def _lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


if __name__ == "__main__":
    main()
