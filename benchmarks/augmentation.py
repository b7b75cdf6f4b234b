"""Does augmentation help where labels are few? CLINC150 with and without each augmenter.

    python benchmarks/augmentation.py --data clinc150/

A few rows of some intents are drawn from the training file, augmented, encoded, and a logistic
regression learns from them; its accuracy is taken on all test rows of these intents, as they are
and misspelt. Differences to no augmentation are paired by test row and averaged over draws, with a
bootstrap interval over test rows. "exact copies" adds no information: an augmenter that does no
better is a defeat. CPU seconds are of the whole stage, checks and
child processes included, for 1,000 candidates. The last tables attack the classifier itself:
training rows against one that has not seen their fold, validation rows against the whole one.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from luthier.core.errors import ResourceError
from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.core.records import Example, Message, Side, read_table, write_table
from luthier.core.statistics import paired_bootstrap
from luthier.data.alike import without_likes
from luthier.data.augment._intervals import share
from luthier.data.augment._neighbours import TrainedVectors
from luthier.data.augment.adversarial import AdversarialAugmenter
from luthier.data.augment.augment import AugmentSpec, augment
from luthier.data.augment.back_translation import BackTranslationAugmenter
from luthier.data.augment.characters import CharactersAugmenter, misspelt
from luthier.data.augment.embeddings import EmbeddingsAugmenter
from luthier.data.augment.synonyms import SynonymsAugmenter
from luthier.data.augment.words import WordsAugmenter
from luthier.models.encode import load_encoder

SEED = 7
METHODS = ("textfooler", "deepwordbug")
AUGMENTERS: dict[str, tuple[Any, ...]] = {
    "characters": (CharactersAugmenter(),),
    "words (swap, delete)": (WordsAugmenter(),),
    "synonyms": (SynonymsAugmenter(),),
    "embeddings, encoder": (EmbeddingsAugmenter(),),
    "embeddings, word2vec": (EmbeddingsAugmenter(vectors=TrainedVectors(corpus=("corpus.txt",))),),
    "back translation": (BackTranslationAugmenter(),),
    "EDA: synonyms + words": (SynonymsAugmenter(), WordsAugmenter()),
}


class Encoder:
    """The encoder, with what it encoded before, and the CPU seconds it took."""

    def __init__(self, name: str) -> None:
        self._encoder = load_encoder(name, precision="float32")
        self._known: dict[str, Any] = {}
        self.seconds = 0.0

    def forget(self, texts: Sequence[str]) -> None:
        """Forget all but these, so that each augmenter pays for its own candidates."""
        self._known = {t: self._known[t] for t in texts}

    def __call__(self, texts: Sequence[str]) -> Any:
        """Vectors of length 1."""
        new = [t for t in dict.fromkeys(texts) if t not in self._known]
        started = cpu_seconds()
        self._known.update(zip(new, self._encoder.encode(new), strict=True))
        self.seconds += cpu_seconds() - started
        return np.array([self._known[t] for t in texts]).reshape(-1, self._encoder.dimension)


@dataclasses.dataclass(frozen=True)
class Classifier:
    """Logistic regression on the encoder's vectors: a classifier as the stage takes one."""

    encode: Encoder
    model: Any

    @property
    def labels(self) -> list[str]:
        """In the order of the columns."""
        return [str(label) for label in self.model.classes_]

    def __call__(self, texts: Sequence[str]) -> Any:
        """Probabilities."""
        return self.model.predict_proba(self.encode(texts))


def main() -> int:
    """Augment, learn, measure, print the table."""
    default = (
        Path(os.environ["LUTHIER_DATA"]) / "clinc150" if "LUTHIER_DATA" in os.environ else None
    )
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--data", type=Path, default=default, help="default: $LUTHIER_DATA/clinc150"
    )
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--intents", type=int, default=20)
    parser.add_argument(
        "--first", action="store_true", help="the first intents by name, many of them about bills"
    )
    parser.add_argument("--rows", type=int, default=10, help="training rows of each intent")
    parser.add_argument("--per-row", type=int, default=2)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument(
        "--attacked", type=int, default=40, help="rows of each side, by draw; 0: none"
    )
    options = parser.parse_args()
    if options.data is None or not (options.data / "data_full.json").is_file():
        print(
            f"SKIPPED, NOTHING WAS MEASURED: no data_full.json at {options.data}; "
            "give --data or set LUTHIER_DATA",
            file=sys.stderr,
        )
        return 0
    data = json.loads((options.data / "data_full.json").read_text(encoding="utf-8"))
    encode = Encoder(options.encoder)
    every = sorted({label for _, label in data["train"]})
    if not options.first:
        every = random.Random(SEED).sample(every, options.intents)
    chosen = every[: options.intents]
    draws = [draw(data, chosen, options.rows, SEED + n) for n in range(options.draws)]
    corpus = "\n".join(text for text, _ in data["train"])
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        (base / "corpus.txt").write_text(corpus, encoding="utf-8")
        table(draws, base, encode, options.per_row)
        if options.attacked:
            attacks(draws, base, encode, options.attacked)
    return 0


