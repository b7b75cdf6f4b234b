"""Quality of ranking on SciFact: by words, by meaning, and both joined, with paired intervals.

    python benchmarks/rag_quality.py --train claims/ [--vectors corpus.npy] [--fit weights.json]

The data is in BEIR's layout under ``$LUTHIER_DATA/scifact``: 5,183 abstracts, each indexed whole
(title and text), and 300 test claims. ``--train`` names a folder with ``queries.jsonl`` and
``qrels/train.tsv`` of SciFact's training claims: BM25's k1 and b are chosen on them, and by the
corpus' own titles, and the weights of the adaptive fusion are fitted on them (``--fit`` keeps those
of k1 and b as they come). Test claims tune nothing, and a training claim whose text is that of a
test claim is left out. Without training claims the weights that ship are used.

Published for the same data: BM25 .679 (Anserini) and .686 (bm25s), MiniLM .645. A defeat: adaptive
fusion under .735, or not above the convex combination.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from luthier.core.records import Passage
from luthier.core.statistics import paired_bootstrap
from luthier.models.encode import Vectors, load_encoder
from luthier.rag.access import Slice
from luthier.rag.legs import Legs, LegsSpec
from luthier.rag.measuring.metrics import score
from luthier.rag.rank import Question as Ask, RankSpec, rank
from luthier.rag.ranking.adaptive import Asked, Judged, Weights, fit_weights, load_weights
from luthier.rag.ranking.facts import LegsFacts, asked_of, meaning_leg, words_leg
from luthier.rag.ranking.fusion import Floats, Fusion, Leg, fused
from luthier.rag.ranking.words import tune_words
from luthier.rag.stores.store import rows_of

DEPTH = 200
METRICS = ("ndcg@10", "recall@100", "mrr@10")


@dataclass(frozen=True)
class Question:
    """A claim with the abstracts it cites."""

    text: str
    relevant: dict[str, float]
    vector: Vectors


class Corpus:
    """The abstracts, searchable."""

    def __init__(self, folder: Path, vectors: Vectors) -> None:
        rows = _rows(folder / "corpus.jsonl")
        self.passages = [
            Passage(r["_id"], r["_id"], r["title"], r["text"], "corpus.jsonl", 0, len(r["text"]))
            for r in rows
        ]
        self.table = rows_of(self.passages, {p.id: "" for p in self.passages}, vectors)
        self.legs = Legs.of([self.table], LegsSpec())
        self.ids = np.array(self.legs.ids(range(self.legs.count)), np.str_)

    def asked(self, text: str) -> Asked:
        """What is known of a question's words."""
        return asked_of(self.legs, text)

    def words(self, text: str, setting: tuple[float, float] | None = None) -> Leg:
        """The search by words."""
        k1, b = setting or (None, None)
        leg = words_leg(self.legs, text, DEPTH, Slice(), k1=k1, b=b)
        return replace(leg, keys=self.ids[leg.keys])

    def meaning(self, vector: Vectors) -> Leg:
        """The search by meaning."""
        leg = meaning_leg(self.legs, vector, DEPTH, Slice())
        return replace(leg, keys=self.ids[leg.keys])

    def tfidf(self, text: str) -> list[str]:
        """The search by the cosine of TF-IDF."""
        found: list[str] = self.ids[
            self.legs.lexical(text, DEPTH, Slice(), weighting="tfidf").rows
        ].tolist()
        return found


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    data = os.environ.get("LUTHIER_DATA")
    parser.add_argument("--data", type=Path, default=Path(data) / "scifact" if data else None)
    parser.add_argument("--train", type=Path, help="folder of the training claims")
    parser.add_argument("--vectors", type=Path, help="vectors of the abstracts, read or written")
    parser.add_argument("--fit", type=Path, help="fit the weights on the training claims, and save")
    options = parser.parse_args()
    if options.data is None or not (options.data / "corpus.jsonl").is_file():
        print("SKIPPED, NOTHING WAS MEASURED: give --data or set LUTHIER_DATA", file=sys.stderr)
        return 0
    corpus = Corpus(options.data, _vectors(options.data, options.vectors))
    test = _questions(options.data, "test", set())
    texts = {one.text for one in test}
    train = _questions(options.train, "train", texts) if options.train else []
    counts = f"{len(train)} training claims, {len(test)} test claims"
    print(f"{len(corpus.passages)} abstracts, {counts}")
    for how, setting in _settings(corpus, train).items():
        weights = load_weights()
        if train:
            weights = fit_weights(
                _judged(corpus, train, setting), f"{len(train)} training claims of SciFact"
            )
            if options.fit and how == "as they come":
                weights.save(options.fit)
        print(f"\n=== k1 {setting[0]:g}, b {setting[1]:g} ({how})")
        print(
            f"weights: fixed {weights.fixed:.2f}, {weights.questions} questions, cross-validated "
            f"gain {weights.gain:+.4f} nDCG@10"
        )
        for name, questions in (("training", train), ("test", test)):
            if questions:
                _table(name, corpus, questions, setting, weights)
    _speed(corpus, test)
    return 0


def _settings(corpus: Corpus, train: Sequence[Question]) -> dict[str, tuple[float, float]]:
    """k1 and b by how they were chosen."""
    spec = corpus.legs.spec
    made = {"as they come": (spec.k1, spec.b)}
    by_title = tune_words([corpus.table], spec)
    print(f"k1, b by titles: {by_title.text}")
    made["by titles"] = (by_title.k1, by_title.b)
    if train:
        own = tune_words([corpus.table], spec, [(q.text, q.relevant) for q in train])
        print(f"k1, b by training claims: {own.text}")
        made["by training claims"] = (own.k1, own.b)
    first = {setting: how for how, setting in reversed(made.items())}
    return {how: setting for how, setting in made.items() if first[setting] == how}


