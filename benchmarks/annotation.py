"""What annotation costs and yields: labels each query strategy needs, and what a label model adds.

    python benchmarks/annotation.py queries --cache /tmp/clinc-vectors.npz
    python benchmarks/annotation.py functions

``queries``: CLINC150, the first intents in alphabetical order. A logistic regression on MiniLM's
vectors starts from the same random rows for every strategy and gets batches of labels that the
strategy chose from the training rows; accuracy is on the test rows of these intents. Random
sampling is the baseline: a strategy that needs more labels is a defeat.

``functions``: TREC-6, labelled by the patterns below, which were written from the names of the
classes; and CLINC150, 20 intents drawn anew for each seed, labelled by the words of the intents'
names, one function for each word of each name. For each seed the votes of four fifths of the
training rows and of all test rows are brought together, no label being known, and scored on both
sides. Majority vote is the baseline; Snorkel's LabelModel runs on the same votes where it is
installed, as it comes and with the true balance. All probabilities are mixed with 1 % of even odds
before the log loss is taken, since majority vote gives zeros. Intervals (95 %) are by bootstrap
over rows (TREC-6: each row's mean over seeds); a tie counts as its share. A way that loses to
majority vote or to Snorkel is a defeat.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from peers.votes import installed, snorkel

from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.core.statistics import bootstrap_mean
from luthier.data.annotate.autolabel import classify
from luthier.data.annotate.calibrate import ece, softmax
from luthier.data.annotate.functions import (
    FunctionSpec,
    KeywordsFunction,
    PatternFunction,
    apply,
    report,
)
from luthier.data.annotate.items import Item
from luthier.data.annotate.label_model import Matrix, fit, majority, vote_balance
from luthier.data.annotate.query import Strategy, choose
from luthier.models.encode import load_encoder

Reals = npt.NDArray[np.float64]
Pairs = list[tuple[str, str]]
STRATEGIES: tuple[Strategy, ...] = (
    "random",
    "confidence",
    "margin",
    "entropy",
    "k-center",
    "k-means",
)
TARGETS = (0.80, 0.85, 0.90, 0.93, 0.95)
C = 10.0
DRAWN = 20  # intents: Snorkel takes minutes for 30
CLINC, TREC = "clinc150/data_full.json", ("trec6/TREC.raw.train", "trec6/TREC.raw.test")
LABELS = ("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM")

# What a person writes in a quarter of an hour, knowing the classes and no row: abbreviations,
# descriptions, entities, people, places, numbers.
PATTERNS: tuple[tuple[Literal["ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"], str], ...] = (
    ("ABBR", r"stands? for|abbreviation|acronym"),
    ("ABBR", r"full form"),
    ("ABBR", r"^what does [A-Z.]{2,} "),
    ("DESC", r"^why"),
    ("DESC", r"^how (do|does|did|can|is|are|was|were)"),
    ("DESC", r"^what (is|are) (a |an |the )?\w+ \?"),
    ("DESC", r"meaning|mean \?|definition|define|origin of|purpose|difference between"),
    ("DESC", r"^what (causes?|happen)"),
    ("ENTY", r"^what (color|animal|food|fruit|drink|sport|game|language|word|film|movie|book)"),
    ("ENTY", r"^(what|which) (kind|type|sort)s? of"),
    ("ENTY", r"\b(song|novel|book|film|movie|disease|religion|instrument|currency|product)s?\b"),
    ("ENTY", r"^what .* (called|made of|used for)"),
    ("HUM", r"^who|^whose|^whom"),
    ("HUM", r"\b(president|actor|actress|author|singer|king|queen|inventor|leader|player)\b"),
    ("HUM", r"^(what|which) (company|team|band|group|organization|university|college)"),
    ("HUM", r"\b(wrote|invented|discovered|founded|starred|played|directed)\b"),
    ("LOC", r"^where"),
    ("LOC", r"^(what|which|name) .*\b(country|city|state|continent|island|planet|capital)\b"),
    ("LOC", r"\b(river|mountain|lake|ocean|sea|desert|located)\b"),
    ("NUM", r"^how (many|much|long|far|old|tall|high|fast|big|large|often|deep|hot|wide)"),
    ("NUM", r"^when|^(what|which|in what|in which) (year|date|day|month|century)"),
    ("NUM", r"\b(number|population|percentage|average|temperature|distance|speed|age|price)\b"),
    ("NUM", r"\b(cost|weigh|year|salary|zip code|phone)\b"),
)


def main() -> int:
    """Run one of the two comparisons, or both."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["queries", "functions", "both"], default="both", nargs="?")
    told = os.environ.get("LUTHIER_DATA")
    parser.add_argument("--data", type=Path, default=Path(told) if told else None)
    parser.add_argument("--intents", type=int, default=30)
    parser.add_argument("--batch", type=int, default=30, help="labels between two fits")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cache", type=Path, help="keep MiniLM's vectors in this .npz file")
    options = parser.parse_args()
    files = (CLINC,) if options.what == "queries" else (CLINC, *TREC)
    if options.data is None or not all((options.data / file).is_file() for file in files):
        print(
            f"SKIPPED, NOTHING WAS MEASURED: no {' or no '.join(files)} in {options.data}; "
            "give --data or set LUTHIER_DATA",
            file=sys.stderr,
        )
        return 0
    started = time.process_time()
    if options.what != "functions":
        queries(options.data / CLINC, options)
    if options.what != "queries":
        functions(options.data, options.seeds)
    print(f"\n{time.process_time() - started:.0f} CPU seconds, numpy {np.__version__}")
    return 0


