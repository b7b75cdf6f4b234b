"""Texts a second by the encoder's runtimes, and by sentence-transformers, one thread each.

    LUTHIER_DATA=... .venv/bin/python benchmarks/encoder.py --quality

All encode the same abstracts of SciFact (title and text) with MiniLM, and the same claims one by
one. sentence-transformers computes in float32 in its own environment, made in ``--peers``, at the
best of several batch sizes; sides alternate and the median of three repeats counts. ``--quality``
also encodes the whole corpus by each runtime and searches it exactly with the 300 test claims,
which choose nothing (``--texts 0`` leaves the speed out). Less than 1.5 times the peer in float32,
less than 2.5 times in 8 or 16 bits, or more than 3 ms for a claim in int8, would be a defeat.
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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np
from retrieval_scifact import ndcg, read_judgements

from luthier.core.errors import LuthierError
from luthier.models.encode import Encoder, Vectors, load_encoder, minilm_folder

HERE = Path(__file__).parent
RUNTIMES = [
    ("fused", "int8"),
    ("fused", "bfloat16"),
    ("torch", "bfloat16"),
    ("onnx", "int8"),
    ("onnx", "float32"),
    ("torch", "float32"),
]
BATCHES = "8,32"
PEER = "sentence-transformers, float32"


def main() -> int:
    """Measure all sides in turn and print the table."""
    data = Path(os.environ["LUTHIER_DATA"]) / "scifact" if "LUTHIER_DATA" in os.environ else Path()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=data)
    parser.add_argument("--peers", type=Path, default=Path.home() / ".cache/luthier/peers")
    parser.add_argument("--texts", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quality", action="store_true", help="also nDCG@10 over the whole corpus")
    parser.add_argument("--only", nargs="+", choices=list(map(", ".join, RUNTIMES)))
    options = parser.parse_args()
    if not (options.data / "corpus.jsonl").is_file():
        print(
            f"SKIPPED, NOTHING WAS MEASURED: no BEIR folder at {options.data}; "
            "give --data or set LUTHIER_DATA",
            file=sys.stderr,
        )
        return 0
    rows = _rows(options.data / "corpus.jsonl")
    corpus = [f"{row['title']}\n{row['text']}" for row in rows]
    claims = {row["_id"]: row["text"] for row in _rows(options.data / "queries.jsonl")}
    chosen = np.random.default_rng(0).permutation(len(corpus))[: options.texts]
    texts, questions = [corpus[i] for i in chosen], list(claims.values())[:100]
    runtimes = [one for one in RUNTIMES if not options.only or ", ".join(one) in options.only]
    if texts:
        _print(_measure(texts, questions, runtimes, options), len(texts))
    if options.quality:
        ids = [row["_id"] for row in rows]
        judged = read_judgements(options.data / "qrels" / "test.tsv")
        _quality(corpus, ids, claims, judged, runtimes)
    return 0


def _measure(
    texts: list[str], questions: list[str], runtimes: Sequence[tuple[Any, Any]], options: Any
) -> dict[str, dict[str, Any]]:
    """CPU seconds over the texts and milliseconds of each question, by side."""
    encoders = _open(texts[:8], runtimes)
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder) / "texts.json"
        asked.write_text(json.dumps({"texts": texts, "questions": questions}))
        reference = Path(folder) / "vectors.npy"
        for _ in range(options.repeats):
            told = _peer(options.peers / "sentence-transformers", asked, reference)
            best = min(told["seconds"].values(), key=min)
            _note(found, PEER, best, told["query_ms"], 1.0)
            wanted = np.load(reference)
            for name, encoder in encoders.items():
                started = time.process_time()
                vectors = encoder.encode(texts)
                took = time.process_time() - started
                near = float((vectors * wanted).sum(1).min())
                _note(found, name, [took], _alone(encoder, questions), near)
    print("versions:", ", ".join(f"{k} {v}" for k, v in told["versions"].items()))
    return found


def _open(texts: Sequence[str], runtimes: Sequence[tuple[Any, Any]]) -> dict[str, Encoder]:
    """Each runtime that can run here, warm."""
    encoders = {}
    for runtime, precision in runtimes:
        encoder = load_encoder("minilm", runtime=runtime, precision=precision, device="cpu")
        try:
            encoder.encode(texts)
        except LuthierError as error:
            print(f"{runtime}, {precision} is left out: {error.what}")
            continue
        encoders[f"{runtime}, {precision}"] = encoder
    return encoders


def _alone(encoder: Encoder, questions: Sequence[str]) -> list[float]:
    times = []
    for question in questions:
        started = time.perf_counter()
        encoder.encode([question])
        times.append(1000 * (time.perf_counter() - started))
    return times


def _note(
    found: dict[str, dict[str, Any]], name: str, took: list[float], alone: list[float], near: float
) -> None:
    own = found.setdefault(name, {"seconds": [], "ms": [], "cosine": 1.0})
    own["seconds"] += took
    own["ms"] += alone
    own["cosine"] = min(own["cosine"], near)


def _print(found: dict[str, dict[str, Any]], texts: int) -> None:
    base = statistics.median(found[PEER]["seconds"])
    print(f"{'':32} texts/CPU-s  of the peer  claim p50 ms  p95 ms  least cosine")
    for name, own in found.items():
        seconds = statistics.median(own["seconds"])
        half, most = np.percentile(own["ms"], [50, 95])
        print(
            f"{name:32} {texts / seconds:11.1f} {base / seconds:11.2f}x {half:13.2f} {most:7.2f} "
            f"{own['cosine']:13.5f}",
            flush=True,
        )


def _quality(
    corpus: list[str],
    ids: list[str],
    claims: dict[str, str],
    judged: dict[str, set[str]],
    runtimes: Sequence[tuple[Any, Any]],
) -> None:
    """nDCG@10 of exact search by each runtime."""
    for runtime, precision in runtimes:
        try:
            encoder = load_encoder("minilm", runtime=runtime, precision=precision, device="cpu")
            asked = encoder.encode([claims[one] for one in judged])
        except LuthierError:
            continue
        vectors = encoder.encode(corpus)
        scores = [
            ndcg([ids[i] for i in _best(vectors, one)], wanted, 10)
            for one, wanted in zip(asked, judged.values(), strict=True)
        ]
        print(f"{runtime + ', ' + precision:32} nDCG@10 {statistics.mean(scores):.4f}", flush=True)


def _best(vectors: Vectors, one: Any) -> list[int]:
    return [int(i) for i in np.argsort(-(vectors @ one), kind="stable")[:10]]


def _peer(folder: Path, asked: Path, out: Path) -> dict[str, Any]:
    """What sentence-transformers says, in its own environment."""
    python = folder / "bin" / "python"
    if not python.is_file():
        venv.create(folder, with_pip=True)
        command = [python, "-m", "pip", "install", "-q", "-c", HERE.parent / "constraints.txt"]
        subprocess.run([*map(str, command), "sentence-transformers"], check=True)
    command = [python, HERE / "peers" / "encode.py", minilm_folder(), asked, out, BATCHES, "1"]
    done = subprocess.run([*map(str, command)], check=True, capture_output=True, text=True)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


if __name__ == "__main__":
    sys.exit(main())
