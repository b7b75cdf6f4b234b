"""Hybrid search on SciFact beside Haystack, LlamaIndex, txtai, bm25s and LanceDB's own hybrid.

All get the same passages (one a document), the same vectors of passages and of questions, one
thread, and give 100 passages a question. Each peer runs in an environment of its own, which the
first run makes (`--peers` names the folder; some minutes). All questions are asked in five rounds,
and of each the least time counts; of peers that take over 100 ms the first 60 are clocked, and over
250 ms no others are asked. What stands beside a peer's nDCG@10 is Luthier's on the same questions.
Then Luthier once more from a question's text to ten passages, its embedding included (in bfloat16,
and in int8 with an index of its own), and the building of an index of 100,000 made-up passages.

It would be a defeat if Luthier's hybrid were not three times as fast as LanceDB's and ten times as
fast as Haystack's, if its nDCG@10 were below theirs, if its search by words alone were slower than
bm25s, if text to ten passages took 6 ms or more (median; 12 ms for 95 %), or if an index took in
less than 20,000 passages a second or more than 1 GB.

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
from luthier.models.encode import Encoder, Vectors, load_encoder
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
ROUNDS = 5
WORDS, ADAPTIVE = "Luthier, BM25 alone", "Luthier, adaptive"
WHOLE = "Luthier, text to ten passages"


def main() -> int:
    """Prepare, run everybody, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path, default=Path(tempfile.gettempdir()) / "luthier-peers")
    parser.add_argument("--only", nargs="+", choices=[*PEERS, "lancedb"], help="these peers alone")
    parser.add_argument("--vectors", type=Path, help="kept vectors of passages, made if missing")
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
        _share(documents, asked, folder, options.vectors)
        results = {n: _peer(n, options.peers, folder) for n in options.only or ("lancedb", *PEERS)}
        results |= _ours(documents, asked, folder)
    _table(results, judged)
    _index(5_000 if options.quick else 100_000)
    return 0


def _share(
    documents: Sequence[Passage], asked: Mapping[str, str], folder: Path, kept: Path | None
) -> None:
    """Write what all contenders get."""
    encoder = load_encoder("minilm")
    np.save(folder / "vectors.npy", _embedded(documents, encoder, kept))
    if kept is not None:
        kept = kept.with_stem(f"{kept.stem}-int8")
    np.save(folder / "vectors_int8.npy", _embedded(documents, _int8(), kept))
    np.save(folder / "query_vectors.npy", encoder.encode(list(asked.values())))
    with (folder / "passages.jsonl").open("w", encoding="utf-8") as file:
        for d in documents:
            file.write(json.dumps({"id": d.id, "title": d.title, "text": d.text}) + "\n")
    with (folder / "queries.jsonl").open("w", encoding="utf-8") as file:
        for one, text in asked.items():
            file.write(json.dumps({"id": one, "text": text}) + "\n")


def _int8() -> Encoder:
    return load_encoder("minilm", precision="int8")


def _embedded(documents: Sequence[Passage], encoder: Encoder, kept: Path | None) -> Vectors:
    """Vectors of titles and texts, read from a file where there is one."""
    if kept is not None and kept.is_file():
        return np.asarray(np.load(kept), np.float32)
    vectors = encoder.encode([f"{d.title}\n{d.text}" for d in documents])
    if kept is not None:
        np.save(kept, vectors)
    return vectors


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
    adaptive = Means(legs, RagSpec(query=as_it_is), given)
    whole = Means(legs, RagSpec(), load_encoder("minilm"))
    small = np.load(folder / "vectors_int8.npy")
    own = Legs.of([rows_of(documents, {d.id: "" for d in documents}, small)])
    contenders = {
        "Luthier, words, ranked": (words, DEPTH),
        "Luthier, convex": (Means(legs, convex, given), DEPTH),
        ADAPTIVE: (adaptive, DEPTH),
        "Luthier, adaptive, ten passages": (adaptive, 10),
        WHOLE: (whole, 10),
        f"{WHOLE}, int8": (Means(own, RagSpec(), _int8()), 10),
    }
    results = {WORDS: {**built, **_timed_words(legs, asked)}}
    for name, (means, depth) in contenders.items():
        results[name] = {**built, **_timed(means, asked, depth)}
    return results


