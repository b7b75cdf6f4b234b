"""Which chunker finds the passage that holds the answer, on XQuAD-en and SciFact.

    python benchmarks/chunking.py --data folder/      (with xquad_en/ and scifact/ in it)

XQuAD's 240 paragraphs are joined into the 48 articles they are of, so that a document is longer
than a passage. A question counts as answered by the text that a prompt of 400 tokens has room for,
if the answer's own place is in it: so larger passages have no advantage. SciFact's abstracts rank
where their best passage does. All by BM25 (k1 1.2, b 0.75) and, on XQuAD, by MiniLM too. Nothing
here is tuned: the settings are the defaults. ``--speed MB`` cuts a text of so many MB instead.
"""

from __future__ import annotations

import argparse
import collections
import json
import math
import os
import re
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from retrieval_scifact import ndcg, read_judgements

from luthier.core.records import Document, Passage
from luthier.models.encode import Encoder, load_encoder
from luthier.rag.chunk import ChunkSpec, chunk
from luthier.rag.chunkers.parents import ParentChunks
from luthier.rag.chunkers.recursive import RecursiveChunks
from luthier.rag.chunkers.semantic import SemanticChunks
from luthier.rag.chunkers.sentences import SentenceChunks
from luthier.rag.chunkers.tokens import TokenChunks

BUDGET_TOKENS = 400
SPECS: dict[str, ChunkSpec] = {
    "tokens": TokenChunks(),
    "tokens, at: token": TokenChunks(at="token"),
    "recursive": RecursiveChunks(),
    "sentences": SentenceChunks(),
    "semantic": SemanticChunks(),
    "parents": ParentChunks(),
}
Spot = tuple[str, int, int]
"""Document, start and end of an answer."""


def main() -> int:
    """Print a table for each data set, or the speed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("LUTHIER_DATA"))
    parser.add_argument("--speed", type=int, metavar="MB")
    options = parser.parse_args()
    encoder = load_encoder("minilm")
    if options.speed:
        speed(encoder, options.speed)
        return 0
    if options.data is None or not (options.data / "scifact" / "corpus.jsonl").is_file():
        print("SKIPPED, NOTHING WAS MEASURED: give --data or set LUTHIER_DATA", file=sys.stderr)
        return 0
    xquad(encoder, options.data / "xquad_en" / "xquad.en.json")
    scifact(encoder, options.data / "scifact")
    return 0


def xquad(encoder: Encoder, path: Path) -> None:
    """How often the answer's place is in the best passage, and in a prompt."""
    documents, questions = articles(path)
    asked = encoder.encode([question for question, _ in questions])
    print(f"XQuAD-en: {len(documents)} articles, {len(questions)} questions")
    print(f"{'':18} passages  tokens   BM25: @1 in prompt  MiniLM: @1 in prompt")
    for name, spec in SPECS.items():
        passages = cut(encoder, documents, spec)
        sizes = [len(encoder.token_offsets(p.shown)) for p in passages]
        mean = np.mean([len(encoder.token_offsets(p.text)) for p in passages])
        search = Words(passages)
        words = [search.rank(question) for question, _ in questions]
        vectors = encoder.encode([f"{p.title}\n{p.text}" for p in passages])
        dense = np.argsort(-(asked @ vectors.T), axis=1, kind="stable")
        figures = []
        for ranks in (words, dense):
            found = [
                answered(ranking, passages, sizes, documents, spot)
                for ranking, (_, spot) in zip(ranks, questions, strict=True)
            ]
            figures += [f"{100 * np.mean(part):8.1f}" for part in zip(*found, strict=True)]
        told = f"{figures[0]:>10}{figures[1]:>10}{figures[2]:>12}{figures[3]:>10}"
        print(f"{name:18} {len(passages):8} {mean:7.0f}   {told}", flush=True)


def answered(
    ranking: Sequence[int],
    passages: Sequence[Passage],
    sizes: Sequence[int],
    documents: dict[str, Document],
    spot: Spot,
) -> tuple[bool, bool]:
    """Whether the answer is in the best passage, and in what a prompt has room for."""
    left, seen, inside = BUDGET_TOKENS, set[str](), False
    for index in ranking[:50]:
        shown = passages[index].shown
        if shown in seen:  # of several children of one parent the first brings it
            continue
        if sizes[index] > left:
            break
        seen.add(shown)
        left -= sizes[index]
        inside = inside or holds(passages[index], documents, spot)
    return holds(passages[ranking[0]], documents, spot, found=True), inside


def holds(one: Passage, documents: dict[str, Document], spot: Spot, *, found: bool = False) -> bool:
    """Whether the place of an answer is in a passage, or in what is shown of it."""
    document, start, end = spot
    if one.document_id != document:
        return False
    left, right = one.start, one.end
    if one.context and not found:
        around = documents[document].text.find(one.context)
        if around >= 0:
            left, right = around, around + len(one.context)
    return left <= start and end <= right


