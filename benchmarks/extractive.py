"""Answers without a language model, and when to give none.

    python benchmarks/extractive.py [--encoder | --fit]

XQuAD-en's 240 paragraphs and 1,190 questions. First the answers: how often the sentence taken out
holds the reference answer, and the token F1 and exact match (SQuAD's) of the words taken out; from
the paragraph that holds the answer, and from the passages retrieval finds among all 240. Then
abstention: the paragraph of a question is taken away from what was found, so that its answer is not
there although much like it is; how many such questions are answered all the same, and how many of
the others. One half of the paragraphs is for development (the rules were written with it in view,
and the threshold is calibrated on it), the other half is reported.

A defeat would be a sentence that holds the answer less often than the first sentence of a paragraph
would, or false answers above the target.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from _xquad import Question, documents, read

from luthier.core.progress import Terminal
from luthier.core.records import Passage
from luthier.evaluate.metrics import exact_match, token_f1
from luthier.rag.abstain import calibrate
from luthier.rag.calibration import cases
from luthier.rag.chunkers.tokens import TokenChunks
from luthier.rag.extract import ExtractSpec, extract, similarity
from luthier.rag.index import build, open_index
from luthier.rag.reading.asked import kind_of
from luthier.rag.reading.sentences import sentences
from luthier.rag.reading.spans import Similarity, find, weights
from luthier.rag.reading.stretches import NAMES, candidates
from luthier.rag.spec import RagSpec

DEPTH = 3
TARGETS = (0.05, 0.1, 0.2)
STEPS, RATE, RIDGE = 400, 1.0, 0.003


def main() -> int:
    """Measure answers, then abstention."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="default: $LUTHIER_DATA/xquad_en")
    parser.add_argument("--encoder", action="store_true", help="with MiniLM's cosines too")
    parser.add_argument("--fit", action="store_true", help="fit the weights of words, and stop")
    options = parser.parse_args()
    questions = read(options.data)
    if not questions:
        return 0
    if options.fit:
        fit([q for q in questions if q.paragraph % 2 == 0])
        return 0
    similar = None
    if options.encoder:
        from luthier.models.encode import load_encoder

        similar = similarity(load_encoder("minilm"))
    found = retrieved(questions)
    tested = [i for i, q in enumerate(questions) if q.paragraph % 2 == 1]
    answers(questions, found, tested, similar)
    abstention(questions, found, similar)
    return 0


def retrieved(questions: list[Question]) -> list[list[Passage]]:
    """What hybrid retrieval finds for each question among all paragraphs, best first."""
    spec = RagSpec(chunker=TokenChunks(chunk_size=256))
    with tempfile.TemporaryDirectory() as folder:
        build(spec, documents(questions), Path(folder), Terminal())
        index = open_index(Path(folder), spec)
        return index.search_many([q.text for q in questions], k=DEPTH + 4)


def answers(
    questions: Sequence[Question],
    found: Sequence[list[Passage]],
    tested: Sequence[int],
    similar: Similarity | None,
) -> None:
    """Print how good what is taken out is."""
    there = [any(p.document_id == questions[i].passage.document_id for p in found[i][:DEPTH])
             for i in tested]  # fmt: skip
    first = [questions[i] for i in tested]
    opening = [q.passage.text[slice(*sentences(q.passage.text)[0])] for q in first]
    held = [any(a in o for a in q.answers) for q, o in zip(first, opening, strict=True)]
    print(
        f"{len(tested)} questions of the other half; found among the first {DEPTH}: {mean(there)}"
    )
    print(f"a paragraph's first sentence holds the answer: {mean(held)}")
    print(f"{'':34} {'holds it':>9} {'F1':>6} {'EM':>6} {'no answer':>10} {'ms':>6}")
    kinds: tuple[Literal["sentence", "words"], ...] = ("sentence", "words")
    for name, cosines in (("", None), (", MiniLM", similar)):
        if name and cosines is None:
            continue
        for what in kinds:
            for where in ("paragraph", "retrieved"):
                row(questions, found, tested, what, where, cosines, f"{what}, {where}{name}")
    by_kind: dict[str, list[float]] = defaultdict(list)
    for i in tested:
        by_kind[kind_of(questions[i].text)].append(_f1(questions[i], [questions[i].passage]))
    told = [f"{k} {sum(v) / len(v):.2f} ({len(v)})" for k, v in sorted(by_kind.items())]
    print(f"F1 of the words by what is asked for: {', '.join(told)}")


