"""Confidence that means what it says: of rows given 0.9, nine in ten are right.

Temperature scaling and expected calibration error: C. Guo et al., *On calibration of modern neural
networks*, 2017, sections 2 and 4.2. Isotonic regression for confidence: B. Zadrozny, C. Elkan,
*Transforming classifier scores into accurate multiclass probability estimates*, 2002; fitted by
pooling adjacent violators.
"""

from __future__ import annotations

import dataclasses
from typing import Literal, assert_never

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Method = Literal["temperature", "isotonic"]

BINS = 10
_SPAN = (-3.0, 3.0)  # log of the temperatures looked at: 0.05 to 20
_GOLDEN = (5**0.5 - 1) / 2


@dataclasses.dataclass(frozen=True, slots=True)
class Calibration:
    """How raw scores become confidence.

    Attributes:
        temperature: Log-probabilities are divided by it; 1 leaves them.
        steps: Isotonic: raw confidence at which each step begins, ascending.
        heights: Isotonic: confidence on each step.
    """

    temperature: float = 1.0
    steps: tuple[float, ...] = ()
    heights: tuple[float, ...] = ()

    def probabilities(self, logs: Reals) -> Reals:
        """[rows, labels] of log scores as probabilities (the temperature alone applied)."""
        return softmax(logs / self.temperature)

    def confidence(self, probabilities: Reals) -> Reals:
        """How sure the most likely label of each row is, 0 to 1."""
        most = probabilities.max(axis=1)
        if not self.steps:
            return np.asarray(most)
        at = np.searchsorted(self.steps, most, side="right") - 1
        return np.asarray(np.array(self.heights)[np.maximum(at, 0)])


def softmax(logs: Reals) -> Reals:
    """Rows of log scores as probabilities that sum to 1."""
    likely = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(likely / likely.sum(axis=1, keepdims=True))


def calibrate(logs: Reals, truth: Whole, method: Method) -> Calibration:
    """Fit on rows whose label is known and which the scorer has not learnt from.

    Args:
        logs: [rows, labels] of log-probabilities.
        truth: [rows] of label numbers.
        method: ``temperature`` has one number to fit; ``isotonic`` bends confidence as it must,
            and wants some hundred rows.
    """
    if not len(truth):
        return Calibration()
    match method:
        case "temperature":
            return Calibration(temperature=_temperature(logs, truth))
        case "isotonic":
            chances = softmax(logs)
            right = chances.argmax(axis=1) == truth
            return Calibration(1.0, *_pooled(chances.max(axis=1), right.astype(np.float64)))
        case _:
            assert_never(method)


def ece(confidence: Reals, right: npt.NDArray[np.bool_], bins: int = BINS) -> float:
    """Expected calibration error: how far confidence and accuracy lie apart, 0 to 1.

    Args:
        confidence: [rows], 0 to 1.
        right: [rows]: whether the label was right.
        bins: Of equal width.
    """
    if not len(confidence):
        return 0.0
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    surplus = np.bincount(place, weights=confidence - right, minlength=bins)
    return float(np.abs(surplus).sum() / len(confidence))


def measured(logs: Reals, truth: Whole, method: Method, seed: int) -> tuple[float, float]:
    """ECE before and after calibration, the latter on rows that the calibration did not see.

    Args:
        logs: [rows, labels] of log-probabilities.
        truth: [rows] of label numbers.
        method: As for ``calibrate``.
        seed: Of the two halves that calibrate each other.
    """
    best = logs.argmax(axis=1)
    raw = Calibration()
    order = np.random.default_rng(seed).permutation(len(truth))
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    after = np.zeros(len(truth))
    for fitted, other in (halves, halves[::-1]):
        found = calibrate(logs[fitted], truth[fitted], method)
        after[other] = found.confidence(found.probabilities(logs[other]))
    before = raw.confidence(raw.probabilities(logs)) if len(logs) else after
    return ece(before, best == truth), ece(after, best == truth)


def _temperature(logs: Reals, truth: Whole) -> float:
    """Least negative log-likelihood, by golden-section search (it is convex in 1/T)."""
    rows = np.arange(len(truth))

    def loss(log_temperature: float) -> float:
        scaled = logs / np.exp(log_temperature)
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        return float((np.log(np.exp(scaled).sum(axis=1)) - scaled[rows, truth]).mean())

    low, high = _SPAN
    while high - low > 1e-4:
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def _pooled(raw: Reals, right: Reals) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The non-decreasing steps nearest to the data: (where each begins, its height)."""
    begins, place = np.unique(raw, return_inverse=True)
    sums, counts = np.bincount(place, weights=right), np.bincount(place)
    blocks: list[tuple[float, float, float]] = []  # begin, sum, count
    for begin, total, count in zip(begins, sums, counts, strict=True):
        block = (float(begin), float(total), float(count))
        while blocks and blocks[-1][1] / blocks[-1][2] >= block[1] / block[2]:
            before = blocks.pop()
            block = (before[0], before[1] + block[1], before[2] + block[2])
        blocks.append(block)
    return tuple(b for b, _, _ in blocks), tuple(total / count for _, total, count in blocks)
