"""What a tuned encoder gains on passages that no training row names, and what blending does.

    LUTHIER_DATA=... .venv/bin/python benchmarks/encoder_blend.py --train scifact_train/

``--train`` is a folder in BEIR's layout with SciFact's *training* claims; it must be fetched, since
most copies of the data hold the test claims alone. The claims are parted in halves by abstract: one
half tunes MiniLM, the other judges, so that no abstract that answers a judging claim was seen with
its claim. Beside the claims 400 pairs made of other abstracts are learned: a title with its text,
or a sentence with the rest. Test claims are not read but to leave out training claims that stand
among them.

Each judging claim ranks the same passages: the best 20 of the hybrid search before tuning, and the
best 12 by meaning. A defeat: the blended encoder under MiniLM.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from retrieval_scifact import ndcg
from scifact_tuning import Claims, Corpus, _claims, _embedded, _examples

from luthier.core.progress import Terminal
from luthier.core.records import Example, Message
from luthier.core.statistics import paired_bootstrap
from luthier.models.encode import Vectors, load_encoder, minilm_folder
from luthier.rag.reading.sentences import sentences
from luthier.setup.plan import Plan
from luthier.tune.tune import TuneSpec, open_model, tune

MADE, SHARES = 400, (1.0, 0.5)
TUNING: dict[str, Any] = {
    "objective": {"kind": "encoder", "hard_negatives": 1, "compared": 32},
    "batch_rows": 32,
    "epochs": 2.0,
    "lr": 4e-5,
    "max_length": 256,
    "seed": 1,
    "load_best_model_at_end": False,
}


def main() -> int:
    """Tune, blend, measure; what lies in ``--work`` is not made again."""
    data = Path(os.environ["LUTHIER_DATA"]) if "LUTHIER_DATA" in os.environ else Path()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=data / "scifact")
    parser.add_argument("--train", type=Path, default=data / "scifact_train")
    parser.add_argument("--work", type=Path, default=Path("encoder-blend"))
    parser.add_argument("--vectors", type=Path, help="MiniLM's vectors of the corpus, .npy")
    options = parser.parse_args()
    for needed in (options.data / "corpus.jsonl", options.train / "qrels" / "train.tsv"):
        if not needed.is_file():
            print(f"SKIPPED, NOTHING WAS MEASURED: no {needed}", file=sys.stderr)
            return 0
    options.work.mkdir(parents=True, exist_ok=True)
    corpus = Corpus(options.data / "corpus.jsonl")
    plain = options.vectors and np.load(options.vectors)
    if plain is None:
        plain = _embedded("minilm", corpus.texts, options.work)
    learned, judging, groups = _halves(options.data, options.train)
    print(f"{len(learned.ids)} claims to learn, {len(judging.ids)} on other abstracts to judge")
    _tune(corpus, plain, learned, options.work)
    _measure(corpus, plain, judging, groups, options.work)
    return 0


def _halves(data: Path, train: Path) -> tuple[Claims, Claims, list[str]]:
    """Claims to learn and to judge, parted by abstracts that claims share; groups of the latter."""
    every, test = _claims(train, "train"), set(_claims(data, "test").texts)
    every = every.part([i for i, text in enumerate(every.texts) if text not in test])
    owner: dict[str, str] = {}

    def root(one: str) -> str:
        while owner.setdefault(one, one) != one:
            one = owner[one]
        return one

    for judged in every.judged:
        first, *others = sorted(judged)
        for other in others:
            owner[root(other)] = root(first)
    groups = [root(sorted(judged)[0]) for judged in every.judged]
    side = [hashlib.sha256(group.encode()).digest()[0] % 2 for group in groups]
    halves = [[i for i, own in enumerate(side) if own == half] for half in (0, 1)]
    return every.part(halves[0]), every.part(halves[1]), [groups[i] for i in halves[1]]


def _tune(corpus: Corpus, vectors: Vectors, learned: Claims, work: Path) -> None:
    """MiniLM tuned with each share of the tuned weights; the same steps each time."""
    cited = {document for judged in learned.judged for document in judged}
    rows = None
    for share in SHARES:
        target = work / f"share-{share:g}"
        if (target / "model" / "config.json").is_file():
            continue
        rows = rows or [*_examples(learned, corpus, vectors, 1), *_made(corpus, vectors, cited)]
        told = json.loads(json.dumps(TUNING))
        told["objective"]["blend"] = share
        spec = TuneSpec.model_validate_json(json.dumps(told))
        plan = Plan("cpu", "bfloat16", 1, 4096, 0, 0, 1 << 34, "here")
        target.mkdir(parents=True, exist_ok=True)
        model = open_model(minilm_folder(), spec, plan, rows)
        tune(model, rows, rows[:16], corpus.documents, spec, plan, target, Terminal())


def _made(corpus: Corpus, vectors: Vectors, cited: set[str]) -> list[Example]:
    """Pairs made of abstracts that no claim to learn cites; a near abstract is the negative."""
    others = [i for i, one in enumerate(corpus.documents) if one.id not in cited]
    rng, rows = np.random.default_rng(1), []
    for n, i in enumerate(rng.permutation(others)[:MADE].tolist()):
        one = corpus.documents[i]
        parts = [one.text[start:end] for start, end in sentences(one.text)]
        if n % 3 == 0 or len(parts) < 3:
            asked, answer = one.title, one.text
        else:
            k = len(parts) - 1 if n % 3 == 1 else int(rng.integers(len(parts)))
            asked, answer = parts[k], "\n".join([one.title, " ".join(parts[:k] + parts[k + 1 :])])
        near = corpus.texts[int(rng.choice(np.argsort(-(vectors @ vectors[i]))[1:6]))]
        turns = (Message("user", asked), Message("assistant", answer))
        wrong = (Message("assistant", near),)
        rows.append(Example(f"m{i}", turns, f"m{i}", one.id, "made", rejected=wrong))
    return rows


def _measure(
    corpus: Corpus, plain: Vectors, judging: Claims, groups: Sequence[str], work: Path
) -> None:
    words = np.zeros((len(judging.ids), len(corpus.documents)))
    for place, text in enumerate(judging.texts):
        found = corpus.bm25_shares(text)
        words[place, list(found)] = list(found.values())
    near = load_encoder("minilm").encode(judging.texts) @ plain.T
    both = 0.5 * words + 0.5 * near
    pool = [
        np.union1d(np.argsort(-b, kind="stable")[:20], np.argsort(-n, kind="stable")[:12])
        for b, n in zip(both, near, strict=True)
    ]
    read = sorted({int(i) for own in pool for i in own})
    place = {number: n for n, number in enumerate(read)}

    def line(name: str, dense: list[Vectors], before: dict[str, Vectors]) -> dict[str, Vectors]:
        made = {
            "meaning": _ndcgs(corpus, judging, pool, dense),
            "both": _ndcgs(corpus, judging, pool, [
                0.5 * words[i, own] + 0.5 * dense[i] for i, own in enumerate(pool)
            ]),
        }  # fmt: skip
        text = f"{name:24}"
        for key, values in made.items():
            gain = paired_bootstrap(values - before.get(key, values), groups=groups)
            text += (
                f"  {key} {values.mean():.4f} {gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]"
            )
        print(text, flush=True)
        return made

    base = line("MiniLM", [near[i, own] for i, own in enumerate(pool)], {})
    for share in SHARES:
        cached = work / f"share-{share:g}.npz"
        if not cached.is_file():
            encoder = load_encoder(str(work / f"share-{share:g}" / "model"))
            passages = encoder.encode([corpus.texts[i] for i in read])
            np.savez(cached, passages=passages, asked=encoder.encode(judging.texts))
        held = np.load(cached)
        dense = [
            held["passages"][[place[int(i)] for i in own]] @ held["asked"][n]
            for n, own in enumerate(pool)
        ]
        line(f"tuned, share {share:g}", dense, base)


def _ndcgs(corpus: Corpus, claims: Claims, pool: Sequence[Any], scores: Sequence[Any]) -> Vectors:
    found = []
    for own, told, judged in zip(pool, scores, claims.judged, strict=True):
        order = own[np.argsort(-told, kind="stable")]
        found.append(ndcg([corpus.documents[i].id for i in order[:10]], judged, 10))
    return np.array(found)


if __name__ == "__main__":
    sys.exit(main())
