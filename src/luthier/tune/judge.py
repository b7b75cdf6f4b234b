"""Train a project's classifier and say how good it is, class by class, where it matters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from luthier.core.progress import Progress
from luthier.core.records import Example
from luthier.data.annotate.calibrate import ece
from luthier.data.balance.vectors import Encode
from luthier.tune._scores import rare_labels, scores
from luthier.tune.classifier import AnySpec, Classifier, fit_classifier


def train_and_judge(
    spec: AnySpec,
    prepared: Path,
    folder: Path,
    progress: Progress,
    *,
    encode: Encode,
    seed: int,
    split: Sequence[Example],
    sides: Mapping[str, Sequence[Example]],
) -> dict[str, Any]:
    """Train a classifier and measure it on rows it has not learnt from; a stage function.

    Args:
        spec: Which classifier.
        prepared: A folder a data stage filled; its labelled training rows are learnt, its
            validation rows stop and calibrate.
        folder: Gets the classifier.
        progress: Shows the passes.
        encode: Texts to vectors of length 1.
        seed: Decides first weights, order, samples.
        split: The training rows as they were split, before any were added or left out; they
            say which labels are rare.
        sides: What is measured on, by name; rows without a label are left out.

    Returns:
        What ``fit_classifier`` tells; ``rare``: labels with fewer than half the rows of the mean
        label; ``classes``: label -> rows before balancing, and for each side ``rows`` and how
        many of them are ``right``; and for each side what ``judge`` says, or None where it has
        no labelled row.

    Raises:
        DataError: Fewer than two labels to learn.
        ResourceError: A library for the ensemble is not installed.
    """
    classifier, told = fit_classifier(spec, prepared, folder, progress, encode=encode, seed=seed)
    counts = Counter(row.label for row in split if row.label)
    rare = rare_labels(counts)
    figures: dict[str, Any] = {}
    classes: dict[str, dict[str, int]] = {}
    for side, examples in sides.items():
        rows = [row for row in examples if row.label]
        figures[side] = None
        if not rows:
            continue
        figures[side], hits = judge(classifier, rows, rare)
        there = Counter(row.label for row in rows)
        for label in sorted(counts.keys() | there.keys()):
            one = classes.setdefault(label, {"train_rows": counts[label]})
            one |= {f"{side}_rows": there[label], f"{side}_right": hits[label]}
    return {**told, "rare": list(rare), **figures, "classes": classes}


def judge(
    classifier: Classifier, rows: Sequence[Example], rare: Sequence[str]
) -> tuple[dict[str, Any], Counter[str]]:
    """How often a classifier is right.

    Args:
        classifier: Any.
        rows: At least one, all with a label.
        rare: The labels whose recall is told apart.

    Returns:
        ``rows``, ``right``, ``accuracy``, ``macro_f1``, ``macro_recall``; ``rare_rows``,
        ``rare_right`` and ``minority_recall``, the mean recall of the rare labels that are
        there (None without any); ``unknown_labels``: rows of labels that the classifier has
        not learnt; ``calibration_error``: expected calibration error (Guo et al. 2017) of the
        probability of what was said. And the rows that are right, by label.
    """
    said = classifier.predict([row.question for row in rows])
    right = [row.label == one.label for row, one in zip(rows, said, strict=True)]
    hits = Counter(row.label for row, good in zip(rows, right, strict=True) if good)
    found = scores([row.label for row in rows], [one.label for one in said])
    there = Counter(row.label for row in rows)
    few = [label for label in rare if there[label]]
    sure = np.array([one.probability for one in said])
    figures = {
        "rows": len(rows),
        "right": sum(right),
        "accuracy": found["accuracy"],
        "macro_f1": found["macro_f1"],
        "macro_recall": found["macro_recall"],
        "minority_recall": float(np.mean([found["recall"][x] for x in few])) if few else None,
        "rare_rows": sum(there[label] for label in few),
        "rare_right": sum(hits[label] for label in few),
        "unknown_labels": sum(row.label not in classifier.labels for row in rows),
        "calibration_error": ece(sure, np.array(right)),
    }
    return figures, hits