def row(
    questions: Sequence[Question],
    found: Sequence[list[Passage]],
    tested: Sequence[int],
    what: Literal["sentence", "words"],
    where: str,
    similar: Similarity | None,
    name: str,
) -> None:
    """Print one line of the table."""
    spec = ExtractSpec(answer=what)
    holds, f1, em, none = [], [], [], []
    started = time.perf_counter()
    for i in tested:
        one = questions[i]
        pieces = extract(
            one.text, [one.passage] if where == "paragraph" else found[i][:DEPTH], spec, similar
        )
        said = pieces[0].text if pieces else ""
        holds.append(any(a in said for a in one.answers))
        f1.append(max(token_f1(said, a) for a in one.answers))
        em.append(any(exact_match(said, a) for a in one.answers))
        none.append(not pieces)
    ms = (time.perf_counter() - started) / len(tested) * 1000
    print(f"{name:34} {mean(holds):>9} {mean(f1):>6} {mean(em):>6} {mean(none):>10} {ms:6.2f}")


def abstention(
    questions: Sequence[Question], found: Sequence[list[Passage]], similar: Similarity | None
) -> None:
    """Print how often answers are given where there is one and where there is none."""
    rows = [(one.sought, passages) for one, passages in zip(questions, found, strict=True)]
    pairs = list(zip(rows, questions, strict=True))
    made = [
        cases([r for r, q in pairs if q.paragraph % 2 == half], DEPTH, similar) for half in (0, 1)
    ]
    print("abstention: calibrated on one half, figures of the other")
    for target in TARGETS:
        made_of = calibrate(made[0], target, "hybrid")
        given = {
            kind: mean([made_of.answers(c.signs) for c in made[1] if c.answerable is kind])
            for kind in (True, False)
        }
        names = ("best", "gap", "covered", "sentence", "kind", "meaning")
        weights = ", ".join(f"{n} {w:.2f}" for n, w in zip(names, made_of.weights, strict=True))
        print(
            f"  target {target:.2f}: false answers {given[False]} of "
            f"{sum(not c.answerable for c in made[1])}, answered {given[True]} of "
            f"{sum(c.answerable for c in made[1])}; weights: {weights}"
        )


def fit(questions: Sequence[Question]) -> None:
    """Print weights for `luthier.rag.reading.stretches`: ascent on the expected F1 of a softmax."""
    rows, gains = [], []
    for one in questions:
        weight = weights(one.text, [one.passage])
        made = list(candidates(one.text, find(one.text, [one.passage]), weight))
        if made:
            rows.append(np.array([c.signs for c in made]))
            gains.append(np.array([max(token_f1(c.text, a) for a in one.answers) for c in made]))
    every = np.vstack(rows)
    spread = np.where(every.std(0) > 0, every.std(0), 1.0)
    rows = [(r - every.mean(0)) / spread for r in rows]
    chosen = np.zeros(len(NAMES))
    for _ in range(STEPS):
        slope = -RIDGE * chosen
        for signs, gain in zip(rows, gains, strict=True):
            p = np.exp(signs @ chosen - (signs @ chosen).max())
            p /= p.sum()
            slope += signs.T @ (p * (gain - p @ gain)) / len(rows)
        chosen += RATE * slope
    told = [g[int(np.argmax(r @ chosen))] for r, g in zip(rows, gains, strict=True)]
    print(f"F1 on the fitted half: {mean(told)}, at best {mean([g.max() for g in gains])}")
    for name, value in zip(NAMES, chosen / spread, strict=True):
        print(f'    "{name}": {value:.2f},')


def mean(values: Iterable[float]) -> str:
    """Of some values, as text."""
    told = list(values)
    return f"{sum(told) / max(1, len(told)):.3f}"


def _f1(one: Question, passages: Sequence[Passage]) -> float:
    pieces = extract(one.text, passages, ExtractSpec(answer="words"))
    return max(token_f1(pieces[0].text if pieces else "", a) for a in one.answers)


if __name__ == "__main__":
    sys.exit(main())
