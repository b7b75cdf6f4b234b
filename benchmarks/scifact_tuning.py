"""What tuning the encoder, and a reranker, gains on SciFact.

    LUTHIER_DATA=... .venv/bin/python benchmarks/scifact_tuning.py --train scifact_train/

``--train`` is a folder in BEIR's layout with *training* claims (``queries.jsonl`` and
``qrels/train.tsv``), over the same corpus. A sixth of them is held out and chooses the best step
and the weights of the fusion. The 300 test claims are measured once, at the end, and choose
nothing; training claims that are also test claims are left out. Half of the test claims' abstracts
have training claims, too, so the table has a column of those claims whose abstracts have none.

The encoder starts from MiniLM, with one hard negative for each claim, the reranker likewise with
four. Everything lies in ``--work`` and is not made twice. A tuned encoder that does not beat MiniLM
on the test claims would be a defeat.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from retrieval_scifact import ndcg, read_judgements

from luthier.core.progress import Terminal
from luthier.core.records import EVERYONE, Document, Example, Message, Passage
from luthier.models.cross_encoder import load_cross_encoder
from luthier.models.embed import embed_resumably
from luthier.models.encode import Vectors, load_encoder, minilm_folder
from luthier.rag.access import Slice
from luthier.rag.legs import Legs
from luthier.rag.ranking.facts import words_leg
from luthier.rag.stores.store import rows_of
from luthier.setup.plan import Plan
from luthier.tune.mining import hard_negatives, with_negatives
from luthier.tune.tune import TuneSpec, open_model, tune

DEPTH, RERANKED = 100, 20
ALL = Slice(frozenset([EVERYONE]))
WEIGHTS = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
TUNING: dict[str, dict[str, Any]] = {
    "encoder": {
        "objective": {"kind": "encoder", "hard_negatives": 1, "compared": 32, "blend": 0.5},
        "batch_rows": 32,
        "epochs": 2.0,
        "lr": 5e-5,
        "validation_every": 12,
    },
    "reranker": {
        "objective": {"kind": "reranker", "hard_negatives": 4},
        "batch_rows": 16,
        "epochs": 2.0,
        "lr": 5e-5,
        "validation_every": 12,
    },
}
Ranking = dict[int, float]
"""Scores of abstracts, by number."""


class Claims:
    """Claims with the abstracts that answer them.

    Args:
        texts: By id.
        judged: Ids of abstracts, by id of a claim.
    """

    def __init__(self, texts: Mapping[str, str], judged: Mapping[str, set[str]]) -> None:
        self.ids = [one for one in judged if one in texts]
        self.texts = [texts[one] for one in self.ids]
        self.judged = [judged[one] for one in self.ids]

    def part(self, numbers: Sequence[int]) -> Claims:
        """Some of them."""
        chosen = [self.ids[i] for i in numbers]
        texts = dict(zip(self.ids, self.texts, strict=True))
        judged = dict(zip(self.ids, self.judged, strict=True))
        return Claims(texts, {one: judged[one] for one in chosen})


class Corpus:
    """The abstracts, and BM25 over them."""

    def __init__(self, path: Path) -> None:
        rows = _rows(path)
        self.documents = [
            Document(r["_id"], r["title"], r["text"], f"c:{n}", "text", r["_id"])
            for n, r in enumerate(rows)
        ]
        self.number = {d.id: i for i, d in enumerate(self.documents)}
        self.texts = [f"{d.title}\n{d.text}" for d in self.documents]
        passages = [
            Passage(d.id, d.id, d.title, d.text, d.origin, 0, len(d.text)) for d in self.documents
        ]
        self.legs = Legs.of([rows_of(passages, {d.id: "" for d in self.documents})])

    def bm25(self, claim: str) -> Ranking:
        """The best abstracts by words."""
        hits = self.legs.lexical(claim, DEPTH, ALL)
        found = zip(self.legs.ids(hits.rows), hits.scores, strict=True)
        return {self.number[one]: float(score) for one, score in found}

    def bm25_shares(self, claim: str) -> Ranking:
        """Scores of all abstracts with any of the words, as shares of the most there could be."""
        leg = words_leg(self.legs, claim, self.legs.count, ALL)
        found = zip(self.legs.ids(leg.keys), leg.scores, strict=True)
        return {self.number[one]: float(score) / leg.bound for one, score in found}


def main() -> int:
    """Tune, then measure; a second call only measures."""
    data = Path(os.environ["LUTHIER_DATA"]) if "LUTHIER_DATA" in os.environ else Path()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=data / "scifact")
    parser.add_argument("--train", type=Path, default=data / "scifact_train")
    parser.add_argument("--work", type=Path, default=Path("scifact-tuning"))
    parser.add_argument("--vectors", type=Path, help="MiniLM's vectors of the corpus, .npy")
    parser.add_argument("--only", choices=list(TUNING), nargs="*", help="tune these; default both")
    options = parser.parse_args()
    for needed in (options.data / "corpus.jsonl", options.train / "qrels" / "train.tsv"):
        if not needed.is_file():
            print(f"SKIPPED, NOTHING WAS MEASURED: no {needed}", file=sys.stderr)
            return 0
    options.work.mkdir(parents=True, exist_ok=True)
    corpus = Corpus(options.data / "corpus.jsonl")
    test = _claims(options.data, "test")
    learned, held = _divided(_claims(options.train, "train"), set(test.texts))
    print(f"{len(learned.ids)} claims to learn, {len(held.ids)} held out, {len(test.ids)} to test")
    plain = options.vectors and np.load(options.vectors)
    if plain is None:
        plain = _embedded("minilm", corpus.texts, options.work)
    for name in options.only or TUNING:
        _tune(name, corpus, plain, learned, held, options.work)
    seen = {one for judged in learned.judged for one in judged}
    _measure(corpus, plain, held, test, seen, options.work)
    return 0


def _tune(
    name: str, corpus: Corpus, vectors: Vectors, learned: Claims, held: Claims, work: Path
) -> None:
    """Tune from MiniLM; what is there already stays."""
    target = work / name
    if (target / "model" / "config.json").is_file():
        return
    spec = TuneSpec.model_validate_json(json.dumps({**TUNING[name], "max_length": 256, "seed": 1}))
    count = TUNING[name]["objective"]["hard_negatives"]
    sides = [_examples(c, corpus, vectors, count) for c in (learned, held)]
    plan = Plan("cpu", "bfloat16", 1, 4096, 0, 0, 1 << 34, "here")
    target.mkdir(parents=True, exist_ok=True)
    model = open_model(minilm_folder(), spec, plan, sides[0])
    started = time.process_time()
    told = tune(model, *sides, corpus.documents, spec, plan, target, Terminal())
    told["cpu_seconds"] = round(time.process_time() - started, 1)
    (target / "told.json").write_text(json.dumps(told, indent=1))


def _examples(claims: Claims, corpus: Corpus, vectors: Vectors, count: int) -> list[Example]:
    """A row for each claim and abstract, with hard negatives by words and by vectors."""
    rows, asked, positives = [], [], []
    for one, text, judged in zip(claims.ids, claims.texts, claims.judged, strict=True):
        for document in sorted(judged):
            turns = (Message("user", text), Message("assistant", "-"))
            rows.append(Example(one, turns, one, document, "claim", document_id=document))
            asked.append(text)
            positives.append([corpus.number[d] for d in judged])
    found = hard_negatives(
        load_encoder("minilm").encode(asked),
        vectors,
        positives,
        count=count,
        lexical=[list(corpus.bm25(text)) for text in asked],
    )
    return with_negatives(rows, corpus.texts, found)


def _measure(
    corpus: Corpus, plain: Vectors, held: Claims, test: Claims, seen: set[str], work: Path
) -> None:
    """Print the table; the held-out claims choose the weights."""
    tuned = _embedded(str(work / "encoder" / "model"), corpus.texts, work)
    fresh = [i for i, judged in enumerate(test.judged) if not judged & seen]
    print(f"{'nDCG@10':38} held out      test  {len(fresh)} of new abstracts")

    def line(name: str, rankings: Mapping[Claims, list[Ranking]]) -> None:
        figures = [*_ndcgs(corpus, held, rankings[held]).mean(keepdims=True)]
        each = _ndcgs(corpus, test, rankings[test])
        figures += [each.mean(), each[fresh].mean()]
        print(f"{name:38} {'  '.join(f'{figure:8.4f}' for figure in figures)}", flush=True)

    words = {side: [corpus.bm25(t) for t in side.texts] for side in (held, test)}
    line("BM25", words)
    for name, folder, vectors in (
        ("MiniLM", "minilm", plain),
        ("MiniLM tuned", str(work / "encoder" / "model"), tuned),
    ):
        encoder = load_encoder(folder)
        near = {s: [_near(v, vectors) for v in encoder.encode(s.texts)] for s in (held, test)}
        line(f"{name}, dense", near)
        both, weight = _fused(corpus, words, near, held)
        line(f"{name}, hybrid ({weight:.1f} dense)", both)
    if not (work / "reranker" / "model" / "config.json").is_file():
        return
    model = load_cross_encoder(work / "reranker" / "model", max_tokens=256)
    again = {
        s: [_reranked(model, t, r, corpus) for t, r in zip(s.texts, both[s], strict=True)]
        for s in both
    }
    last, weight = _fused(corpus, both, again, held)
    line(f"{name}, reranked ({weight:.1f} reranker)", last)


def _near(vector: Vectors, vectors: Vectors) -> Ranking:
    similar = vectors @ vector
    return {int(i): float(similar[i]) for i in np.argsort(-similar)[:DEPTH]}


def _reranked(model: Any, claim: str, ranking: Ranking, corpus: Corpus) -> Ranking:
    best = sorted(ranking, key=lambda i: -ranking[i])[:RERANKED]
    scores = model.score(claim, [corpus.texts[i] for i in best])
    return dict(zip(best, scores.tolist(), strict=True))


def _fused(
    corpus: Corpus, one: Mapping[Claims, list[Ranking]], other: Any, held: Claims
) -> tuple[dict[Claims, list[Ranking]], float]:
    """A convex sum of scores spread from 0 to 1, with the weight best for the held-out claims."""

    def joined(side: Claims, weight: float) -> list[Ranking]:
        pairs = zip(one[side], other[side], strict=True)
        return [_sum(_spread(a), _spread(b), weight) for a, b in pairs]

    weight = max(WEIGHTS, key=lambda w: float(_ndcgs(corpus, held, joined(held, w)).mean()))
    return {side: joined(side, weight) for side in one}, weight


def _spread(ranking: Ranking) -> Ranking:
    low, high = min(ranking.values(), default=0.0), max(ranking.values(), default=0.0)
    return {i: (s - low) / max(high - low, 1e-9) for i, s in ranking.items()}


def _sum(one: Ranking, other: Ranking, weight: float) -> Ranking:
    return {
        i: (1 - weight) * one.get(i, 0.0) + weight * other.get(i, 0.0) for i in {**one, **other}
    }


def _ndcgs(corpus: Corpus, claims: Claims, rankings: Sequence[Ranking]) -> Vectors:
    """nDCG@10 of each claim."""
    found = []
    for ranking, judged in zip(rankings, claims.judged, strict=True):
        order = sorted(ranking, key=lambda i: -ranking[i])
        found.append(ndcg([corpus.documents[i].id for i in order], judged, 10))
    return np.array(found, dtype=np.float32)


def _embedded(name: str, texts: Sequence[str], work: Path) -> Vectors:
    encoder = load_encoder(name)
    print(f"embedding the corpus by {encoder.told}", flush=True)
    return embed_resumably(texts, encoder, work / "vectors")


def _divided(claims: Claims, test: set[str]) -> tuple[Claims, Claims]:
    """Claims to learn, and a sixth held out.

    Claims on one abstract may fall on both sides, as they do between SciFact's own training and
    test claims.
    """
    usable = [i for i, text in enumerate(claims.texts) if text not in test]
    side = {True: [], False: []}  # type: ignore[var-annotated]
    for i in usable:
        drawn = hashlib.sha256(claims.texts[i].encode()).digest()[0]
        side[drawn < 256 // 6].append(i)
    return claims.part(side[False]), claims.part(side[True])


def _claims(folder: Path, side: str) -> Claims:
    texts = {row["_id"]: row["text"] for row in _rows(folder / "queries.jsonl")}
    return Claims(texts, read_judgements(folder / "qrels" / f"{side}.tsv"))


def _rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    sys.exit(main())
