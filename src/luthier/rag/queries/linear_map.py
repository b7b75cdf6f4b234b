"""A linear map of question vectors, learned from clicks or judgements.

Questions and the passages that answer them lie in different places of an encoder's space. A matrix
moves the questions to where their passages are (Mikolov, Le & Sutskever 2013, "Exploiting
similarities among languages for machine translation", between two languages). Passages stay as they
are, so an index needs no new vectors.

Kept to the identity by ridge regression, it cannot stray far where there are few pairs; Procrustes
(Schönemann 1966) turns the space and changes no angle between questions. Held-out pairs say whether
it helps, and only then is it used.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from luthier.core.errors import DataError, ModelError
from luthier.core.spec import Spec
from luthier.core.statistics import paired_bootstrap
from luthier.core.store import write_atomic
from luthier.rag.queries.hypothetical import unit

Vectors = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]

VERSION = 1
MATRIX_FILE, RECORD_FILE = "map.npy", "map.json"
LEAST_PAIRS = 50


class LearnSpec(Spec):
    """How a map is learned."""

    method: Literal["ridge", "procrustes"] = "ridge"
    """Any linear map kept near to the identity, or a turn of the space."""
    strengths: tuple[float, ...] = Field((1.0, 3.0, 10.0, 30.0, 100.0, 300.0), min_length=1)
    """How hard ridge keeps to the identity; the one that serves the folds best is taken."""
    folds: int = Field(5, ge=3)
    """Parts of the passages; each is held out once, with a map learned from the others."""
    seed: int = 0
    """Of the split."""


@dataclasses.dataclass(frozen=True, slots=True)
class Learned:
    """What is known of a map.

    Attributes:
        encoder_digest: Of the encoder whose vectors it maps; it is refused for another.
        method: ``ridge`` or ``procrustes``.
        strength: Of ridge; 0 for Procrustes.
        pairs: All it was learned from; each was held out once to judge it.
        before: Mean reciprocal rank of their passages with the encoder alone.
        after: With maps learned without the pair and those of its fold.
        low: Lower end of the 95 % interval of the gain.
        high: Upper end.
    """

    encoder_digest: str
    method: str
    strength: float
    pairs: int
    before: float
    after: float
    low: float
    high: float

    @property
    def helps(self) -> bool:
        """Whether the gain is above zero beyond chance: else the map is not used."""
        return self.low > 0


@dataclasses.dataclass(frozen=True, slots=True)
class LinearMap:
    """A matrix and what is known of it.

    Attributes:
        matrix: float32 [dimension, dimension]; a vector (a row) is multiplied from the left.
        learned: See `Learned`.
    """

    matrix: Vectors
    learned: Learned

    def apply(self, vectors: Vectors) -> Vectors:
        """Question vectors, mapped and of length 1; as they are if the map does not help."""
        return unit(vectors @ self.matrix) if self.learned.helps else vectors


def learn(
    questions: Vectors,
    answers: Sequence[int],
    passages: Vectors,
    encoder_digest: str,
    spec: LearnSpec | None = None,
) -> LinearMap:
    """Learn a map from pairs of questions and passages.

    Whether it helps is told by nested cross-validation (Varma & Simon 2006): each fold is judged
    by a map that neither it nor its strength was learned from. Pairs of one passage stay together.
    The map that is returned is learned from all pairs.

    Args:
        questions: Vectors of length 1, one for each pair, float32 [pairs, dimension].
        answers: For each pair the row of its passage.
        passages: Vectors of all passages that are ranked, float32 [passages, dimension].
        encoder_digest: Of the encoder that made both.
        spec: See `LearnSpec`.

    Raises:
        DataError: Fewer than 50 pairs, or shapes that do not fit.
    """
    spec = spec or LearnSpec()
    right = np.asarray(answers, dtype=np.intp)
    _check(questions, right, passages)
    distinct = np.random.default_rng(spec.seed).permutation(np.unique(right))
    if len(distinct) < spec.folds:
        raise DataError(
            f"the pairs are of {len(distinct)} passages only",
            mend=f"Give pairs of at least {spec.folds} passages.",
        )
    place = {int(passage): n for n, passage in enumerate(distinct)}
    fold = np.array([place[int(row)] % spec.folds for row in right])
    after = np.empty(len(right))
    for number in range(spec.folds):
        held, kept = fold == number, fold != number
        strength = _strength(questions[kept], right[kept], fold[kept], passages, spec)
        matrix = _fit(questions[kept], passages[right[kept]], spec.method, strength)
        after[held] = reciprocal_ranks(unit(questions[held] @ matrix), right[held], passages)
    before = reciprocal_ranks(questions, right, passages)
    gain = paired_bootstrap(after - before, groups=[str(row) for row in right], seed=spec.seed)
    strength = _strength(questions, right, fold, passages, spec)
    learned = Learned(
        encoder_digest,
        spec.method,
        strength,
        len(right),
        round(float(before.mean()), 6),
        round(float(after.mean()), 6),
        round(gain.low, 6),
        round(gain.high, 6),
    )
    matrix = _fit(questions, passages[right], spec.method, strength)
    return LinearMap(matrix.astype(np.float32), learned)


def reciprocal_ranks(questions: Vectors, right: npt.NDArray[np.intp], passages: Vectors) -> Matrix:
    """One over the rank of each question's passage among all; equal scores count as worse.

    Args:
        questions: float32 [questions, dimension].
        right: For each question the row of its passage.
        passages: float32 [passages, dimension].
    """
    ranks = np.empty(len(questions))
    for first in range(0, len(questions), 256):
        block = slice(first, first + 256)
        scores = questions[block] @ passages.T
        own = scores[np.arange(len(scores)), right[block]]
        ranks[block] = (scores >= own[:, None]).sum(axis=1)
    return 1.0 / ranks


def save_map(one: LinearMap, folder: Path) -> None:
    """Write a map as ``map.npy`` and ``map.json``; the record is written last."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / MATRIX_FILE).open("wb") as file:
        np.save(file, one.matrix, allow_pickle=False)
    record = {"version": VERSION, **dataclasses.asdict(one.learned), "helps": one.learned.helps}
    write_atomic(folder / RECORD_FILE, json.dumps(record, indent=2, sort_keys=True))


