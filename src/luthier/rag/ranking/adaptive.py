"""How much meaning counts against words, question by question.

A small logistic model reads what both searches say of a question (does the corpus have its words,
how rare are they, how near is the nearest passage, do both find the same) and tells the weight of
meaning in the calibrated fusion. It is fitted on questions with known answers: what is raised is
nDCG@10 itself, smoothed over neighbouring weights, with a penalty whose size is chosen by cross-
validation over groups. Where cross-validation shows no gain, the model is the best fixed weight
and says so.

That questions want different weights is from Chen et al. 2022, "Out-of-Domain Semantics to the
Rescue!" (arXiv:2201.10582) and Hsu and Tzeng 2025, "DAT" (arXiv:2503.23013), who ask a language
model; the features are pre- and post-retrieval predictors (Carmel and Yom-Tov 2010, "Estimating
the Query Difficulty for Information Retrieval").
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import model_validator

from luthier.core.errors import ConfigError
from luthier.core.spec import Spec
from luthier.core.statistics import folds
from luthier.rag.measuring.metrics import score
from luthier.rag.ranking.fusion import Floats, Leg, fused

SHIPPED = Path(__file__).parent / "weights.json"
"""Fitted on SciFact's training claims by ``benchmarks/rag_quality.py --fit``."""

Feature = Literal["rarest", "matched", "cosine", "words_top", "overlap"]
FEATURES: tuple[Feature, ...] = ("rarest", "matched", "cosine", "words_top", "overlap")
GRID = np.linspace(0.0, 1.0, 21)
"""Weights that are tried."""
_PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3)
_SMOOTH = 0.1  # standard deviation, in weight, of what the gain is smoothed by
_FOLDS = 8
_STEPS, _RATE = 400, 0.1
_FARTHEST = 3.0  # standard deviations; a question farther from those it was fitted on counts as so


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """What a search by words knows of a question.

    Attributes:
        idf: Of each of its distinct words, ln(1 + (N - df + 0.5) / (df + 0.5)).
        df: Passages that have each.
        count: Passages in the index, N.
    """

    idf: tuple[float, ...] = ()
    df: tuple[int, ...] = ()
    count: int = 0

    @property
    def rarest(self) -> float:
        """Mean idf of the three rarest words that the corpus has, 1 for words of one passage."""
        if not self.count:
            return 0.0
        most = math.log1p((self.count - 0.5) / 1.5)
        known = [idf for idf, df in zip(self.idf, self.df, strict=True) if df]
        top = sorted(known, reverse=True)[:3]
        return sum(top) / len(top) / most if top and most > 0 else 0.0

    @property
    def matched(self) -> float:
        """Share of its words that the corpus has."""
        return sum(df > 0 for df in self.df) / len(self.df) if self.df else 0.0


def features(legs: Sequence[Leg], asked: Asked) -> Floats | None:
    """What the model reads, in the order of `FEATURES`; None unless both kinds found something."""
    words = next((one for one in legs if one.kind == "words" and len(one.keys)), None)
    near = next((one for one in legs if one.kind == "meaning" and len(one.keys)), None)
    if words is None or near is None or not asked.count:
        return None
    depth = min(10, len(words.keys), len(near.keys))
    both = len({*words.keys[:10].tolist()} & {*near.keys[:10].tolist()}) / depth
    top = float(words.scores[0])
    bound = words.bound if words.bound > 0 else top
    share = top / bound if bound > 0 else 0.0
    return np.array([asked.rarest, asked.matched, float(near.scores[0]), share, both])