def scifact(encoder: Encoder, folder: Path) -> None:
    """NDCG@10 of abstracts by their best passages; words alone."""
    rows = [json.loads(line) for line in (folder / "corpus.jsonl").open(encoding="utf-8")]
    documents = {
        row["_id"]: Document(row["_id"], row["title"], row["text"], "corpus.jsonl", "text", "")
        for row in rows
    }
    asked = [json.loads(line) for line in (folder / "queries.jsonl").open(encoding="utf-8")]
    questions = {row["_id"]: row["text"] for row in asked}
    relevant = read_judgements(folder / "qrels" / "test.tsv")
    print(f"\nSciFact: {len(documents)} abstracts, {len(relevant)} claims, BM25")
    print(f"{'':18} passages  nDCG@10")
    for name, spec in SPECS.items():
        if isinstance(spec, SemanticChunks):
            continue  # its 46,000 sentences take half an hour to embed
        passages = cut(encoder, documents, spec)
        search = Words(passages)
        scores = []
        for query, wanted in relevant.items():
            ranking = (passages[i].document_id for i in search.rank(questions[query])[:400])
            scores.append(ndcg(list(dict.fromkeys(ranking)), wanted, 10))
        print(f"{name:18} {len(passages):8}  {np.mean(scores):7.4f}", flush=True)


def speed(encoder: Encoder, megabytes: int) -> None:
    """How fast one long document is cut, and how much memory that takes."""
    readme = "\n\n".join(p.read_text() for p in sorted(Path("docs").rglob("*.md")))
    text = (readme * (megabytes * 1_000_000 // len(readme) + 1))[: megabytes * 1_000_000]
    document = Document("long.md#1", "Long", text, "long.md:1", "text", "long.md")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, spec in SPECS.items():
        if isinstance(spec, SemanticChunks):
            continue
        started = time.process_time()
        passages = chunk(document, spec, encoder.token_offsets, 200)
        spent = time.process_time() - started
        peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(
            f"{name:18} {len(passages):8} passages  {megabytes / spent:6.2f} MB/s of processor time"
            f"  peak {peak:6.0f} MB more than before",
            flush=True,
        )
        del passages


def cut(encoder: Encoder, documents: dict[str, Document], spec: ChunkSpec) -> list[Passage]:
    """All passages of all documents."""
    found: list[Passage] = []
    room = encoder.max_tokens - encoder.special_tokens
    for one in documents.values():
        size = room - len(encoder.token_offsets(one.title))
        found += chunk(one, spec, encoder.token_offsets, size, encoder.encode)
    return found


def articles(path: Path) -> tuple[dict[str, Document], list[tuple[str, Spot]]]:
    """XQuAD's articles as one document each, and its questions with the places of their answers."""
    documents: dict[str, Document] = {}
    questions: list[tuple[str, Spot]] = []
    for number, article in enumerate(json.loads(path.read_text(encoding="utf-8"))["data"]):
        text, name = "", f"article {number}"
        for paragraph in article["paragraphs"]:
            text += "\n\n" if text else ""
            for asked in paragraph["qas"]:
                answer = asked["answers"][0]
                start = len(text) + answer["answer_start"]
                spot = (name, start, start + len(answer["text"]))
                questions.append((asked["question"], spot))
            text += paragraph["context"]
        documents[name] = Document(name, "", text, f"xquad.en.json:{number}", "text", name)
    return documents, questions


class Words:
    """BM25 (Robertson and Zaragoza 2009) over titles and texts, k1 1.2 and b 0.75."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        postings: dict[str, list[tuple[int, int]]] = collections.defaultdict(list)
        lengths = np.zeros(len(passages))
        for index, one in enumerate(passages):
            counts = collections.Counter(_terms(f"{one.title}\n{one.text}"))
            lengths[index] = sum(counts.values())
            for term, count in counts.items():
                postings[term].append((index, count))
        norm = 1.2 * (0.25 + 0.75 * lengths / lengths.mean())
        self._count = len(passages)
        self._weights: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for term, found in postings.items():
            where, counts_ = np.array(found).T
            rare = math.log(1 + (self._count - len(where) + 0.5) / (len(where) + 0.5))
            self._weights[term] = where, rare * counts_ * 2.2 / (counts_ + norm[where])

    def rank(self, question: str) -> list[int]:
        """All passages, best first."""
        scores = np.zeros(self._count)
        for term in set(_terms(question)):
            if term in self._weights:
                where, weights = self._weights[term]
                scores[where] += weights
        ranks: list[int] = np.argsort(-scores, kind="stable").tolist()
        return ranks


def _terms(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


if __name__ == "__main__":
    sys.exit(main())