def queries(path: Path, options: argparse.Namespace) -> None:
    """Learning curves of all strategies, as two tables."""
    told = json.loads(path.read_text(encoding="utf-8"))
    names = sorted({label for _, label in told["train"]})[: options.intents]
    pool = [(text, names.index(label)) for text, label in told["train"] if label in names]
    test = [(text, names.index(label)) for text, label in told["test"] if label in names]
    vectors = _vectors([text for text, _ in [*pool, *test]], options.cache)
    truth = np.array([label for _, label in pool])
    asked, wanted = vectors[len(pool) :], np.array([label for _, label in test])
    curves: dict[Strategy, list[list[float]]] = defaultdict(list)
    for seed in range(options.seeds):
        for strategy in STRATEGIES:
            curve = _curve(strategy, vectors[: len(pool)], truth, asked, wanted, options, seed)
            curves[strategy].append(curve)
    print(
        f"CLINC150, {len(names)} intents: {len(pool)} training rows to choose from, {len(test)} "
        f"test rows, {options.seeds} seeds, batches of {options.batch}.\n"
        "Labels until the test accuracy is first reached: median over seeds (range); - where a "
        "seed did not reach it.\n"
    )
    print("| strategy |" + "".join(f" {t:.0%} |" for t in TARGETS) + " at the end (sd) |")
    print("|---|" + "---|" * (len(TARGETS) + 1))
    for strategy, found in curves.items():
        last = [curve[-1] for curve in found]
        spread = statistics.stdev(last) if len(last) > 1 else 0.0
        cells = [_needed(found, target, options.batch) for target in TARGETS]
        end = f"{statistics.mean(last):.3f} ({spread:.3f})"
        print(f"| {strategy} | {' | '.join(cells)} | {end} |")
    print("\nMean accuracy after so many labels:\n")
    steps = [n for n in range(options.rounds) if n % 2 == 0]
    print("| strategy |" + "".join(f" {(n + 1) * options.batch} |" for n in steps))
    print("|---|" + "---|" * len(steps))
    for strategy, found in curves.items():
        means = [statistics.mean(curve[n] for curve in found) for n in steps]
        print(f"| {strategy} |" + "".join(f" {m:.3f} |" for m in means))


def _curve(
    strategy: Strategy,
    vectors: npt.NDArray[np.float32],
    truth: npt.NDArray[np.int64],
    asked: npt.NDArray[np.float32],
    wanted: npt.NDArray[np.int64],
    options: argparse.Namespace,
    seed: int,
) -> list[float]:
    """Test accuracy after each batch of labels."""
    k = int(truth.max()) + 1
    ids = [f"row {n}" for n in range(len(truth))]
    labelled = choose("random", options.batch, ids, seed=seed)
    curve = []
    for number in range(options.rounds):
        known = np.array(labelled)
        rest = np.setdiff1d(np.arange(len(truth)), known)
        both = np.vstack([asked, vectors[rest]])
        logs = classify(vectors[known], truth[known], both, k, C)
        curve.append(float((logs[: len(asked)].argmax(axis=1) == wanted).mean()))
        if number + 1 < options.rounds:
            chosen = choose(
                strategy,
                options.batch,
                [ids[n] for n in rest],
                seed=seed,
                probabilities=softmax(logs[len(asked) :]),
                vectors=vectors[rest],
                labelled=vectors[known],
            )
            labelled += [int(rest[n]) for n in chosen]
    return curve


