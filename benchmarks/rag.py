"""Hybrid search on SciFact beside Haystack, LlamaIndex, txtai, bm25s and LanceDB's own hybrid.

All get the same passages (one a document), the same vectors of passages and of questions, one
thread, and give 100 passages a question. Each peer runs in an environment of its own, which the
first run makes (`--peers` names the folder; some minutes). Then Luthier once more from question to
passages, the embedding of the question included. It would be a defeat if Luthier's hybrid were not
three times as fast as LanceDB's and ten times as fast as Haystack's, if its nDCG@10 were below
theirs, or if its search by words alone were slower than bm25s.

    LUTHIER_DATA=... python benchmarks/rag.py [--peers FOLDER] [--only NAME ...] [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
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

from luthier.core.records import Passage
from luthier.models.encode import Vectors, load_encoder
from luthier.rag.access import Slice
from luthier.rag.legs import Legs
from luthier.rag.measuring.metrics import score
from luthier.rag.query import QuerySpec
from luthier.rag.rank import RankSpec
from luthier.rag.retrieve import Means, retrieve
from luthier.rag.spec import RagSpec
from luthier.rag.stores.store import rows_of

PEERS = {
    "bm25s": ("bm25s", "numba", "PyStemmer"),
    "haystack": ("haystack-ai",),
    "llamaindex": ("llama-index-core", "llama-index-retrievers-bm25"),
    "txtai": ("txtai", "torch"),
}
"""What each needs; LanceDB is Luthier's own dependency."""
CONSTRAINTS = Path(__file__).parent.parent / "constraints.txt"
DRIVER = Path(__file__).parent / "peers" / "retrieve.py"
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA", "RAYON")}
ONE_THREAD |= {"LANCE_CPU_THREADS": "1", "HAYSTACK_TELEMETRY_ENABLED": "False"}
DEPTH = 100
REPEATS = 3


def main() -> int:
    """Prepare, run everybody, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path, default=Path(tempfile.gettempdir()) / "luthier-peers")
    parser.add_argument("--only", nargs="+", choices=[*PEERS, "lancedb"], help="these peers alone")
    parser.add_argument("--quick", action="store_true", help="40 questions: no measurement")
    options = parser.parse_args()
    data = Path(os.environ.get("LUTHIER_DATA", "")) / "scifact"
    if not (data / "corpus.jsonl").is_file():
        print("SKIPPED, NOTHING WAS MEASURED: LUTHIER_DATA/scifact is missing", file=sys.stderr)
        return 0
    os.environ.update(ONE_THREAD)
    documents = [
        Passage(r["_id"], r["_id"], r["title"], r["text"], "corpus.jsonl", 0, len(r["text"]))
        for r in _lines(data / "corpus.jsonl")
    ]
    judged = _judgements(data / "qrels" / "test.tsv")
    asked = {r["_id"]: r["text"] for r in _lines(data / "queries.jsonl") if r["_id"] in judged}
    if options.quick:
        asked = dict(list(asked.items())[:40])
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _share(documents, asked, folder)
        results = {n: _peer(n, options.peers, folder) for n in options.only or ("lancedb", *PEERS)}
        results |= _ours(documents, asked, folder)
    _table(results, judged)
    return 0


def _share(documents: Sequence[Passage], asked: Mapping[str, str], folder: Path) -> None:
    """Write what all contenders get."""
    encoder = load_encoder("minilm")
    texts = [f"{d.title}\n{d.text}" for d in documents]
    np.save(folder / "vectors.npy", encoder.encode(texts))
    np.save(folder / "query_vectors.npy", encoder.encode(list(asked.values())))
    with (folder / "passages.jsonl").open("w", encoding="utf-8") as file:
        for d in documents:
            file.write(json.dumps({"id": d.id, "title": d.title, "text": d.text}) + "\n")
    with (folder / "queries.jsonl").open("w", encoding="utf-8") as file:
        for one, text in asked.items():
            file.write(json.dumps({"id": one, "text": text}) + "\n")


def _peer(name: str, peers: Path, folder: Path) -> dict[str, Any]:
    """Run a peer in its environment, which is made if it is not there."""
    python = Path(sys.executable)
    if name in PEERS:
        python = peers / name / "bin" / "python"
        if not python.is_file():
            venv.create(peers / name, with_pip=True)
            pip = [python, "-m", "pip", "install", "-q", "-c", CONSTRAINTS, "pyarrow", *PEERS[name]]
            subprocess.run(pip, check=True)
    print(f"{name} ...", file=sys.stderr, flush=True)
    ran = subprocess.run(
        [python, DRIVER, name, folder], check=False, capture_output=True, text=True
    )
    if ran.returncode:
        print(f"{name} failed:\n{ran.stderr[-2000:]}", file=sys.stderr)
        return {}
    result: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return result


class _Given:
    """The vectors that all contenders get, in place of an encoder."""

    dimension, max_tokens, special_tokens, digest = 384, 256, 2, "given"

    def __init__(self, asked: Mapping[str, str], vectors: Vectors) -> None:
        self._vectors = dict(zip(asked.values(), vectors, strict=True))

    def encode(self, texts: Sequence[str], *_: object, **__: object) -> Vectors:
        return np.stack([self._vectors[text] for text in texts])


def _ours(
    documents: Sequence[Passage], asked: Mapping[str, str], folder: Path
) -> dict[str, dict[str, Any]]:
    """Luthier by words, hybrid, and from the question's text to passages."""
    vectors = np.load(folder / "vectors.npy")
    began, cpu = time.perf_counter(), time.process_time()
    legs = Legs.of([rows_of(documents, {d.id: "" for d in documents}, vectors)])
    built = {"build_s": time.perf_counter() - began, "build_cpu_s": time.process_time() - cpu}
    given: Any = _Given(asked, np.load(folder / "query_vectors.npy"))
    words = Means(legs, RagSpec(retriever="bm25"))
    as_it_is = QuerySpec(normalise=False)  # the vectors are of the questions as they stand
    convex = RagSpec(ranking=RankSpec(fusion="convex"), query=as_it_is)
    encoder = load_encoder("minilm")
    contenders = {
        "Luthier, words, ranked": words,
        "Luthier, convex": Means(legs, convex, given),
        "Luthier, adaptive": Means(legs, RagSpec(query=as_it_is), given),
        "Luthier, adaptive, embedding too": Means(legs, RagSpec(), encoder),
    }
    results = {"Luthier, BM25 alone": {**built, **_timed_words(legs, asked)}}
    for name, means in contenders.items():
        results[name] = {**built, **_timed(means, asked)}
    return results


