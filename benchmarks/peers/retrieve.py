"""One contender of ``benchmarks/rag.py``, in a process and an environment of its own.

    python benchmarks/peers/retrieve.py NAME FOLDER

``FOLDER`` holds what all get: ``passages.jsonl`` (id, title, text), ``vectors.npy`` (one each),
``queries.jsonl`` (id, text) and ``query_vectors.npy``; nobody computes a vector. Each indexes title
and text together, answers a query to warm up, then all one by one for the clock, in ``ROUNDS``
rounds, ``DEPTH`` passages deep. Of who takes over 100 ms the first ``SAMPLE`` queries are clocked,
and who takes over 250 ms is asked no others. ``NAME.json`` says the seconds of indexing, the
milliseconds of each query (the least of the rounds), the rankings, and the versions of what ran.
"""

from __future__ import annotations

import importlib.metadata
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

DEPTH = 100
ROUNDS = 5
SAMPLE = 60

Search = Callable[[str, Any], list[str]]


def main() -> None:
    """Index, ask, write."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    passages = _lines(folder / "passages.jsonl")
    queries = _lines(folder / "queries.jsonl")
    vectors = np.load(folder / "vectors.npy")
    asked = np.load(folder / "query_vectors.npy")
    began, cpu = time.perf_counter(), time.process_time()
    search = CONTENDERS[name](passages, vectors, folder / name)
    built = {"build_s": time.perf_counter() - began, "build_cpu_s": time.process_time() - cpu}
    rankings: dict[str, list[str]] = {}
    for _ in range(3):
        started = time.perf_counter()
        search(queries[0]["text"], asked[0])
    took_s = time.perf_counter() - started
    many = len(queries) if took_s < 0.25 else min(SAMPLE, len(queries))
    timed = many if took_s < 0.1 else min(SAMPLE, many)
    times = [float("inf")] * timed
    for number in range(ROUNDS):
        for at in range(timed if number else many):
            started = time.perf_counter()
            rankings[queries[at]["id"]] = search(queries[at]["text"], asked[at])
            took_ms = (time.perf_counter() - started) * 1000.0
            if at < timed:
                times[at] = min(times[at], took_ms)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    told = {**built, "times_ms": times, "rankings": rankings, "peak_bytes": peak}
    told["versions"] = {one: importlib.metadata.version(one) for one in PACKAGES[name]}
    (folder / f"{name}.json").write_text(json.dumps(told), encoding="utf-8")


def _lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _body(passage: dict[str, str]) -> str:
    return f"{passage['title']}\n{passage['text']}"


def bm25s(passages: list[dict[str, str]], _: Any, __: Path) -> Search:
    """bm25s by words alone, compiled by numba, stemmed."""
    import bm25s as library
    import Stemmer

    stemmer = Stemmer.Stemmer("english")
    tokens = library.tokenize([_body(p) for p in passages], stemmer=stemmer, show_progress=False)
    index = library.BM25(backend="numba")
    index.index(tokens, show_progress=False)
    ids = [p["id"] for p in passages]

    def search(text: str, vector: Any) -> list[str]:
        words = library.tokenize([text], stemmer=stemmer, show_progress=False)
        rows, _ = index.retrieve(words, k=DEPTH, show_progress=False, n_threads=1)
        return [ids[row] for row in rows[0]]

    return search


def lancedb(passages: list[dict[str, str]], vectors: Any, folder: Path) -> Search:
    """LanceDB's own hybrid: full text and vectors, joined by reciprocal rank."""
    import lancedb as library
    import pyarrow as pa
    from lancedb.index import FTS
    from lancedb.rerankers import RRFReranker

    flat = pa.array(np.ascontiguousarray(vectors, np.float32).ravel())
    table = library.connect(folder).create_table(
        "passages",
        pa.table(
            {
                "id": [p["id"] for p in passages],
                "body": [_body(p) for p in passages],
                "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
            }
        ),
    )
    table.create_index("body", config=FTS(with_position=False))
    reranker = RRFReranker()

    def search(text: str, vector: Any) -> list[str]:
        query = table.search(query_type="hybrid").vector(vector).text(text)
        found = query.rerank(reranker).select(["id"]).limit(DEPTH).to_arrow()
        return [str(one) for one in found["id"].to_pylist()]

    return search