def _needed(curves: list[list[float]], target: float, batch: int) -> str:
    """Labels until each curve first reaches the target: median (range)."""
    found = []
    for curve in curves:
        reached = [n for n, accuracy in enumerate(curve, start=1) if accuracy >= target]
        if not reached:
            return "-"
        found.append(reached[0] * batch)
    return f"{statistics.median(found):.0f} ({min(found)}–{max(found)})"


def _vectors(texts: list[str], cache: Path | None) -> npt.NDArray[np.float32]:
    if cache is not None and cache.is_file():
        with np.load(cache) as kept:
            if kept["texts"].tolist() == texts:
                return np.asarray(kept["vectors"])
    vectors = load_encoder("minilm", precision="float32").encode(texts)
    if cache is not None:
        np.savez(cache, texts=np.array(texts), vectors=vectors)
    return vectors


@dataclasses.dataclass(frozen=True)
class Scores:
    """What one way of bringing votes together was worth, by side, seed and row."""

    right: dict[str, dict[str, list[float]]]
    losses: dict[str, dict[str, list[float]]]
    errors: dict[str, list[float]]
    seconds: list[float]


def functions(data: Path, seeds: int) -> None:
    """Labelling functions over two data sets."""
    if not installed():
        print("Snorkel is not installed: not compared.\n", file=sys.stderr)
    sides = {}
    for side, file in zip(("train", "test"), TREC, strict=True):
        lines = (data / file).read_text(encoding="latin-1").splitlines()
        cut = [line.partition(" ") for line in lines if line]
        sides[side] = [(text, label.partition(":")[0]) for label, _, text in cut]
    patterns: list[FunctionSpec] = [
        PatternFunction(label=label, pattern=pattern, name=pattern[:40].replace("|", "/"))
        for label, pattern in PATTERNS
    ]
    describe(sides["train"], patterns)
    compare("TREC-6", [(sides, LABELS, patterns)] * seeds)
    told = json.loads((data / CLINC).read_text(encoding="utf-8"))
    every = sorted({label for _, label in told["train"]})
    runs = []
    for seed in range(seeds):
        labels = tuple(sorted(random.Random(seed).sample(every, DRAWN)))
        words: list[FunctionSpec] = [
            KeywordsFunction(label=intent, words=(word,), name=f"{intent} {word}")
            for intent in labels
            for word in sorted(set(intent.split("_")))
            if len(word) > 2
        ]
        chosen = {s: [(t, i) for t, i in told[s] if i in labels] for s in ("train", "test")}
        runs.append((chosen, labels, words))
    compare("CLINC150", runs)


def voted(pairs: Pairs, specs: Sequence[FunctionSpec], labels: tuple[str, ...]) -> Matrix:
    """All functions' votes on all texts."""
    items = [Item(f"{n}", text, f"{n}") for n, (text, _) in enumerate(pairs, start=1)]
    known = np.full(len(items), -1)
    return apply(specs, items, labels, Path(), Ledger(), Quiet(), known=known, seed=0)


def describe(pairs: Pairs, specs: Sequence[FunctionSpec]) -> None:
    """What each function does."""
    truth = np.array([LABELS.index(label) for _, label in pairs])
    columns = ("function", "label", "coverage", "overlap", "conflict", "accuracy")
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for one in report(voted(pairs, specs, LABELS), specs, LABELS, truth):
        told = "-" if one.accuracy is None else f"{one.accuracy:.3f}"
        shares = f"{one.coverage:.3f} | {one.overlap:.3f} | {one.conflict:.3f}"
        print(f"| `{one.name}` | {', '.join(one.labels)} | {shares} | {told} |")