def draw(data: dict[str, Any], chosen: Sequence[str], rows: int, seed: int) -> list[Example]:
    """Training rows of some intents, validation rows to attack, and all their test rows.

    The test rows are the same in every draw.
    """
    chance = random.Random(seed)
    found = []
    sides: tuple[tuple[Side, str, int | None], ...] = (
        ("train", "train", rows),
        ("validation", "val", None),
        ("test", "test", None),
    )
    for side, file, number in sides:
        by_label: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        for place, (text, label) in enumerate(data[file]):
            by_label[label].append((place, text))
        for label in chosen:
            several = by_label[label]
            for place, text in several if number is None else chance.sample(several, number):
                messages = (Message("user", text), Message("assistant", label))
                found.append(
                    Example(f"{file}-{place}", messages, f"data_full.json:{file}/{place}",
                            f"{file}-{place}", "row", side=side, label=label)
                )  # fmt: skip
    return without_likes(found, Ledger())  # as preparing does: no training row is like a test row


def table(draws: Sequence[Sequence[Example]], base: Path, encode: Encoder, per_row: int) -> None:
    """Print accuracy with each augmenter, and its difference to none."""
    training = "/".join(str(len(train_of(rows))) for rows in draws)
    tests = sum(e.side == "test" for e in draws[0])
    print(f"{training} training rows, {tests} test rows, draws: {len(draws)}\n")
    print("| augmenter | made | kept | accuracy | difference | misspelt | difference | "
          "CPU s / 1,000 | of it encoder |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|")  # fmt: skip
    plain = [right(rows, rows, encode) for rows in draws]
    show("none", plain, plain, "", "")
    copies = [right([*rows, *train_of(rows) * per_row], rows, encode) for rows in draws]
    show("exact copies", copies, plain, "", "")
    known = list(dict.fromkeys(t for rows in draws for t in (*asked(rows), *spoilt(rows))))
    encode(known)
    for name, augmenters in AUGMENTERS.items():
        spec = AugmentSpec(augmenters=augmenters, per_row=per_row)
        results, made, kept, lost, spent = [], 0, 0, 0, 0.0
        encode.forget(known)
        before = encode.seconds
        try:
            for number, rows in enumerate(draws):
                started = cpu_seconds()
                found, told = run(spec, rows, base, encode, number)
                spent += cpu_seconds() - started
                made, kept = made + told["made"], kept + told["kept"]
                lost += told["rows_lost"]
                results.append((found, rows))
        except ResourceError as error:
            print(f"| {name} | SKIPPED: {error.what} |")
            continue
        encoding = encode.seconds - before
        costs = f"{1000 * spent / made:.1f} | {1000 * encoding / made:.1f}"
        scored = [right(found, rows, encode) for found, rows in results]
        share = f"{100 * kept / made:.0f} %"
        if lost:
            print(f"{lost} rows that came in were refused as too like a test row", file=sys.stderr)
        show(name, scored, plain, f"{made // len(draws)} | {share}", costs)


def show(name: str, scored: Sequence[Any], plain: Sequence[Any], counts: str, costs: str) -> None:
    """Print one line; ``scored`` holds right and wrong by draw, test set and test row."""
    seen, none = np.array(scored, float), np.array(plain, float)
    cells = []
    for test in (0, 1):
        cells.append(f"{100 * seen[:, test].mean():.1f}")
        found = paired_bootstrap((seen[:, test] - none[:, test]).mean(axis=0))
        interval = f"{100 * found.mean:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"
        cells.append("" if name == "none" else interval)
    print(f"| {name} | {counts or ' | '} | {' | '.join(cells)} | {costs or ' | '} |", flush=True)


def run(
    spec: AugmentSpec, rows: Sequence[Example], base: Path, encode: Encoder, seed: int, **more: Any
) -> tuple[list[Example], dict[str, Any]]:
    """The stage, on rows in a folder of their own."""
    with tempfile.TemporaryDirectory(dir=base) as name:
        prepared, folder = Path(name) / "in", Path(name) / "out"
        prepared.mkdir()
        folder.mkdir()
        write_table(prepared / "examples.parquet", rows, Example)
        told = augment(spec, prepared, folder, Quiet(), base=base, seed=seed, encode=encode, **more)
        return read_table(folder / "examples.parquet", Example), told