def _table(
    name: str,
    corpus: Corpus,
    questions: Sequence[Question],
    setting: tuple[float, float],
    weights: Weights,
) -> None:
    near = [corpus.meaning(q.vector) for q in questions]
    by_words = [corpus.words(q.text, setting) for q in questions]
    asked = [corpus.asked(q.text) for q in questions]
    pairs = list(zip(by_words, near, strict=True))

    def joined(how: Fusion, shares: Sequence[float]) -> list[list[str]]:
        return [
            fused(legs, how, meaning_weight=w).keys.tolist()
            for legs, w in zip(pairs, shares, strict=True)
        ]

    half, own = [0.5] * len(pairs), [w.weight(p, a) for w, p, a in _with(weights, pairs, asked)]
    runs = {
        "BM25": [leg.keys.tolist() for leg in by_words],
        "TF-IDF": [corpus.tfidf(q.text) for q in questions],
        "MiniLM": [leg.keys.tolist() for leg in near],
        "both, reciprocal ranks": joined("reciprocal", half),
        "both, convex 0.5": joined("convex", half),
        f"both, calibrated {weights.fixed:.2f}": joined("calibrated", [weights.fixed] * len(pairs)),
        "both, calibrated and adaptive": joined("calibrated", own),
    }
    found = {run: score(r, [q.relevant for q in questions], METRICS) for run, r in runs.items()}
    against = found["both, convex 0.5"]["ndcg@10"]
    print(f"\n{name} claims ({len(questions)})")
    print(f"{'':34}  nDCG@10    R@100   MRR@10  nDCG@10 minus convex's [95 %]")
    for run, figures in found.items():
        gap = paired_bootstrap(figures["ndcg@10"] - against)
        means = "  ".join(f"{figures[metric].mean():7.4f}" for metric in METRICS)
        print(f"{run:34}  {means}  {gap.mean:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}]")
    print(f"{'oracle: each claim its best weight':34}  {_oracle(pairs, questions):7.4f}")
    print(f"adaptive weights: {min(own):.2f} to {max(own):.2f}", flush=True)


def _speed(corpus: Corpus, questions: Sequence[Question]) -> None:
    """Time of ranking itself, both searches done."""
    facts, spec, times = LegsFacts(corpus.legs), RankSpec(), []
    for one in questions:
        legs = [
            words_leg(corpus.legs, one.text, DEPTH, Slice()),
            meaning_leg(corpus.legs, one.vector, DEPTH, Slice()),
        ]
        asked = Ask(one.text, asked=corpus.asked(one.text))
        started = time.perf_counter()
        rank(legs, asked, 10, spec, facts)
        times.append((time.perf_counter() - started) * 1000)
    p50, p95 = np.percentile(times, [50, 95])
    print(f"\nrank(), 2 x {DEPTH} candidates to 10: p50 {p50:.2f} ms, p95 {p95:.2f} ms")


def _with(
    weights: Weights, pairs: Sequence[tuple[Leg, Leg]], asked: Sequence[Asked]
) -> list[tuple[Weights, tuple[Leg, Leg], Asked]]:
    return [(weights, legs, one) for legs, one in zip(pairs, asked, strict=True)]


def _oracle(pairs: Sequence[tuple[Leg, Leg]], questions: Sequence[Question]) -> float:
    best: list[Floats] = []
    for weight in np.linspace(0, 1, 21):
        runs = [fused(p, "calibrated", meaning_weight=float(weight)).keys[:10] for p in pairs]
        grades = [q.relevant for q in questions]
        best.append(score([r.tolist() for r in runs], grades, ["ndcg@10"])["ndcg@10"])
    return float(np.max(best, axis=0).mean())


def _judged(
    corpus: Corpus, train: Sequence[Question], setting: tuple[float, float]
) -> list[Judged]:
    """Claims about one abstract are one group."""
    owner: dict[str, str] = {}

    def root(one: str) -> str:
        while owner.setdefault(one, one) != one:
            one = owner[one]
        return one

    for question in train:
        first, *others = question.relevant
        for other in others:
            owner[root(other)] = root(first)
    return [
        Judged(
            (corpus.words(q.text, setting), corpus.meaning(q.vector)),
            corpus.asked(q.text),
            dict(q.relevant),
            root(next(iter(q.relevant))),
        )
        for q in train
    ]


def _questions(folder: Path, split: str, without: set[str]) -> list[Question]:
    relevant: dict[str, dict[str, float]] = {}
    for line in (folder / "qrels" / f"{split}.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        if int(grade) > 0:
            relevant.setdefault(query, {})[document] = float(grade)
    rows = [
        row
        for row in _rows(folder / "queries.jsonl")
        if row["_id"] in relevant and row["text"] not in without
    ]
    vectors = load_encoder("minilm", precision="float32").encode([row["text"] for row in rows])
    return [
        Question(row["text"], relevant[row["_id"]], vector)
        for row, vector in zip(rows, vectors, strict=True)
    ]


def _vectors(folder: Path, path: Path | None) -> Vectors:
    if path is not None and path.is_file():
        held: Vectors = np.load(path)
        return held
    rows = _rows(folder / "corpus.jsonl")
    encoder = load_encoder("minilm", precision="float32")
    made = encoder.encode([f"{row['title']}\n{row['text']}" for row in rows])
    if path is not None:
        np.save(path, made)
    return made


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


if __name__ == "__main__":
    sys.exit(main())
