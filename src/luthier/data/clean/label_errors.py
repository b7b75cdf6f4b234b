"""Suspected label errors: what a classifier that never saw the row says with confidence.

Northcutt, Jiang & Chuang 2021, Confident learning: estimating uncertainty in dataset labels, as
the library cleanlab carries it out, on out-of-fold predictions of a logistic regression over
encoder vectors.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from luthier.core.errors import ConfigError
from luthier.core.ledger import Entry
from luthier.core.records import Example, read_table, write_table
from luthier.core.spec import Spec
from luthier.data.clean._books import Books
from luthier.data.clean.near import TWINS

if TYPE_CHECKING:
    from luthier.models.encode import Vectors

Encode = Callable[[Sequence[str]], "Vectors"]


class LabelErrorsSpec(Spec):
    """Rows whose label is suspect are refused."""

    folds: int = Field(5, ge=2, le=20)
    """Parts; each is judged by a classifier trained on the others."""
    max_share: float = Field(0.1, gt=0, le=1)
    """At most this share of the labelled rows is refused, the most suspect first."""


@dataclasses.dataclass(frozen=True, slots=True)
class Suspect:
    """A row whose label may be wrong.

    Attributes:
        row: Its number.
        rather: The label that was predicted.
        confidence: Probability of the label it has, 0 to 1; the lower, the more suspect.
    """

    row: int
    rather: str
    confidence: float


def without_suspects(
    path: Path,
    spec: LabelErrorsSpec,
    encode: Encode | None,
    seed: int,
    books: Books,
) -> int:
    """Take the rows with suspect labels out of a table.

    Args:
        path: A table of conversations; it is written anew, and what ``write_twins`` kept of it
            is forgotten.
        spec: Settings.
        encode: Texts to normalised vectors.
        seed: Decides the folds.
        books: Gets a line for each row that is refused.

    Returns:
        How many rows were refused.

    Raises:
        ConfigError: There is no encoder.
    """
    if encode is None:
        raise ConfigError("suspect labels are found with the encoder", where="clean.label_errors")
    rows = read_table(path, Example)
    places = [i for i, row in enumerate(rows) if row.label]
    if not places:
        return 0
    vectors = encode([rows[i].question for i in places])
    labels = [rows[i].label for i in places]
    found = suspects(vectors, labels, folds=spec.folds, seed=seed) or []
    worst = found[: int(spec.max_share * len(places))]
    refused = {places[one.row]: one for one in worst}
    books.add(
        [
            Entry("refused", "suspect label", rows[i].origin, f"{rows[i].label}, not {one.rather}")
            for i, one in sorted(refused.items())
        ]
    )
    write_table(path, [row for i, row in enumerate(rows) if i not in refused], Example)
    if refused:  # the places of the rows are others now
        (path.parent / TWINS).unlink(missing_ok=True)
    return len(refused)


def suspects(
    vectors: Vectors, labels: Sequence[str], *, folds: int = 5, seed: int = 0
) -> list[Suspect] | None:
    """Rows whose label may be wrong, the most suspect first.

    Args:
        vectors: Of the rows' texts, float32 [rows, dimension].
        labels: One for each row. Classes with fewer rows than folds are not judged.
        folds: See ``LabelErrorsSpec``.
        seed: Decides the folds.

    Returns:
        None if fewer than two classes can be judged.
    """
    counts = Counter(labels)
    judged = [i for i, label in enumerate(labels) if counts[label] >= folds]
    names = sorted({labels[i] for i in judged})
    if len(names) < 2:
        return None
    from cleanlab.filter import find_label_issues
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    numbers = {name: i for i, name in enumerate(names)}
    given = np.array([numbers[labels[i]] for i in judged])
    predicted = cross_val_predict(
        LogisticRegression(C=10.0, max_iter=500),
        vectors[judged],
        given,
        cv=StratifiedKFold(folds, shuffle=True, random_state=seed),
        method="predict_proba",
    )
    found = find_label_issues(
        given, predicted, return_indices_ranked_by="self_confidence", n_jobs=1
    )
    return [
        Suspect(judged[i], names[int(predicted[i].argmax())], float(predicted[i, given[i]]))
        for i in found
    ]