def right(rows: Sequence[Example], drawn: Sequence[Example], encode: Encoder) -> Any:
    """Which test rows, as they are and misspelt, a classifier that learned from rows gets right."""
    model = learned(rows, encode)
    tests = [e for e in drawn if e.side == "test"]
    labels = np.array([e.label for e in tests])
    return [model.predict(encode(t)) == labels for t in (asked(tests), spoilt(drawn))]


def asked(rows: Sequence[Example]) -> list[str]:
    """The questions of rows."""
    return [e.question for e in rows]


def spoilt(rows: Sequence[Example]) -> list[str]:
    """The questions of the test rows, misspelt."""
    spec = CharactersAugmenter(rate=0.3)
    tests = [e.question for e in rows if e.side == "test"]
    return [(misspelt(text, spec, 1, 1000) or [text])[0] for text in tests]


def learned(rows: Sequence[Example], encode: Encoder) -> Any:
    """Logistic regression on the training rows."""
    from sklearn.linear_model import LogisticRegression

    chosen = train_of(rows)
    model = LogisticRegression(C=10.0, max_iter=1000)
    return model.fit(encode(asked(chosen)), [e.label for e in chosen])


def train_of(rows: Sequence[Example]) -> list[Example]:
    """The training rows."""
    return [e for e in rows if e.side == "train"]


def attacks(draws: Sequence[Sequence[Example]], base: Path, encode: Encoder, number: int) -> None:
    """Attack the classifier, print how it held out, and what learning from the attacks brings."""
    told = {
        method: [attacked(rows, base, encode, method, number, n) for n, rows in enumerate(draws)]
        for method in METHODS
    }
    print("\n| attack | side | rows | accuracy | under attack | words changed | queries |\n"
          "|---|---|--:|--:|--:|--:|--:|")  # fmt: skip
    for method, runs in told.items():
        for side in ("train", "validation"):
            reports = [one["robustness"][side] for _, one, _ in runs]
            cells = [pooled(reports, "accuracy"), pooled(reports, "accuracy_under_attack")]
            cells += [averaged(reports, name) for name in ("words_changed", "queries")]
            rows = sum(report["attacked"] for report in reports)
            print(f"| {method} | {side} | {rows} | {' | '.join(cells)} |")
    print("\n| learning from | made | kept | accuracy | difference | misspelt | difference | "
          "CPU s / row attacked | |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|")  # fmt: skip
    plain = [right(rows, rows, encode) for rows in draws]
    for method, runs in told.items():
        made = sum(one["candidates"] for _, one, _ in runs)
        kept = sum(one["kept"] for _, one, _ in runs)
        scored = [
            right(found, rows, encode) for (found, _, _), rows in zip(runs, draws, strict=True)
        ]
        spent = sum(seconds for _, _, seconds in runs) / (2 * number * len(draws))
        show(method, scored, plain, f"{made} | {kept}", f"{spent:.2f} | ")
    for method, runs in told.items():
        print(f"\n{method}: refused {[one['reasons'] for _, one, _ in runs]}")
        for old, new in runs[0][1]["samples"][:4]:
            print(f"  {old} -> {new}")


def attacked(
    rows: Sequence[Example], base: Path, encode: Encoder, method: Any, number: int, seed: int
) -> tuple[list[Example], dict[str, Any], float]:
    """The rows with those the attack made, what is told of it, and its CPU seconds."""
    spec = AugmentSpec(augmenters=(AdversarialAugmenter(method=method, rows=number),))
    started = cpu_seconds()
    found, told = run(
        spec, rows, base, encode, seed,
        classify=Classifier(encode, learned(rows, encode)),
        learn=lambda taught: Classifier(encode, learned(taught, encode)),
    )  # fmt: skip
    return found, told["augmenters"][0], cpu_seconds() - started


def pooled(reports: Sequence[dict[str, Any]], name: str) -> str:
    """A share over all draws, with its interval."""
    rows = sum(report[name]["n"] for report in reports)
    figure = share(round(sum(r[name]["value"] * r[name]["n"] for r in reports)), rows)
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"


def averaged(reports: Sequence[dict[str, Any]], name: str) -> str:
    """A mean over the draws that have one."""
    found = [r[name]["value"] for r in reports if r[name]["value"] is not None]
    return f"{np.mean(found):.1f}" if found else "-"


def cpu_seconds() -> float:
    """Of this process and of those it waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


if __name__ == "__main__":
    sys.exit(main())
