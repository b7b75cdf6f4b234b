"""Retrieval and answers on the whole of XQuAD-en: 240 paragraphs, 1,190 questions.

    python benchmarks/xquad_rag.py [--folder KEPT] [--rag 60]

The paragraphs are indexed with MiniLM. First the searches: words, meaning, both, and both with
settings that are off by default, each paired with both. Then the answers: taken out as sentences
and as words, and by the starter model on some of the questions. "Not in the documents" is
calibrated on the questions of one half of the paragraphs and measured on the other, both ways
round, so that every question is asked with a calibration that has not seen it. Passages,
thresholds and settings are Luthier's defaults, except that paragraphs stay whole (chunks of 256
tokens).

The route ``rag`` asks a model of 7 million parameters that reads little: its row shows that the
measures work, not what a model can do. A defeat would be a hybrid search below either of its parts,
or false answers above the target.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from _xquad import documents, read

from luthier.core.progress import Progress, Quiet, Terminal
from luthier.evaluate.documents import METRICS, Answers, measure_answers
from luthier.models.generate import Generate
from luthier.rag.abstain import AbstainSpec
from luthier.rag.calibration import calibrate_index
from luthier.rag.chunkers.tokens import TokenChunks
from luthier.rag.extract import ExtractSpec
from luthier.rag.index import INDEX_FILE, build, open_index
from luthier.rag.measure import ALL, Measurement, Sought, compare, figure_text, measure
from luthier.rag.measuring import settings
from luthier.rag.routes import extractive, open_rag
from luthier.rag.spec import RagSpec

BASE = RagSpec(chunker=TokenChunks(chunk_size=256), abstain=AbstainSpec(policy="refuse"))
SEARCHES = {
    "hybrid": {},
    "bm25": {"retriever": "bm25"},
    "dense": {"retriever": "dense"},
    "hybrid, feedback, titles": {"query.feedback": True, "ranking.title_weight": 0.3},
}
FOUND = ("ndcg@10", "recall@1", "recall@3", "recall@10", "mrr")


def main() -> int:
    """Build, search, answer; print a table of each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="default: $LUTHIER_DATA/xquad_en")
    parser.add_argument("--folder", type=Path, help="where the index is kept, and found again")
    parser.add_argument("--rag", type=int, default=60, help="questions for the starter model")
    options = parser.parse_args()
    asked = read(options.data)
    if not asked:
        return 0
    shelf, questions = documents(asked), [one.sought for one in asked]
    halves = tuple(tuple(q.sought for q in asked if q.paragraph % 2 == h) for h in (0, 1))
    with tempfile.TemporaryDirectory() as scratch:
        folder, progress = options.folder or Path(scratch), Terminal()
        if not (folder / INDEX_FILE).is_file():
            began = time.process_time()
            build(BASE, shelf, folder, Quiet())
            took = time.process_time() - began
            print(f"{len(shelf)} paragraphs indexed in {took:.1f} s of processor time", flush=True)
        access = {one.id: one.access for one in shelf}
        searches(folder, questions, access)
        answers(folder, halves, access, progress)
        if options.rag:
            drawn = random.Random(0).sample(halves[1], options.rag)
            calibrate_index(folder, BASE, halves[0], seed=0)
            told = measure_answers(
                "rag", open_rag(starter(), folder, BASE), drawn, access, progress
            )
            table({f"rag, starter ({len(drawn)} questions)": told.measured}, METRICS)
    return 0


def searches(
    folder: Path, questions: Sequence[Sought], access: Mapping[str, Sequence[str]]
) -> None:
    """Measure and compare what is found."""
    made = {}
    for name, changes in SEARCHES.items():
        index = open_index(folder, settings.applied(BASE, changes))

        def search(text, part, k, index=index):  # type: ignore[no-untyped-def]
            return index.search(text, k, part)

        index.search(questions[0].text)
        began = time.process_time()
        made[name] = measure(questions, search, access, metrics=FOUND, depth=20)
        cpu_ms = (time.process_time() - began) / len(questions) * 1000
        print(f"{name}: {cpu_ms:.1f} ms of processor time a question", flush=True)
    table(made, FOUND)
    first = made["hybrid"]
    for name, other in list(made.items())[1:]:
        gap = compare(first, other, "ndcg@10")[ALL]
        print(
            f"hybrid minus {name}, nDCG@10: {gap.gain.mean:+.4f} "
            f"[{gap.gain.low:+.4f}, {gap.gain.high:+.4f}], p {gap.p:.4f}: {gap.verdict}",
            flush=True,
        )


def answers(
    folder: Path,
    halves: tuple[tuple[Sought, ...], ...],
    access: Mapping[str, Sequence[str]],
    progress: Progress,
) -> None:
    """Answers without a model, each half with a calibration of the other."""
    made: dict[str, list[Answers]] = {"sentence": [], "words": []}
    began = time.process_time()
    for half in (0, 1):
        told = calibrate_index(folder, BASE, halves[1 - half], seed=0)
        print(
            f"half {half}: threshold of {told.answerable} and {told.unanswerable} cases", flush=True
        )
        for what in ("sentence", "words"):
            spec = BASE.model_copy(update={"extract": ExtractSpec(answer=what)})
            route = extractive(open_index(folder, spec))
            made[what].append(measure_answers(what, route, halves[half], access, progress))
    count = 2 * sum(map(len, halves))
    cpu_ms = (time.process_time() - began) / count * 1000
    print(f"{cpu_ms:.1f} ms of processor time a question, asked twice and measured", flush=True)
    joined = {name: _joined([one.measured for one in both]) for name, both in made.items()}
    table(joined, METRICS)
    by_kind(joined["words"])


def table(measured: Mapping[str, Measurement], metrics: Sequence[str]) -> None:
    """Print figures with intervals, one column for each."""
    print(f"\n| {len(next(iter(measured.values())).questions):,} questions | "
          + " | ".join(measured) + " |")  # fmt: skip
    print("|---|" + "---:|" * len(measured))
    rows = {name: one.rows()[0].figures for name, one in measured.items()}
    for metric in metrics:
        print(
            f"| {metric} | " + " | ".join(figure_text(r.get(metric)) for r in rows.values()) + " |"
        )
    for percent in (50, 95):
        times = (one.latency(percent) for one in measured.values())
        cells = (f"{t.mean:.1f} [{t.low:.1f}, {t.high:.1f}]" for t in times)
        print(f"| p{percent}, ms | " + " | ".join(cells) + " |", flush=True)


def by_kind(words: Measurement) -> None:
    """Print the F1 of the words by what is asked for."""
    told = [
        f"{row.scope.removeprefix('type: ')} {figure_text(row.figures.get('token_f1'))} "
        f"({row.questions})"
        for row in words.rows()[1:]
    ]
    print(f"\ntoken F1 of words by what is asked for: {'; '.join(told)}")


def starter() -> Generate:
    """The model that ships with Luthier."""
    from luthier.models.generate import LocalModel
    from luthier.models.load import ModelSpec, find, load

    folder = find(ModelSpec(name="starter"), Path())
    return LocalModel(load(folder, device="cpu", precision="float32"))


def _joined(both: Sequence[Measurement]) -> Measurement:
    """Measurements of different questions as one."""
    return Measurement(
        tuple(q for one in both for q in one.questions),
        {m: np.concatenate([one.values[m] for one in both]) for m in both[0].values},
        np.concatenate([one.latencies_ms for one in both]),
        tuple(leak for one in both for leak in one.leaks),
    )


if __name__ == "__main__":
    sys.exit(main())