def load_map(folder: Path, encoder_digest: str) -> LinearMap:
    """Read a map for an encoder.

    Args:
        folder: What `save_map` filled.
        encoder_digest: Of the encoder in use.

    Raises:
        ModelError: There is no map, it is damaged, or it was learned for another encoder.
    """
    try:
        record: dict[str, Any] = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
        if record.pop("version") != VERSION:
            raise ValueError("another version of Luthier wrote it")
        record.pop("helps")
        learned = Learned(**record)
        matrix = np.load(folder / MATRIX_FILE, allow_pickle=False)
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise ModelError(
            f"this learned map cannot be read: {error}",
            where=str(folder),
            mend="Learn it again, or take rag.query.map out of the project file.",
        ) from error
    if learned.encoder_digest != encoder_digest:
        raise ModelError(
            f"this map was learned for another encoder ({learned.encoder_digest[:12]}, not "
            f"{encoder_digest[:12]})",
            where=str(folder),
            mend="Learn it again with this encoder.",
        )
    square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1] and matrix.dtype == np.float32
    if not square or not np.isfinite(matrix).all():
        raise ModelError("this learned map is damaged", where=str(folder / MATRIX_FILE))
    return LinearMap(matrix, learned)


def _fit(questions: Vectors, answers: Vectors, method: str, strength: float) -> Matrix:
    asked, wanted = questions.astype(np.float64), answers.astype(np.float64)
    if method == "procrustes":
        left, _, right = np.linalg.svd(asked.T @ wanted)
        return np.asarray(left @ right)
    kept = strength * np.eye(asked.shape[1])
    return np.asarray(np.linalg.solve(asked.T @ asked + kept, asked.T @ wanted + kept))


def _strength(
    questions: Vectors,
    right: npt.NDArray[np.intp],
    fold: npt.NDArray[np.intp],
    passages: Vectors,
    spec: LearnSpec,
) -> float:
    """The strength under which held-out folds rank their passages best; the greater of equals."""
    if spec.method == "procrustes":
        return 0.0
    best = (-1.0, 0.0)
    for strength in sorted(spec.strengths):
        ranks = []
        for number in np.unique(fold):
            held, kept = fold == number, fold != number
            matrix = _fit(questions[kept], passages[right[kept]], spec.method, strength)
            ranks.append(reciprocal_ranks(unit(questions[held] @ matrix), right[held], passages))
        best = max(best, (float(np.concatenate(ranks).mean()), strength))
    return best[1]


def _check(questions: Vectors, right: npt.NDArray[np.intp], passages: Vectors) -> None:
    if len(questions) < LEAST_PAIRS:
        raise DataError(
            f"{len(questions)} pairs of questions and passages are too few to learn a map",
            mend=f"Give at least {LEAST_PAIRS}.",
        )
    if len(right) != len(questions) or questions.shape[1] != passages.shape[1]:
        raise DataError(
            f"{len(questions)} questions of dimension {questions.shape[1]} do not fit "
            f"{len(right)} answers among passages of dimension {passages.shape[1]}"
        )
    if right.min() < 0 or right.max() >= len(passages):
        raise DataError("a pair names a passage that is not there")