def compare(
    title: str,
    runs: Sequence[tuple[dict[str, Pairs], tuple[str, ...], Sequence[FunctionSpec]]],
) -> None:
    """Bring the votes of each run together in every way, and print a table for each side."""
    found: dict[str, Scores] = {}
    torn: dict[str, set[str]] = {"train": set(), "test": set()}
    shares: dict[str, list[float]] = defaultdict(list)
    for seed, (sides, labels, specs) in enumerate(runs):
        some = random.Random(seed).sample(sides["train"], 4 * len(sides["train"]) // 5)
        rows = [("train", *pair) for pair in some] + [("test", *pair) for pair in sides["test"]]
        votes = voted([(text, label) for _, text, label in rows], specs, labels)
        truth = np.array([labels.index(label) for *_, label in rows])
        active = np.asarray((votes >= 0).any(axis=1))
        differ = np.array([len(set(row[row >= 0])) > 1 for row in votes])
        on: npt.NDArray[np.str_] = np.array([side for side, *_ in rows])
        names = np.array([f"{seed if title == 'CLINC150' else 0} {text}" for _, text, _ in rows])
        for side, those in torn.items():
            those.update(names[differ & (on == side)])
            shares[side].append(float(active[on == side].mean()))
        for name, make in _makers(votes, truth, len(labels), seed).items():
            begun = time.process_time()
            chances = make()
            took = time.process_time() - begun
            scores = found.setdefault(name, Scores({}, {}, defaultdict(list), []))
            scores.seconds.append(took)
            for side in torn:
                _score(scores, side, chances, truth, names, active & (on == side))
    for side, those in torn.items():
        print(
            f"\n{title}, {side} rows, {len(runs)} seeds: "
            f"{statistics.mean(shares[side]):.1%} have a vote; {len(those)} rows have different "
            "ones in some seed.\n"
        )
        _print(found, side, those)


def _score(
    scores: Scores,
    side: str,
    chances: Reals,
    truth: npt.NDArray[np.int64],
    names: npt.NDArray[np.str_],
    chosen: npt.NDArray[np.bool_],
) -> None:
    """Add what one run says of the chosen rows."""
    chances, truth = chances[chosen], truth[chosen]
    right = _right(chances, truth)
    mixed = 0.99 * chances + 0.01 / chances.shape[1]
    losses = -np.log(mixed[np.arange(len(truth)), truth])
    sure = chances.argmax(axis=1) == truth
    scores.errors[side].append(ece(chances.max(axis=1), sure))
    for kept, values in ((scores.right, right), (scores.losses, losses)):
        rows = kept.setdefault(side, defaultdict(list))
        for name, value in zip(names[chosen], values, strict=True):
            rows[str(name)].append(float(value))


def _print(found: dict[str, Scores], side: str, torn: set[str]) -> None:
    first = found["majority vote"]
    names = sorted(first.right[side])
    print(
        "| votes brought together by | accuracy | less majority's | where votes differ | log loss "
        "| less majority's | ECE (sd) | CPU s |\n|---|---|---|---|---|---|---|---|"
    )
    for name, scores in found.items():
        cells = []
        for mine, base in (
            (scores.right[side], first.right[side]),
            (scores.losses[side], first.losses[side]),
        ):
            seen = np.array([statistics.mean(mine[n]) for n in names])
            plain = np.array([statistics.mean(base[n]) for n in names])
            cells += [f"{seen.mean():.4f}", _interval(seen - plain) if scores is not first else ""]
            if mine is scores.right[side]:
                split = [seen[i] for i, n in enumerate(names) if n in torn]
                cells.append(f"{statistics.mean(split):.4f}" if split else "-")
        errors = scores.errors[side]
        spread = statistics.stdev(errors) if len(errors) > 1 else 0.0
        cells += [
            f"{statistics.mean(errors):.3f} ({spread:.3f})",
            f"{statistics.mean(scores.seconds):.2f}",
        ]
        print(f"| {name} | {' | '.join(cells)} |")


def _interval(differences: Reals) -> str:
    found = bootstrap_mean(differences)
    return f"{found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"


def _makers(
    votes: Matrix, truth: npt.NDArray[np.int64], k: int, seed: int
) -> dict[str, Callable[[], Reals]]:
    balance = np.bincount(truth, minlength=k) / len(truth)
    makers: dict[str, Callable[[], Reals]] = {
        "majority vote": lambda: majority(votes, k),
        "`accuracies`": lambda: fit(votes, k)[1],
        "`accuracies`, `balance: votes`": lambda: fit(votes, k, balance=vote_balance(votes, k))[1],
        "`accuracies`, true balance": lambda: fit(votes, k, balance=balance)[1],
        "`confusions`": lambda: fit(votes, k, form="confusions")[1],
        "`confusions`, true balance": lambda: fit(votes, k, form="confusions", balance=balance)[1],
    }
    if installed():
        makers["Snorkel"] = lambda: snorkel(votes, k, None, seed)
        makers["Snorkel, true balance"] = lambda: snorkel(votes, k, balance, seed)
    return makers


def _right(chances: Reals, truth: npt.NDArray[np.int64]) -> Reals:
    """For each row how right the likeliest label is; ties count as their share."""
    best = np.isclose(chances, chances.max(axis=1, keepdims=True))
    return np.asarray(best[np.arange(len(truth)), truth] / best.sum(axis=1))


if __name__ == "__main__":
    sys.exit(main())
