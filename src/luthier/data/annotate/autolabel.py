"""Labels by a model: any ``Generate`` that knows the label list, or an encoder with few labels.

Both give log-probabilities for each row and are calibrated on rows that people labelled; the
encoder's classifier predicts those out of fold, so that it isn't judged on what it learnt.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Collection, Sequence
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator

from luthier.core.errors import ResourceError
from luthier.core.ledger import Ledger
from luthier.core.progress import Progress
from luthier.core.records import Message
from luthier.core.spec import Spec
from luthier.data.annotate.calibrate import Calibration, Method, calibrate, measured, softmax
from luthier.data.annotate.items import Item, in_batches
from luthier.models.encode import Vectors
from luthier.models.generate import Generate, Sampling

Reals = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

PROMPT = (
    "Which of these labels fits the text best? Answer with the label alone.\n\n"
    "Labels: {labels}\n\nText: {text}"
)
AT_ONCE = 32  # texts scored or answered in one call
_NAMED = float(np.log(0.9))  # what a label named in an answer counts before calibration
_FLOOR = -14.0  # log-probability of a label that the classifier never saw


class _Automatic(Spec):
    """What both kinds have in common."""

    min_confidence: float = Field(default=0.9, ge=0.0, le=1.0)
    """Rows less sure than this get no label; they are queued for people."""
    calibration: Method = "temperature"
    """How confidence is fitted to the rows people labelled: `temperature` or `isotonic`."""
    min_labelled: int = Field(default=20, ge=0)
    """With fewer rows labelled by people or their source, confidence cannot be checked: no row is
    labelled, and a model isn't asked at all. 0 trusts a model's own confidence (an encoder still
    needs rows of two labels)."""


class ModelLabels(_Automatic):
    """A model that is shown the text and the labels."""

    kind: Literal["model"] = "model"
    prompt: str = PROMPT
    """What it is asked; `{labels}` and `{text}` are put in."""
    max_new_tokens: int = Field(default=32, ge=1)
    """Longest answer, in tokens, where the model cannot score labels and must name one."""

    @field_validator("prompt")
    @classmethod
    def _has_text(cls, prompt: str) -> str:
        if "{text}" not in prompt:
            raise ValueError("the prompt must hold {text}")
        return prompt


class EncoderLabels(_Automatic):
    """A logistic regression on the encoder's vectors of the rows that have labels."""

    kind: Literal["encoder"] = "encoder"
    c: float = Field(default=10.0, gt=0.0)
    """Inverse strength of the penalty on weights; larger fits the labelled rows more closely."""
    folds: int = Field(default=5, ge=2)
    """Folds in which the labelled rows are predicted for calibration."""


@dataclasses.dataclass(frozen=True, slots=True)
class Predictions:
    """What a model makes of each item.

    Attributes:
        probabilities: [items, labels]; zeros where there is no prediction.
        best: [items]: number of the likeliest label, -1 where there is no prediction.
        confidence: [items]: calibrated, 0 to 1.
        labelled: Rows the calibration rests on.
        accuracy: Share of these predicted right; None if there are none.
        ece_before: Expected calibration error on these before calibration.
        ece_after: And after it, measured on the half that it did not see.
        temperature: Found by calibration; 1 if there was none.
        why: Why there are no predictions, or none that may label; "" where they may.
    """

    probabilities: Reals
    best: Whole
    confidence: Reals
    labelled: int = 0
    accuracy: float | None = None
    ece_before: float | None = None
    ece_after: float | None = None
    temperature: float = 1.0
    why: str = ""


def by_encoder(
    vectors: Vectors, known: Whole, labels: int, spec: EncoderLabels, seed: int
) -> Predictions:
    """Predict the label of each vector from those whose label is known.

    Args:
        vectors: [items, d], normalised.
        known: [items] of label numbers, -1 where unknown.
        labels: How many labels there are.
        spec: Settings.
        seed: Of the folds.

    Returns:
        Predictions; rows with known labels are predicted out of fold. No row is predicted while
        fewer than two labels are known.

    Raises:
        ResourceError: scikit-learn is not installed.
    """
    taught = np.flatnonzero(known >= 0)
    if (several := len(np.unique(known[taught]))) < 2:
        told = f"{len(taught)} rows of {several} labels teach it; it needs rows of two labels"
        return _nothing(len(vectors), labels, len(taught), told)
    logs = np.empty((len(vectors), labels))
    others = np.flatnonzero(known < 0)
    logs[others] = classify(vectors[taught], known[taught], vectors[others], labels, spec.c)
    folds = _folds(known[taught], spec.folds, seed)
    for fold in np.unique(folds):
        here, rest = taught[folds == fold], taught[folds != fold]
        logs[here] = classify(vectors[rest], known[rest], vectors[here], labels, spec.c)
    return _predictions(logs, known, spec, seed)