def _timed_words(legs: Legs, asked: Mapping[str, str]) -> dict[str, Any]:
    def search(text: str) -> list[str]:
        return legs.ids(legs.lexical(text, DEPTH, Slice()).rows)

    return _clocked(search, asked)


def _timed(means: Means, asked: Mapping[str, str], depth: int) -> dict[str, Any]:
    def search(text: str) -> list[str]:
        return [p.document_id for p in retrieve(means, [text], depth, Slice())[0].passages]

    return _clocked(search, asked)


def _clocked(search: Callable[[str], list[str]], asked: Mapping[str, str]) -> dict[str, Any]:
    """As the peers are clocked: all questions in some rounds, the least of each counts."""
    rankings = {}
    times = dict.fromkeys(asked, float("inf"))
    for _ in range(3):
        search(next(iter(asked.values())))
    for _ in range(ROUNDS):
        for one, text in asked.items():
            started = time.perf_counter()
            rankings[one] = search(text)
            times[one] = min(times[one], (time.perf_counter() - started) * 1000.0)
    return {"rankings": rankings, "times_ms": list(times.values())}


def _table(results: Mapping[str, dict[str, Any]], judged: Mapping[str, dict[str, float]]) -> None:
    heads = f"{'asked':>7}{'nDCG@10':>9}{'Luthier':>9}{'R@100':>8}{'p50 ms':>9}{'p95 ms':>9}"
    print(f"{'':36}{heads}{'build s':>9}")
    ours = results[ADAPTIVE]["rankings"]
    for name, told in results.items():
        if not told:
            print(f"{name:36}   failed")
            continue
        found, ids = told["rankings"], list(told["rankings"])
        values, same = _scores(found, ids, judged), _scores(ours, ids, judged)
        deep = f"{values['recall@100']:8.4f}" if len(found[ids[0]]) > 10 else f"{'':8}"
        p50, p95 = np.percentile(told["times_ms"], [50, 95])
        versions = ", ".join(f"{k} {v}" for k, v in told.get("versions", {}).items())
        print(
            f"{versions or name:36}{len(ids):7}{values['ndcg@10']:9.4f}{same['ndcg@10']:9.4f}"
            f"{deep}{p50:9.2f}{p95:9.2f}{told['build_s']:9.1f}"
        )
    ours_ms = statistics.median(results[ADAPTIVE]["times_ms"])
    for name in ("lancedb", "haystack", "llamaindex", "txtai"):
        if told := results.get(name):
            times = statistics.median(told["times_ms"]) / ours_ms
            print(f"{name}: {times:.1f} x the time of Luthier, adaptive")
    if told := results.get("bm25s"):
        times = statistics.median(told["times_ms"]) / statistics.median(results[WORDS]["times_ms"])
        print(f"bm25s: {times:.2f} x the time of {WORDS}")


def _scores(
    found: Mapping[str, list[str]], ids: Sequence[str], judged: Mapping[str, dict[str, float]]
) -> dict[str, float]:
    """Means over some questions."""
    wanted = ["ndcg@10", "recall@100"]
    told = score([found[i] for i in ids], [judged[i] for i in ids], wanted)
    return {name: float(told[name].mean()) for name in wanted}


def _index(count: int) -> None:
    """Print what an index of many passages takes to build."""
    script = Path(__file__).parent / "_rag_index.py"
    ran = subprocess.run(
        [sys.executable, script, str(count)], check=True, capture_output=True, text=True
    )
    told = json.loads(ran.stdout)
    print(
        f"index of {count} passages, embedding apart: {told['s']:.1f} s ({told['cpu_s']:.1f} of "
        f"CPU), {count / told['s']:.0f} passages/s, {told['bytes'] / 1e6:.0f} MB above the rows"
    )


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