def haystack(passages: list[dict[str, str]], vectors: Any, _: Path) -> Search:
    """Haystack's in-memory store: BM25 and vectors, joined by reciprocal rank."""
    from haystack import Document
    from haystack.components.joiners import DocumentJoiner
    from haystack.components.retrievers.in_memory import (
        InMemoryBM25Retriever,
        InMemoryEmbeddingRetriever,
    )
    from haystack.document_stores.in_memory import InMemoryDocumentStore

    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    store.write_documents(
        [
            Document(id=p["id"], content=_body(p), embedding=vector.tolist())
            for p, vector in zip(passages, vectors, strict=True)
        ]
    )
    words = InMemoryBM25Retriever(store, top_k=DEPTH)
    near = InMemoryEmbeddingRetriever(store, top_k=DEPTH)
    joiner = DocumentJoiner(join_mode="reciprocal_rank_fusion", top_k=DEPTH)

    def search(text: str, vector: Any) -> list[str]:
        found = [
            words.run(query=text)["documents"],
            near.run(query_embedding=vector.tolist())["documents"],
        ]
        return [one.id for one in joiner.run(documents=found)["documents"]]

    return search


def llamaindex(passages: list[dict[str, str]], vectors: Any, _: Path) -> Search:
    """LlamaIndex: its BM25 retriever and its in-memory vectors, fused by reciprocal rank."""
    from llama_index.core import VectorStoreIndex
    from llama_index.core.embeddings import MockEmbedding
    from llama_index.core.llms import MockLLM
    from llama_index.core.retrievers import QueryFusionRetriever
    from llama_index.core.schema import QueryBundle, TextNode
    from llama_index.retrievers.bm25 import BM25Retriever

    nodes = [
        TextNode(id_=p["id"], text=_body(p), embedding=vector.tolist())
        for p, vector in zip(passages, vectors, strict=True)
    ]
    silent = MockEmbedding(embed_dim=vectors.shape[1])
    near = VectorStoreIndex(nodes, embed_model=silent).as_retriever(similarity_top_k=DEPTH)
    words = BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=DEPTH)
    fused = QueryFusionRetriever(
        [words, near],
        llm=MockLLM(),
        mode="reciprocal_rerank",
        num_queries=1,
        use_async=False,
        similarity_top_k=DEPTH,
    )

    def search(text: str, vector: Any) -> list[str]:
        found = fused.retrieve(QueryBundle(text, embedding=vector.tolist()))
        return [one.node.node_id for one in found]

    return search


def txtai(passages: list[dict[str, str]], vectors: Any, _: Path) -> Search:
    """The hybrid index of txtai: its BM25 and Faiss, convex at one half."""
    from txtai import Embeddings

    given = {_body(p): vector for p, vector in zip(passages, vectors, strict=True)}
    asked: dict[str, Any] = {}

    def look_up(texts: list[str]) -> Any:
        return np.stack([given.get(text, asked.get(text)) for text in texts])

    index = Embeddings(method="external", transform=look_up, hybrid=True, content=False)
    index.index([(p["id"], _body(p), None) for p in passages])

    def search(text: str, vector: Any) -> list[str]:
        asked[text] = vector
        return [str(one) for one, _ in index.search(text, DEPTH)]

    return search


CONTENDERS: dict[str, Callable[[list[dict[str, str]], Any, Path], Search]] = {
    "bm25s": bm25s,
    "lancedb": lancedb,
    "haystack": haystack,
    "llamaindex": llamaindex,
    "txtai": txtai,
}

PACKAGES = {
    "bm25s": ("bm25s", "numba"),
    "lancedb": ("lancedb",),
    "haystack": ("haystack-ai",),
    "llamaindex": ("llama-index-core",),
    "txtai": ("txtai", "faiss-cpu"),
}

if __name__ == "__main__":
    main()