class Weights(Spec):
    """A fitted model; also what is saved, as JSON."""

    features: tuple[Feature, ...]
    """What it reads."""
    centre: tuple[float, ...]
    """Mean of each feature over the questions it was fitted on."""
    spread: tuple[float, ...]
    """Standard deviation of each."""
    coefficients: tuple[float, ...]
    """Of each standardised feature; all 0 for a fixed weight."""
    fixed: float
    """The best fixed weight, taken where the features are not known."""
    bias: float
    """Of the logistic."""
    fitted_on: str
    """Which questions, in words."""
    questions: int
    """How many."""
    gain: float
    """nDCG@10 above the fixed weight's, cross-validated."""

    @model_validator(mode="after")
    def _same_lengths(self) -> Self:
        parts = (self.centre, self.spread, self.coefficients)
        if any(len(part) != len(self.features) for part in parts):
            raise ValueError("centre, spread and coefficients must be as many as features")
        if not all(one > 0 for one in self.spread):
            raise ValueError("spread must be above 0")
        if not 0.0 <= self.fixed <= 1.0:
            raise ValueError("fixed must lie between 0 and 1")
        return self

    def weight(self, legs: Sequence[Leg], asked: Asked) -> float:
        """The weight of meaning for one question, 0 to 1."""
        if not any(self.coefficients):
            return self.fixed
        values = features(legs, asked)
        if values is None or not np.isfinite(values).all():
            return self.fixed
        known = dict(zip(FEATURES, values.tolist(), strict=True))
        total = self.bias
        parts = zip(self.features, self.centre, self.spread, self.coefficients, strict=True)
        for name, centre, spread, own in parts:
            away = (known[name] - centre) / spread
            total += own * min(max(away, -_FARTHEST), _FARTHEST)
        return float(_logistic(total))

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(self.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8")


@functools.lru_cache(maxsize=8)
def load_weights(path: Path = SHIPPED) -> Weights:
    """Read a model.

    Raises:
        ConfigError: It cannot be read, or is none.
    """
    try:
        return Weights.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"these fusion weights cannot be read ({str(error).splitlines()[0]})",
            where=str(path),
            mend="Fit them anew, or leave the setting out for those that ship.",
        ) from error


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A question with known answers, as both searches see it.

    Attributes:
        legs: What they found.
        asked: See `Asked`.
        relevant: Grades by key.
        group: Questions of one group (of one document, say) stay together in cross-validation.
    """

    legs: tuple[Leg, ...]
    asked: Asked
    relevant: Mapping[Any, float]
    group: str


def fit_weights(judged: Sequence[Judged], fitted_on: str, *, seed: int = 0) -> Weights:
    """Fit a model on questions that are used for nothing else; never on test questions.

    Args:
        judged: Those of which both kinds of search found something count.
        fitted_on: What they are, in words; kept with the numbers.
        seed: Of the folds.

    Raises:
        ValueError: Fewer than ten questions can be used.
    """
    usable = [one for one in judged if features(one.legs, one.asked) is not None and one.relevant]
    if len(usable) < 10:
        raise ValueError(f"{len(usable)} questions are too few to fit weights on; ten are needed")
    curves = np.stack([_curve(one) for one in usable])
    read = np.stack([_known(one) for one in usable])
    centre, spread = read.mean(axis=0), read.std(axis=0)
    spread = np.where(spread > 1e-5, spread, 1.0)  # it is kept with six digits
    scaled = np.clip((read - centre) / spread, -_FARTHEST, _FARTHEST)
    fold = folds([one.group for one in usable], _FOLDS, seed)
    base = _validated(curves, scaled, fold, None)
    tried = {p: _validated(curves, scaled, fold, p) for p in _PENALTIES}
    penalty = max(tried, key=lambda p: tried[p])
    gain = tried[penalty] - base
    fixed = float(GRID[_smoothed(curves).mean(axis=0).argmax()])
    learned = np.zeros(1 + len(FEATURES))
    if gain > 0:
        learned = _fitted(curves, scaled, penalty)
    return Weights(
        features=FEATURES,
        centre=_rounded(centre),
        spread=_rounded(spread),
        coefficients=_rounded(learned[1:]),
        fixed=fixed,
        bias=round(float(learned[0]), 6),
        fitted_on=fitted_on,
        questions=len(usable),
        gain=round(max(0.0, gain), 4),
    )


def _known(one: Judged) -> Floats:
    values = features(one.legs, one.asked)
    assert values is not None  # `fit_weights` has left the others out
    return values


def _curve(one: Judged) -> Floats:
    """nDCG@10 at each weight of the grid."""
    found = [fused(one.legs, "calibrated", meaning_weight=float(w)).keys[:10] for w in GRID]
    return score([f.tolist() for f in found], [one.relevant] * len(GRID), ["ndcg@10"])["ndcg@10"]


def _smoothed(curves: Floats) -> Floats:
    kernel = np.exp(-0.5 * ((GRID[:, None] - GRID[None]) / _SMOOTH) ** 2)
    made: Floats = curves @ (kernel / kernel.sum(axis=1, keepdims=True)).T
    return made


def _logistic(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))


def _fitted(curves: Floats, scaled: Floats, penalty: float) -> Floats:
    """Bias and coefficients that raise the smoothed gain, by Adam (Kingma and Ba 2015)."""
    smooth = _smoothed(curves)
    start = float(np.clip(GRID[smooth.mean(axis=0).argmax()], 0.05, 0.95))
    design = np.concatenate([np.ones((len(scaled), 1)), scaled], axis=1)
    theta = np.zeros(design.shape[1])
    theta[0] = math.log(start / (1 - start))
    shrink = np.array([0.0, *[penalty] * scaled.shape[1]])
    first, second = np.zeros_like(theta), np.zeros_like(theta)
    every = np.arange(len(design))
    last = len(GRID) - 1
    for step in range(1, _STEPS + 1):
        weight = _logistic(design @ theta)
        place = np.minimum((weight * last).astype(int), last - 1)
        slope = (smooth[every, place + 1] - smooth[every, place]) * last * weight * (1 - weight)
        grad = (slope[:, None] * design).mean(axis=0) - 2 * shrink * theta
        first, second = 0.9 * first + 0.1 * grad, 0.999 * second + 0.001 * grad**2
        rate = _RATE * (1 - step / _STEPS)
        theta += rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return theta


def _validated(
    curves: Floats, scaled: Floats, folds: npt.NDArray[np.int64], penalty: float | None
) -> float:
    """Mean nDCG@10 of questions by a model that was not fitted on them; None for fixed weights."""
    gained = np.zeros(len(curves))
    for fold in np.unique(folds):
        out = folds == fold
        if penalty is None:
            places = np.full(out.sum(), _smoothed(curves[~out]).mean(axis=0).argmax())
        else:
            theta = _fitted(curves[~out], scaled[~out], penalty)
            weight = _logistic(theta[0] + scaled[out] @ theta[1:])
            places = np.rint(weight * (len(GRID) - 1)).astype(int)
        gained[out] = curves[out][np.arange(out.sum()), places]
    return float(gained.mean())


def _rounded(values: Floats) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in values)