def _timed_words(legs: Legs, asked: Mapping[str, str]) -> dict[str, Any]:
    def search(text: str) -> list[str]:
        return legs.ids(legs.lexical(text, DEPTH, Slice()).rows)

    return _clocked(search, asked)


def _timed(means: Means, asked: Mapping[str, str]) -> dict[str, Any]:
    def search(text: str) -> list[str]:
        return [p.document_id for p in retrieve(means, [text], DEPTH, Slice())[0].passages]

    return _clocked(search, asked)


def _clocked(search: Callable[[str], list[str]], asked: Mapping[str, str]) -> dict[str, Any]:
    """As the peers are clocked: each question some times, the least counts."""
    rankings, times = {}, []
    for _ in range(3):
        search(next(iter(asked.values())))
    for one, text in asked.items():
        least = float("inf")
        for _ in range(REPEATS):
            started = time.perf_counter()
            found = search(text)
            least = min(least, time.perf_counter() - started)
        rankings[one] = found
        times.append(least * 1000.0)
    return {"rankings": rankings, "times_ms": times}


def _table(results: Mapping[str, dict[str, Any]], judged: Mapping[str, dict[str, float]]) -> None:
    print(f"{'':34}{'nDCG@10':>9}{'R@100':>8}{'p50 ms':>9}{'p95 ms':>9}{'build s':>9}")
    for name, told in results.items():
        if not told:
            print(f"{name:34}   failed")
            continue
        ids = list(told["rankings"])
        found = score(
            [told["rankings"][i] for i in ids], [judged[i] for i in ids], ["ndcg@10", "recall@100"]
        )
        p50, p95 = np.percentile(told["times_ms"], [50, 95])
        print(
            f"{name:34}{found['ndcg@10'].mean():9.4f}{found['recall@100'].mean():8.4f}"
            f"{p50:9.2f}{p95:9.2f}{told['build_s']:9.1f}"
        )
    ours = statistics.median(results["Luthier, adaptive"]["times_ms"])
    for name in ("lancedb", "haystack", "llamaindex", "txtai"):
        if told := results.get(name):
            print(f"{name}: {statistics.median(told['times_ms']) / ours:.1f} x Luthier's time")


def _judgements(path: Path) -> dict[str, dict[str, float]]:
    judged: dict[str, dict[str, float]] = {}
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        if float(grade) > 0:
            judged.setdefault(query, {})[document] = float(grade)
    return judged


def _lines(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


if __name__ == "__main__":
    sys.exit(main())
