"""What each technique against imbalance is worth, on an imbalanced cut of CLINC150.

    python benchmarks/imbalance.py --data clinc150/ --json imbalance.json

The 30 intents of its domains "banking" and "credit cards", which are easily mistaken for each
other. Half of them are cut to a few training rows: which half, and which rows, follows from the
seed. Validation rows are cut in the same measure; the test rows are all
kept. Every technique goes the way of a project: `balance` writes a folder, `train_classifier`
reads it. Techniques for rows, vectors and losses are measured with a linear head on MiniLM
vectors, ensembles on the same vectors.

Figures are means over the seeds, intervals are 95 % by paired bootstrap over the test rows (each
resample holds all techniques and all seeds). It would be a defeat if no technique beat "nothing".
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from luthier.core.progress import Quiet
from luthier.core.records import Example, Message, Side, write_table
from luthier.data.balance.balance import (
    BalanceSpec,
    ClassWeights,
    Costs,
    EffectiveNumber,
    Focal,
    OverSample,
    Smote,
    UnderSample,
    balance,
)
from luthier.models.encode import Vectors, load_encoder
from luthier.tune.classifier import (
    AdaBoost,
    AnySpec,
    Bagging,
    Forest,
    GradientBoosting,
    Head,
    load_classifier,
    train_classifier,
)

RESAMPLES = 2000
MONEY = (
    "transfer transactions balance freeze_account pay_bill bill_balance bill_due interest_rate "
    "routing min_payment order_checks pin_change report_fraud account_blocked spending_history "
    "credit_score report_lost_card credit_limit rewards_balance new_card application_status "
    "card_declined international_fees apr redeem_rewards credit_limit_change damaged_card "
    "improve_credit_score expiration_date replacement_card_duration "
)
WIDTH = 27
Techniques = Callable[[dict[str, int]], BalanceSpec | None]


HEAD = Head()


@dataclasses.dataclass(frozen=True)
class Way:
    """A technique: what is done to the data, and what is trained on it."""

    name: str
    data: Techniques
    classifier: AnySpec = HEAD


def spec_of(*techniques: Any) -> Techniques:
    """Settings that do not depend on the counts."""
    return lambda _: BalanceSpec(techniques=techniques)


def nothing(_: dict[str, int]) -> None:
    """Leave the rows as they are."""


def costs(counts: dict[str, int]) -> BalanceSpec:
    """Missing a row costs the largest class's size divided by its own class's."""
    largest = max(counts.values())
    return BalanceSpec(
        techniques=(Costs(of_class={label: largest / n for label, n in counts.items()}),)
    )


WAYS = (
    Way("nothing", nothing),
    Way("over-sampling", spec_of(OverSample())),
    Way("under-sampling", spec_of(UnderSample())),
    Way("SMOTE", spec_of(Smote())),
    Way("Borderline-SMOTE", spec_of(Smote(method="borderline"))),
    Way("ADASYN", spec_of(Smote(method="adasyn"))),
    Way("SMOTE, then Tomek links", spec_of(Smote(then="tomek"))),
    Way("class weights", spec_of(ClassWeights())),
    Way("effective number, .999", spec_of(EffectiveNumber())),
    Way("focal loss, gamma 2", spec_of(Focal())),
    Way("class weights and focal", spec_of(ClassWeights(), Focal())),
    Way("cost matrix", costs),
    Way("bagging", nothing, Bagging()),
    Way("bagging, balanced", nothing, Bagging(balanced=True)),
    Way("random forest", nothing, Forest(estimators=100)),
    Way("random forest, balanced", nothing, Forest(estimators=100, balanced=True)),
    Way("AdaBoost", nothing, AdaBoost(estimators=20)),
    Way("RUSBoost", nothing, AdaBoost(estimators=20, balanced=True)),
    Way("gradient boosting", nothing, GradientBoosting(iterations=10)),
)


@dataclasses.dataclass
class Outcome:
    """Predictions of one way, a row for each seed, and CPU seconds of training."""

    predicted: list[npt.NDArray[np.intp]]
    seconds: list[float]


def main() -> int:
    """Make the cuts, train everything, print the table."""
    options = _options()
    path = options.data / "data_full.json" if options.data else None
    if path is None or not path.is_file():
        print(
            f"SKIPPED, NOTHING WAS MEASURED: no data_full.json at {options.data}; "
            "give --data or set LUTHIER_DATA",
            file=sys.stderr,
        )
        return 0
    pools = _pools(json.loads(path.read_text(encoding="utf-8")), options)
    with tempfile.TemporaryDirectory() as name:
        encode = _cached(pools, Path(name))
        truth, rare, outcomes = _run(pools, options, encode, Path(name))
    figures = measure(truth, rare, outcomes, options.resamples)
    print(table(figures, options))
    told = {"settings": _settings(options), "rows": len(truth), "techniques": figures}
    if options.json:
        options.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return 0


def _options() -> argparse.Namespace:
    default = (
        Path(os.environ["LUTHIER_DATA"]) / "clinc150" if "LUTHIER_DATA" in os.environ else None
    )
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--data", type=Path, default=default, help="default: $LUTHIER_DATA/clinc150"
    )
    parser.add_argument("--json", type=Path, help="where all figures go")
    parser.add_argument("--intents", type=int, default=30, help="fewer for a smoke test")
    parser.add_argument("--rare", type=int, default=6, help="training rows of a rare intent")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--ensemble-seeds", type=int, default=2, help="they are slow")
    parser.add_argument("--resamples", type=int, default=RESAMPLES)
    parser.add_argument("--only", help="ways whose names hold this, beside nothing")
    return parser.parse_args()


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    kept = ("intents", "rare", "seeds", "ensemble_seeds", "resamples")
    return {name: getattr(options, name) for name in kept} | {"python": platform.python_version()}


def _pools(data: dict[str, Any], options: argparse.Namespace) -> dict[str, dict[str, list[str]]]:
    """Texts by side and intent; a text of the test side is left out of the others."""
    drawn = MONEY.split()[: options.intents]
    held = {text for text, _ in data["test"]}
    found: dict[str, dict[str, list[str]]] = {}
    for side, key in (("train", "train"), ("validation", "val"), ("test", "test")):
        found[side] = {label: [] for label in sorted(drawn)}
        for text, label in data[key]:
            if label in found[side] and (side == "test" or text not in held):
                found[side][label].append(text)
    return found


def _cached(
    pools: dict[str, dict[str, list[str]]], folder: Path
) -> Callable[[Sequence[str]], Vectors]:
    """An encoder that has every text ready: each is encoded once."""
    texts = sorted({t for side in pools.values() for found in side.values() for t in found})
    vectors = load_encoder("minilm", device="cpu").encode(texts)
    np.save(folder / "vectors.npy", vectors)
    stored = np.load(folder / "vectors.npy", mmap_mode="r")
    places = {text: place for place, text in enumerate(texts)}
    return lambda wanted: np.asarray(stored[[places[t] for t in wanted]])


def _cut(
    pools: dict[str, dict[str, list[str]]], seed: int, options: argparse.Namespace
) -> tuple[list[Example], list[str]]:
    """The rows of one seed, and which intents are rare in it."""
    random = np.random.default_rng(seed)
    intents = list(pools["train"])
    rare = random.permutation(intents)[: len(intents) // 2].tolist()
    rows: list[Example] = []
    sides: tuple[Side, ...] = ("train", "validation", "test")
    for side in sides:
        for label, texts in pools[side].items():
            kept = [texts[i] for i in random.permutation(len(texts))]
            if label in rare and side == "train":
                kept = kept[: options.rare]
            elif label in rare and side == "validation":
                share = options.rare / len(pools["train"][label])
                kept = kept[: max(1, round(share * len(texts)))]
            if side == "test":
                kept = texts  # in the same order for all seeds
            rows += [_row(label, text, side) for text in kept]
    return rows, sorted(rare)


def _row(label: str, text: str, side: Side) -> Example:
    turns = (Message("user", text), Message("assistant", label))
    name = f"{side}:{label}:{text}"
    return Example(name, turns, f"data_full.json:{name}", name, "", side=side, label=label)


def _run(
    pools: dict[str, dict[str, list[str]]],
    options: argparse.Namespace,
    encode: Callable[[Sequence[str]], Vectors],
    base: Path,
) -> tuple[npt.NDArray[np.intp], list[npt.NDArray[np.bool_]], dict[str, Outcome]]:
    """Test labels, which of the labels are rare for each seed, and all predictions."""
    intents = list(pools["train"])
    truth = [intents.index(label) for label, texts in pools["test"].items() for _ in texts]
    test = encode([text for texts in pools["test"].values() for text in texts])
    ways = [w for w in WAYS if not options.only or w.name == "nothing" or options.only in w.name]
    outcomes = {way.name: Outcome([], []) for way in ways}
    rare = []
    for seed in range(options.seeds):
        rows, few = _cut(pools, seed, options)
        rare.append(np.isin(intents, few))
        prepared = base / f"cut-{seed}"
        prepared.mkdir()
        write_table(prepared / "examples.parquet", rows, Example)
        counts = {i: sum(r.label == i and r.side == "train" for r in rows) for i in intents}
        for way in ways:
            if not isinstance(way.classifier, Head) and seed >= options.ensemble_seeds:
                continue
            place = Path(tempfile.mkdtemp(dir=base))
            started = time.process_time()
            source, spec = prepared, way.data(counts)
            if spec is not None:
                balance(spec, prepared, place, Quiet(), seed=seed, encode=encode)
                source = place
            told = train_classifier(
                way.classifier, source, place, Quiet(), encode=encode, seed=seed, side="test"
            )
            outcomes[way.name].seconds.append(time.process_time() - started)
            said = load_classifier(place, encode).predict_vectors(test)
            outcomes[way.name].predicted.append(np.array([intents.index(one) for one in said]))
            note = f"seed {seed} {way.name:<{WIDTH}} macro-F1 {told['macro_f1']:.3f}"
            print(note, file=sys.stderr, flush=True)
    return np.asarray(truth), rare, outcomes


def measure(
    truth: npt.NDArray[np.intp],
    rare: Sequence[npt.NDArray[np.bool_]],
    outcomes: dict[str, Outcome],
    resamples: int,
) -> dict[str, Any]:
    """Macro-F1, recall of rare and of frequent labels, with intervals and paired differences.

    A way is compared with "nothing" over the seeds that both have.
    """
    random = np.random.default_rng(0)
    draws = random.integers(len(truth), size=(resamples, len(truth)))
    weights = np.stack([np.bincount(row, minlength=len(truth)) for row in draws])
    weights = np.concatenate([np.ones((1, len(truth)), dtype=weights.dtype), weights])
    every = {
        name: np.stack(
            [figures(truth, p, few, weights) for p, few in zip(o.predicted, rare, strict=False)]
        )
        for name, o in outcomes.items()
    }
    found = {}
    for name, values in every.items():
        mine = values.mean(axis=0)  # 3 figures x (1 + resamples)
        gain = mine - every["nothing"][: len(values)].mean(axis=0)
        found[name] = {
            "seeds": len(values),
            "cpu_seconds": round(float(np.mean(outcomes[name].seconds)), 2),
        }
        for place, figure in enumerate(("macro_f1", "rare_recall", "frequent_recall")):
            found[name][figure] = _interval(mine[place])
            found[name][f"{figure}_gain"] = _interval(gain[place])
    return found


def figures(
    truth: npt.NDArray[np.intp],
    predicted: npt.NDArray[np.intp],
    rare: npt.NDArray[np.bool_],
    weights: npt.NDArray[np.integer[Any]],
) -> npt.NDArray[np.float64]:
    """Macro-F1, mean recall of rare and of frequent labels, for each row of weights."""
    labels = np.arange(len(rare))
    hits = weights @ ((truth == predicted)[:, None] & (truth[:, None] == labels))
    there = np.maximum(weights @ (truth[:, None] == labels), 1)
    said = weights @ (predicted[:, None] == labels)
    recall = hits / there
    f1 = 2 * hits / (there + said)
    return np.stack([f1.mean(1), recall[:, rare].mean(1), recall[:, ~rare].mean(1)])


def _interval(values: npt.NDArray[np.float64]) -> list[float]:
    """The figure itself (first), then the 2.5th and 97.5th percentile of the resamples."""
    low, high = np.percentile(values[1:], [2.5, 97.5])
    return [round(float(v), 4) for v in (values[0], low, high)]


def table(figures: dict[str, Any], options: argparse.Namespace) -> str:
    """One Markdown table."""
    lines = [
        f"{options.intents} intents of CLINC150, half of them cut to {options.rare} training rows",
        "",
        "| technique | macro-F1 | gain over nothing | rare recall | frequent recall "
        "| seeds | CPU s |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in figures.items():
        gain = (
            "" if name == "nothing" else "{:+.3f} [{:+.3f}, {:+.3f}]".format(*one["macro_f1_gain"])
        )
        cells = ["{:.3f} [{:.3f}, {:.3f}]".format(*one["macro_f1"]), gain]
        cells.append("{:.3f} [{:.3f}, {:.3f}]".format(*one["rare_recall"]))
        cells.append("{:.3f} [{:.3f}, {:.3f}]".format(*one["frequent_recall"]))
        cells += [str(one["seeds"]), f"{one['cpu_seconds']:.1f}"]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
