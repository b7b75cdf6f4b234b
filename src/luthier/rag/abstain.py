"""Say "not in the documents" when the evidence is weak, at a rate of false answers you choose.

What retrieval found is summed up in a few figures (`Signs`). On questions whose answers are known
to be in the documents, and on others known not to be, a logistic regression learns on one half how
likely an answer is there; the other half sets the threshold so that at most the target share of
unanswerable questions is answered (conformal risk control, Angelopoulos et al. 2022: holds for
questions like those it was calibrated on, on average over calibrations). Without a calibration
nothing is withheld, and that is said.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from luthier.core.errors import DataError, StoreError
from luthier.core.records import Passage
from luthier.core.spec import Spec
from luthier.core.store import write_atomic
from luthier.rag.reading.spans import Similarity, find, weights
from luthier.rag.reading.terms import stems

VERSION = 2
FILE_NAME = "abstention.json"
LEAST = 20
"""Fewest answerable and fewest unanswerable questions of a calibration."""
_RIDGE = 1.0
_STEPS = 50

Floats = npt.NDArray[np.float64]


class AbstainSpec(Spec):
    """What happens where the documents do not seem to answer."""

    policy: Literal["off", "refuse", "warn"] = "off"
    """``refuse`` says ``sentence`` in place of an answer, ``warn`` puts ``warning`` before it."""
    sentence: str = Field("This is not in the documents.", min_length=1)
    """What is said instead of an answer."""
    warning: str = Field("The documents may not answer this.", min_length=1)
    """What stands before a doubtful answer."""
    target: float = Field(0.1, gt=0.0, lt=1.0)
    """Share of unanswerable questions that may be answered all the same."""


@dataclasses.dataclass(frozen=True, slots=True)
class Signs:
    """What retrieval tells of whether a question can be answered.

    Attributes:
        best: Score of the best passage; 0 without one.
        gap: How much better it is than the second.
        covered: Share of the question's words, by how rare they are, in all passages together.
        sentence: The same in the one sentence that holds most.
        kind: 1 if that sentence holds something of the kind that is asked for.
        meaning: Cosine of the question and the closest sentence; 0 without an encoder.
    """

    best: float = 0.0
    gap: float = 0.0
    covered: float = 0.0
    sentence: float = 0.0
    kind: float = 0.0
    meaning: float = 0.0


NAMES = tuple(field.name for field in dataclasses.fields(Signs))


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """A question of a calibration.

    Attributes:
        signs: What retrieval told.
        answerable: Whether the answer stands in the documents that were searched.
    """

    signs: Signs
    answerable: bool


def signs(question: str, passages: Sequence[Passage], similar: Similarity | None = None) -> Signs:
    """Sum up what was found for a question.

    Args:
        question: As it was searched for.
        passages: Best first, with their scores.
        similar: An encoder's cosines (`luthier.rag.extract.similarity`), or none.
    """
    if not passages:
        return Signs()
    weight = weights(question, passages)
    whole = sum(weight.values())
    there = frozenset[str]().union(*(stems(f"{p.title}\n{p.shown}") for p in passages))
    found = find(question, passages, weight_of=weight)
    best = max(found, key=lambda f: f.holding, default=None)
    scores = [p.score for p in passages]
    close = 0.0
    if similar is not None and found:
        close = max(float(c) for c in similar(question, [f.text for f in found]))
    return Signs(
        best=scores[0],
        gap=scores[0] - scores[1] if len(scores) > 1 else scores[0],
        covered=sum(w for s, w in weight.items() if s in there) / whole if whole else 0.0,
        sentence=best.holding if best else 0.0,
        kind=float(best.kind) if best else 0.0,
        meaning=close,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Calibration:
    """What was learned, and from what.

    Attributes:
        weights: Of the signs, standardised, in the order of `NAMES`.
        bias: Of the regression.
        centre: Mean of each sign.
        spread: Standard deviation of each sign; 1 where it never varied.
        threshold: An answer is given from this likelihood; above 1 none ever is.
        target: Share of unanswerable questions that may be answered.
        answerable: Questions of a known answer.
        unanswerable: Questions of none.
        false_answers: Share of the unanswerable ones of the second half that are answered.
        answered: Share of the answerable ones of the second half that are answered.
        searched: What the scores depend on (retriever, encoder, depth), as the caller names it.
        questions_digest: SHA-256 of all signs it was made from.
        index_version: Of the index whose documents it knows; 0 if that never changes.
    """

    weights: tuple[float, ...]
    bias: float
    centre: tuple[float, ...]
    spread: tuple[float, ...]
    threshold: float
    target: float
    answerable: int
    unanswerable: int
    false_answers: float
    answered: float
    searched: str
    questions_digest: str
    index_version: int = 0

    def likelihood(self, one: Signs) -> float:
        """How likely the documents answer, 0 to 1."""
        return float(_likelihoods(self, _rows([one]))[0])

    def answers(self, one: Signs) -> bool:
        """Whether an answer should be given."""
        return self.likelihood(one) >= self.threshold

    def write(self, path: Path) -> None:
        """Save as JSON."""
        write_atomic(path, json.dumps({"version": VERSION, **dataclasses.asdict(self)}, indent=2))

    @classmethod
    def read(cls, path: Path, searched: str) -> Self:
        """Read what `write` saved.

        Args:
            path: The file.
            searched: What scores depend on now; a calibration for other scores is refused.

        Raises:
            StoreError: The file is missing or damaged, or was made for another search.
        """
        mend = "Calibrate again: luthier rag calibrate."
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            if told.pop("version") != VERSION:
                raise StoreError("this calibration has another format", where=str(path), mend=mend)
            fields: dict[str, Any] = {
                k: tuple(v) if isinstance(v, list) else v for k, v in told.items()
            }
            made = cls(**fields)
            if not len(made.weights) == len(made.centre) == len(made.spread) == len(NAMES):
                raise ValueError("it has another number of signs")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(
                f"this calibration cannot be read: {error}", where=str(path), mend=mend
            ) from error
        if made.searched != searched:
            raise StoreError(
                "'not in the documents' was calibrated for another search: "
                f"{_differs(made, searched)}",
                where=str(path),
                mend=mend,
            )
        return made


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """Whether to answer.

    Attributes:
        answer: False where the evidence is too weak.
        likelihood: That the documents answer; None without a calibration.
    """

    answer: bool
    likelihood: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class Abstention:
    """Decides for each question.

    Attributes:
        spec: What happens then.
        calibration: None: every question is answered, and `told` says so.
        similar: The encoder's cosines, if the calibration was made with them.
        index_version: Of the index that is asked; 0 if that never changes.
    """

    spec: AbstainSpec
    calibration: Calibration | None
    similar: Similarity | None = None
    index_version: int = 0

    def decide(self, question: str, passages: Sequence[Passage]) -> Decision:
        """Whether what was found is enough to answer."""
        if self.calibration is None or self.spec.policy == "off":
            return Decision(True, None)
        one = signs(question, passages, self.similar)
        likely = self.calibration.likelihood(one)
        return Decision(likely >= self.calibration.threshold, likely)

    @property
    def told(self) -> str:
        """One sentence on whether it works, for logs and pages."""
        made = self.calibration
        if self.spec.policy == "off":
            return "abstention is off"
        if made is None:
            return (
                f"abstention is off: the policy is '{self.spec.policy}', but there is no "
                "calibration (luthier rag calibrate)"
            )
        stale = ""
        if self.index_version != made.index_version:
            stale = (
                f"; that was at version {made.index_version} of the index, which is now at "
                f"{self.index_version}: luthier rag calibrate"
            )
        return (
            f"abstention ({self.spec.policy}): calibrated on {made.answerable} answerable and "
            f"{made.unanswerable} unanswerable questions; at most {made.target:.0%} of the latter "
            f"are answered, and {made.answered:.0%} of the former{stale}"
        )


def calibrate(
    cases: Sequence[Case], target: float, searched: str, *, seed: int = 0, index_version: int = 0
) -> Calibration:
    """Learn when to answer.

    Args:
        cases: At least `LEAST` of each kind, none of them used to judge the result.
        target: Share of unanswerable questions that may be answered.
        searched: What the scores depend on; `Calibration.read` compares it.
        seed: Of the halving.
        index_version: See `Calibration`.

    Raises:
        DataError: Too few cases.
    """
    counts = [sum(c.answerable is kind for c in cases) for kind in (True, False)]
    if min(counts) < LEAST:
        raise DataError(
            f"a calibration needs {LEAST} answerable and {LEAST} unanswerable questions, not "
            f"{counts[0]} and {counts[1]}"
        )
    rows = _rows([c.signs for c in cases])
    wanted = np.array([c.answerable for c in cases])
    first = _halves(wanted, seed)
    centre, spread = rows[first].mean(0), rows[first].std(0)
    spread[spread < 1e-9] = 1.0
    fitted = _logistic((rows[first] - centre) / spread, wanted[first])
    made = Calibration(
        weights=tuple(map(float, fitted[1:])),
        bias=float(fitted[0]),
        centre=tuple(map(float, centre)),
        spread=tuple(map(float, spread)),
        threshold=2.0,
        target=target,
        answerable=counts[0],
        unanswerable=counts[1],
        false_answers=0.0,
        answered=0.0,
        searched=searched,
        questions_digest=hashlib.sha256(rows.tobytes() + wanted.tobytes()).hexdigest(),
        index_version=index_version,
    )
    likely, known = _likelihoods(made, rows[~first]), wanted[~first]
    threshold = threshold_at(likely[~known].tolist(), target)
    return dataclasses.replace(
        made,
        threshold=threshold,
        false_answers=float((likely[~known] >= threshold).mean()),
        answered=float((likely[known] >= threshold).mean()),
    )


def threshold_at(wrong: Sequence[float], target: float) -> float:
    """The score from which at most a share of wrong ones passes, by conformal risk control.

    Args:
        wrong: Scores of cases that should not pass.
        target: The share of such that may.

    Returns:
        The least threshold with (passing + 1) / (cases + 1) <= target; infinity if there is none.
    """
    worst = sorted(wrong, reverse=True)
    room = math.floor(target * (len(worst) + 1) + 1e-9) - 1  # so many may pass
    if room < 0:
        return math.inf
    if room >= len(worst):
        return -math.inf
    return math.nextafter(worst[room], math.inf)


def _differs(made: Calibration, searched: str) -> str:
    """Which settings of a search are others than those of a calibration."""
    try:
        then, now = json.loads(made.searched), json.loads(searched)
        names = [key for key in {**then, **now} if then.get(key) != now.get(key)]
    except (ValueError, AttributeError):
        return f"'{made.searched}', now '{searched}'"
    return f"rag.{', rag.'.join(names)} changed since, so its scores mean something else"


def _rows(many: Sequence[Signs]) -> Floats:
    return np.array([[getattr(one, name) for name in NAMES] for one in many], dtype=np.float64)


def _likelihoods(made: Calibration, rows: Floats) -> Floats:
    scaled = (rows - np.array(made.centre)) / np.array(made.spread)
    told: Floats = 1 / (1 + np.exp(-np.clip(scaled @ np.array(made.weights) + made.bias, -50, 50)))
    return told


def _halves(wanted: npt.NDArray[np.bool_], seed: int) -> npt.NDArray[np.bool_]:
    """One half of each kind of case."""
    draw = np.random.default_rng(seed)
    first = np.zeros(len(wanted), dtype=bool)
    for kind in (True, False):
        places = draw.permutation(np.flatnonzero(wanted == kind))
        first[places[: len(places) // 2]] = True
    return first


def _logistic(rows: Floats, wanted: npt.NDArray[np.bool_]) -> Floats:
    """Bias and weights of a ridge logistic regression, both kinds weighing the same (Newton)."""
    x = np.hstack([np.ones((len(rows), 1)), rows])
    y = wanted.astype(np.float64)
    balance = np.where(wanted, 0.5 / y.mean(), 0.5 / (1 - y.mean()))
    ridge = np.diag([1e-6, *[_RIDGE] * rows.shape[1]])
    beta = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ beta, -50, 50)))
        slope = x.T @ (balance * (y - p)) - ridge @ beta
        curve = (x * (balance * p * (1 - p))[:, None]).T @ x + ridge
        step = np.linalg.solve(curve, slope)
        beta += step
        if np.abs(step).max() < 1e-10:
            break
    return np.asarray(beta, dtype=np.float64)