def by_model(
    items: Collection[Item],
    known: Whole,
    names: Sequence[str],
    spec: ModelLabels,
    answer: Generate,
    seed: int,
    ledger: Ledger,
    progress: Progress,
) -> Predictions:
    """Let a model label each item: by the likelihood of each label, or else by its answer.

    Args:
        items: What to label.
        known: [items] of label numbers, -1 where unknown; used for calibration alone.
        names: The labels.
        spec: Settings.
        answer: The model.
        seed: Of the halves that calibration is measured on.
        ledger: Gets a line for each answer that names no label, or several.
        progress: Shows a bar.

    Returns:
        Predictions; the model isn't asked while fewer rows are known than ``min_labelled``.
    """
    if told := _unchecked(int((known >= 0).sum()), spec):
        return _nothing(len(items), len(names), int((known >= 0).sum()), f"not asked: {told}")
    logs = np.zeros((len(items), len(names)))
    silent = np.zeros(len(items), dtype=bool)
    scores = True  # until the model shows that it cannot
    with progress.task("Labelling by a model", len(items)) as task:
        for first, batch in zip(itertools.count(step=AT_ONCE), in_batches(items, AT_ONCE)):
            chats = [_asked(item.text, names, spec.prompt) for item in batch]
            found: list[Reals | None] = [None] * len(batch)
            if scores:
                found = _scored(chats, names, answer)
            scores = any(row is not None for row in found)
            lacking = [i for i, row in enumerate(found) if row is None]
            named = _named([chats[i] for i in lacking], names, spec, answer)
            for i, (row, said) in zip(lacking, named, strict=True):
                found[i] = row
                if row is None:
                    ledger.change("model named no single label", batch[i].origin, said)
            for i, row in enumerate(found, start=first):
                silent[i] = row is None
                logs[i] = 0 if row is None else row
            task.advance(len(batch))
    return _predictions(logs, np.where(silent, -1, known), spec, seed, silent)


def label_named(said: str, names: Sequence[str]) -> int:
    """Number of the one label that an answer names; -1 if it names none or several.

    An answer that is a label counts at once; else labels are looked for as whole words, and one
    that stands inside a longer one that was found (``card`` in ``lost card``) doesn't count.
    """
    said = " ".join(said.split()).casefold()
    folded = [" ".join(name.split()).casefold() for name in names]
    bare = said.strip(" .!\"'`*:")
    if bare in folded:
        return folded.index(bare)
    rest, found = said, []
    for number in sorted(range(len(folded)), key=lambda i: -len(folded[i])):
        pattern = rf"(?<!\w){re.escape(folded[number])}(?!\w)"
        if re.search(pattern, rest):
            found.append(number)
            rest = re.sub(pattern, " ", rest)
    return found[0] if len(found) == 1 else -1


def _predictions(
    logs: Reals,
    known: Whole,
    spec: ModelLabels | EncoderLabels,
    seed: int,
    silent: npt.NDArray[np.bool_] | None = None,
) -> Predictions:
    """Calibrate on the known rows and predict all."""
    held = np.flatnonzero(known >= 0)
    truth = known[held]
    found = Calibration()
    accuracy, before, after = None, None, None
    if len(held) >= max(2, spec.min_labelled):
        found = calibrate(logs[held], truth, spec.calibration)
        before, after = measured(logs[held], truth, spec.calibration, seed)
        accuracy = float((logs[held].argmax(axis=1) == truth).mean())
    probabilities = found.probabilities(logs)
    confidence = found.confidence(probabilities)
    best = probabilities.argmax(axis=1)
    if silent is not None:
        probabilities[silent], confidence[silent], best[silent] = 0, 0, -1
    why = _unchecked(len(held), spec)
    return Predictions(
        probabilities, best, confidence, len(held), accuracy, before, after, found.temperature, why
    )


