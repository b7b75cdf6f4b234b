"""The search over retrieval on SciFact's training claims, and what locked ones say of it.

    python benchmarks/rag_tune.py --data DATA --claims CLAIMS --vectors scifact.npy

Claims are parted by document: seven tenths choose, three tenths are locked and asked once at the
end; the test claims are not read. Searched are BM25's k1, b and stemmer, the share of meaning, the
depth, and steps of the query. Vectors of claims are made beforehand, so latencies are without the
encoder, and are CPU time, since others share the machine. nDCG@10. A gain that locked claims do not
confirm is a defeat.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from query import PART, Asked, claims_of, scaled, vectors_of

from luthier.core.progress import Terminal
from luthier.core.records import Passage
from luthier.core.space import Dimension
from luthier.models.encode import Vectors, load_encoder
from luthier.rag.legs import Legs, LegsSpec
from luthier.rag.measuring.measured import Bench, Measured, Settings
from luthier.rag.measuring.table import locked_lines, tuned_lines
from luthier.rag.queries.feedback import FeedbackSpec
from luthier.rag.queries.spelling import Speller, SpellingSpec, whole_words
from luthier.rag.query import QuerySpec, Tools, process
from luthier.rag.stores.store import rows_of
from luthier.rag.tuning import Switch, TuningSpec, report, tune

SPACE = {
    "stemmer": Dimension(choices=("english", "none")),
    "k1": Dimension(low=0.4, high=3.0),
    "b": Dimension(low=0.2, high=1.0),
    "dense_weight": Dimension(low=0.0, high=1.0),
    "depth": Dimension(low=20, high=400, log=True, integer=True),
    "spelling": Dimension(choices=(False, True)),
    "feedback": Dimension(choices=(False, True)),
    "beta": Dimension(low=0.02, high=0.5, log=True),
}
BASE: Settings = {
    "stemmer": "english",
    "k1": 1.5,
    "b": 0.75,
    "dense_weight": 0.5,
    "depth": 200,
    "spelling": False,
    "feedback": False,
    "beta": 0.1,
}
STEPS = {
    "search by meaning": Switch({"dense_weight": 0.0}),
    "search by words": Switch({"dense_weight": 1.0}),
    "k1 and b": Switch({"k1": 1.5, "b": 0.75}),
    "stemming": Switch({"stemmer": "none"}, {"stemmer": "english"}),
    "spelling": Switch({"spelling": False}, {"spelling": True}),
    "feedback": Switch({"feedback": False}, {"feedback": True}),
}


class Search:
    """Measures settings on claims; an index for each stemmer stays in memory."""

    def __init__(
        self, passages: Sequence[Passage], vectors: Vectors, known: frozenset[str]
    ) -> None:
        digests = {p.document_id: p.document_id for p in passages}
        self.rows = rows_of(passages, digests, vectors)
        self.known = known
        self.ready: dict[str, tuple[Legs, Speller]] = {}

    def index(self, stemmer: str) -> tuple[Legs, Speller]:
        """Made once."""
        if stemmer not in self.ready:
            legs = Legs.of([self.rows], LegsSpec.model_validate({"stemmer": stemmer}))
            self.ready[stemmer] = legs, Speller(legs.vocabulary(PART))
        return self.ready[stemmer]

    def measure(self, settings: Settings, claims: Sequence[Asked], vectors: Vectors) -> Measured:
        """nDCG@10 and milliseconds of each claim."""
        legs, speller = self.index(str(settings["stemmer"]))
        words, now = legs.vocabulary(PART), {"at": 0}
        tools = Tools(
            encode=lambda texts: vectors[[now["at"]] * len(texts)],
            nearest=lambda vector, n: legs.vectors(legs.dense(vector, n, PART).rows),
            speller=speller,
            frequency=lambda word: words.get(word) or len(legs.lexical(word, 1, PART)),
            known=self.known.__contains__,
        )
        spec = QuerySpec(
            spelling=SpellingSpec() if settings["spelling"] else None,
            feedback=FeedbackSpec(beta=float(settings["beta"])) if settings["feedback"] else None,
        )
        values, times = [], []
        for at, claim in enumerate(claims):
            now["at"] = at
            started = time.process_time()
            (ask,) = process(str(claim.question), spec, tools).asks
            vector = vectors[at] if ask.vector is None else ask.vector
            best = _fused(legs, ask.text, vector, settings)
            times.append((time.process_time() - started) * 1000)
            values.append(_ndcg(legs.ids(best), claim.relevant))
        return Measured(tuple(values), tuple(times))


def main() -> int:
    """Search, and print both tables."""
    default = Path(os.environ["LUTHIER_DATA"]) if "LUTHIER_DATA" in os.environ else None
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=default, help="default: $LUTHIER_DATA")
    parser.add_argument("--claims", type=Path, help="SciFact's training claims")
    parser.add_argument("--vectors", type=Path, help="kept vectors of SciFact, made if missing")
    parser.add_argument("--folder", type=Path, help="keeps the search, which then goes on")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--limit-ms", type=float, default=5.0)
    options = parser.parse_args()
    if options.data is None or options.claims is None:
        print("SKIPPED, NOTHING WAS MEASURED: give --data and --claims", file=sys.stderr)
        return 0
    encoder = load_encoder("minilm", precision="float32")
    passages, claims = claims_of(options.data / "scifact", options.claims)
    search = Search(
        passages,
        vectors_of(passages, options.vectors, encoder),
        whole_words(encoder.folder / "tokenizer.json"),
    )
    asked = encoder.encode([str(claim.question) for claim in claims])
    documents = sorted({min(claim.relevant) for claim in claims})
    order = np.random.default_rng(0).permutation(len(documents))
    last = {documents[i] for i in order[: round(0.3 * len(documents))]}
    spec = TuningSpec(space=SPACE, trials=options.trials, latency_limit_ms=options.limit_ms)
    with tempfile.TemporaryDirectory() as temporary:
        benches = {}
        for name, locked in (("validation", False), ("locked", True)):
            rows = [i for i, claim in enumerate(claims) if (min(claim.relevant) in last) == locked]
            own, vectors = [claims[i] for i in rows], asked[rows]
            benches[name] = Bench(
                lambda settings, _, own=own, vectors=vectors: search.measure(
                    settings, own, vectors
                ),
                options.folder or Path(temporary),
                documents="SciFact",
                questions=f"{name} {len(own)}",
                groups=[min(claim.relevant) for claim in own],
            )
        started = time.monotonic()
        tuned = tune(spec, BASE, benches["validation"], Terminal(), STEPS)
        print("\n".join(tuned_lines(tuned)))
        print(f"{time.monotonic() - started:.0f} s\n")
        print("\n".join(locked_lines(spec.metric, report(tuned, spec, benches["locked"]))))
    return 0


def _fused(legs: Legs, text: str, vector: Vectors, settings: Settings) -> list[int]:
    depth, share = int(settings["depth"]), float(settings["dense_weight"])
    words: Mapping[int, float] = {}
    meaning: Mapping[int, float] = {}
    if share < 1:
        k1, b = float(settings["k1"]), float(settings["b"])
        words = scaled(legs.lexical(text, depth, PART, k1=k1, b=b))
    if share > 0:
        meaning = scaled(legs.dense(vector, depth, PART))
    both = {
        row: (1 - share) * words.get(row, 0.0) + share * meaning.get(row, 0.0)
        for row in {*words, *meaning}
    }
    return sorted(both, key=lambda row: (-both[row], row))[:10]


def _ndcg(ids: Sequence[str], relevant: frozenset[str]) -> float:
    hits = [1 / math.log2(i + 2) for i, one in enumerate(ids) if one[:-2] in relevant]
    return sum(hits) / sum(1 / math.log2(i + 2) for i in range(min(10, len(relevant))))


if __name__ == "__main__":
    sys.exit(main())
