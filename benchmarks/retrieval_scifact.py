"""Retrieval quality and speed on SciFact, next to what others measured on the same data.

    python benchmarks/retrieval_scifact.py --data scifact/

The folder is in BEIR's layout (``corpus.jsonl``, ``queries.jsonl``, ``qrels/test.tsv``): 5,183
abstracts, 300 claims, 339 judgements. Abstracts are cut into passages as for any corpus; an
abstract ranks where its best passage does. nDCG@10 and recall@100 are as trec_eval defines them.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from luthier.core.progress import Terminal
from luthier.core.records import Document
from luthier.rag.chunkers.tokens import TokenChunks
from luthier.rag.index import Index, build, open_index
from luthier.rag.spec import RagSpec

# nDCG@10, recall@100, milliseconds for a query without its embedding; two cores of 2025.
PUBLISHED = {
    "LanceDB FTS": (0.6840, 0.9209, 4.0),
    "bm25s": (0.6863, 0.9127, 0.31),
    "MiniLM exact, one vector each": (0.6451, 0.9250, 0.30),
    "LanceDB hybrid, RRF": (0.7171, 0.9550, 18.0),
    "bm25s + MiniLM, convex 0.5": (0.7282, 0.9483, math.nan),
}
PASSAGES = 400  # asked for, so that 100 abstracts are among them
WIDTH = 34


def main() -> int:
    """Build the index, ask all claims with each retriever, print the table."""
    default = Path(os.environ["LUTHIER_DATA"]) / "scifact" if "LUTHIER_DATA" in os.environ else None
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=default, help="default: $LUTHIER_DATA/scifact")
    parser.add_argument("--chunk-size", type=int, default=TokenChunks().chunk_size)
    options = parser.parse_args()
    if options.data is None or not (options.data / "corpus.jsonl").is_file():
        print(
            f"SKIPPED, NOTHING WAS MEASURED: no BEIR folder at {options.data}; "
            "give --data or set LUTHIER_DATA",
            file=sys.stderr,
        )
        return 0
    documents = [
        Document(row["_id"], row["title"], row["text"], f"corpus.jsonl:{n}", "text", row["_id"])
        for n, row in enumerate(_rows(options.data / "corpus.jsonl"), 1)
    ]
    questions = {row["_id"]: row["text"] for row in _rows(options.data / "queries.jsonl")}
    relevant = read_judgements(options.data / "qrels" / "test.tsv")
    spec = RagSpec(chunker=TokenChunks(chunk_size=options.chunk_size))
    print(f"{'':{WIDTH}}  nDCG@10    R@100  query ms")
    for name, (ndcg, recall, ms) in PUBLISHED.items():
        print(f"{name:{WIDTH}}  {ndcg:7.4f}  {recall:7.4f}  {'' if math.isnan(ms) else ms:>8}")
    with tempfile.TemporaryDirectory() as folder:
        summary = build(spec, documents, Path(folder), Terminal())
        for retriever in ("bm25", "dense", "hybrid"):
            index = open_index(Path(folder), spec.model_copy(update={"retriever": retriever}))
            ndcg, recall, ms = measure(index, questions, relevant)
            name = f"Luthier {retriever} (embedding included)"
            print(f"{name:{WIDTH}}  {ndcg:7.4f}  {recall:7.4f}  {ms:8.1f}", flush=True)
    print(
        f"{summary['documents']} documents, {summary['passages']} passages of at most "
        f"{options.chunk_size} tokens, {summary['seconds']:.0f} s, "
        f"{summary['passages_per_s']:.1f} passages/s embedded"
    )
    return 0


def measure(
    index: Index, questions: Mapping[str, str], relevant: Mapping[str, set[str]]
) -> tuple[float, float, float]:
    """Mean nDCG@10, mean recall@100, and the median milliseconds of one search."""
    ndcgs, recalls, times = [], [], []
    index.search("warm up")
    for one, wanted in relevant.items():
        started = time.perf_counter()
        found = index.search(questions[one], k=PASSAGES)
        times.append((time.perf_counter() - started) * 1000)
        ranking = list(dict.fromkeys(p.document_id for p in found))
        ndcgs.append(ndcg(ranking, wanted, 10))
        recalls.append(len(wanted & set(ranking[:100])) / len(wanted))
    return statistics.mean(ndcgs), statistics.mean(recalls), statistics.median(times)


def ndcg(ranking: Sequence[str], relevant: set[str], depth: int) -> float:
    """Normalised discounted cumulative gain with judgements of 0 and 1."""
    gained = sum(1 / math.log2(i + 2) for i, d in enumerate(ranking[:depth]) if d in relevant)
    return gained / sum(1 / math.log2(i + 2) for i in range(min(depth, len(relevant))))


def read_judgements(path: Path) -> dict[str, set[str]]:
    """Relevant document ids by query id."""
    relevant: dict[str, set[str]] = defaultdict(set)
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        if int(grade) > 0:
            relevant[query].add(document)
    return dict(relevant)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


if __name__ == "__main__":
    sys.exit(main())