def _unchecked(known: int, spec: ModelLabels | EncoderLabels) -> str:
    """Why confidence cannot be checked, if it cannot."""
    if known >= spec.min_labelled:
        return ""
    return f"{known} labelled rows are too few to check it by (`min_labelled`: {spec.min_labelled})"


def _nothing(items: int, labels: int, known: int, why: str) -> Predictions:
    return Predictions(
        np.zeros((items, labels)), np.full(items, -1), np.zeros(items), labelled=known, why=why
    )


class _Classifier(Protocol):
    classes_: Whole

    def fit(self, x: Vectors, y: Whole) -> object: ...

    def predict_log_proba(self, x: Vectors) -> Reals: ...


def classify(taught: Vectors, known: Whole, asked: Vectors, labels: int, c: float) -> Reals:
    """Log-probabilities of each label by a logistic regression fitted to the taught rows.

    Args:
        taught: [n, d] vectors of the rows whose label is known.
        known: [n] of label numbers.
        asked: [m, d] vectors of the rows to predict.
        labels: How many labels there are; those that no taught row has are most unlikely.
        c: Inverse strength of the penalty.

    Returns:
        [m, labels].

    Raises:
        ResourceError: scikit-learn is not installed.
    """
    logs = np.full((len(asked), labels), _FLOOR)
    seen = np.unique(known)
    if not len(asked):
        return logs
    if len(seen) == 1:
        logs[:, seen[0]] = 0
        return logs
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise ResourceError(
            "labels by an encoder need scikit-learn, which is not installed",
            where="data.annotate",
            mend="pip install scikit-learn",
        ) from error
    model: _Classifier = LogisticRegression(C=c, max_iter=500)
    model.fit(taught, known)
    logs[:, model.classes_] = np.maximum(model.predict_log_proba(asked), _FLOOR)
    return logs


def _folds(known: Whole, folds: int, seed: int) -> Whole:
    """A fold for each row, each label spread over the folds."""
    chance = np.random.default_rng(seed)
    found = np.zeros(len(known), dtype=np.int64)
    start = 0
    for label in np.unique(known):
        rows = chance.permutation(np.flatnonzero(known == label))
        found[rows] = (np.arange(len(rows)) + start) % folds
        start += len(rows)  # else labels with one row would all fall into the first fold
    return found


def _asked(text: str, names: Sequence[str], prompt: str) -> tuple[Message, ...]:
    # in one pass: a text that itself holds {labels} stays as it is
    told = {"{labels}": ", ".join(names), "{text}": text}
    return (Message("user", re.sub(r"\{labels\}|\{text\}", lambda m: told[m[0]], prompt)),)


def _scored(
    chats: Sequence[tuple[Message, ...]], names: Sequence[str], answer: Generate
) -> list[Reals | None]:
    """Log-probabilities of the labels for each conversation; None where one cannot be had."""
    repeated = [chat for chat in chats for _ in names]
    scores = answer.score(repeated, [name for _ in chats for name in names])
    rows: list[Reals | None] = []
    for first in range(0, len(scores), len(names)):
        said = [-s.nll_nats for s in scores[first : first + len(names)] if s is not None]
        whole = len(said) == len(names)
        rows.append(np.log(softmax(np.array([said])) + 1e-30)[0] if whole else None)
    return rows


def _named(
    chats: Sequence[tuple[Message, ...]], names: Sequence[str], spec: ModelLabels, answer: Generate
) -> list[tuple[Reals | None, str]]:
    """Log-probabilities from the label each answer names, with the answer."""
    if not chats:
        return []
    others = np.log((1 - np.exp(_NAMED)) / max(len(names) - 1, 1))
    found: list[tuple[Reals | None, str]] = []
    for reply in answer.generate(chats, Sampling(max_new_tokens=spec.max_new_tokens)):
        number = label_named(reply.text, names)
        row = np.full(len(names), others)
        row[number] = _NAMED
        found.append((row if number >= 0 else None, reply.text))
    return found
