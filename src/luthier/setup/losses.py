"""Losses of a classifier: cross-entropy, weighted, focal, by expected cost, with smoothed labels.

What the data knows about the loss (class weights, focal gamma, costs) travels in ``losses.json``,
which balancing writes and tuning reads; it goes before what the tuning settings say.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, assert_never

import numpy as np
import numpy.typing as npt
from pydantic import BeforeValidator, Field

from luthier.core.errors import ConfigError, DataError
from luthier.core.spec import Spec

if TYPE_CHECKING:
    from torch import Tensor

FILE_NAME = "losses.json"
_SMALLEST = 1e-7  # of 1 - p in the focal factor, so that its gradient stays finite

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class CrossEntropy(Spec):
    """Negative log-probability of the right label."""

    kind: Literal["cross_entropy"] = "cross_entropy"
    """Tag."""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """Share of the target spread evenly over all labels (Szegedy et al. 2016, section 7)."""


class WeightedCrossEntropy(Spec):
    """Cross-entropy in which a row counts as much as its label's weight says."""

    kind: Literal["weighted"] = "weighted"
    """Tag."""
    class_weights: dict[str, Positive] = Field(min_length=1)
    """Weight for each label; a label not named weighs 1."""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """As with `cross_entropy`."""


class FocalLoss(Spec):
    """Cross-entropy times (1 - p)^gamma: easy rows count less (Lin et al. 2017, section 3)."""

    kind: Literal["focal"] = "focal"
    """Tag."""
    gamma: float = Field(2.0, ge=0)
    """How much less easy rows count; 0 is cross-entropy."""
    class_weights: dict[str, Positive] = Field({})
    """The paper's alpha: weight for each label; a label not named weighs 1."""


class ExpectedCost(Spec):
    """Cross-entropy plus the expected cost of the prediction (Galdran et al. 2020, section 2).

    The classifier then predicts the label of least expected cost (Elkan 2001, section 1).
    """

    kind: Literal["expected_cost"] = "expected_cost"
    """Tag."""
    costs: dict[str, dict[str, NotNegative]] = Field(min_length=1)
    """``costs[right][predicted]``: what the confusion costs; one not named costs 1, none costs 0
    where the prediction is right."""


AnyLoss = Annotated[
    CrossEntropy | WeightedCrossEntropy | FocalLoss | ExpectedCost, Field(discriminator="kind")
]


def _spelt_out(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


LossSpec = Annotated[AnyLoss, BeforeValidator(_spelt_out, json_schema_input_type=str | AnyLoss)]
"""``focal`` is short for ``{kind: focal}``."""


@dataclasses.dataclass(frozen=True, slots=True)
class Terms:
    """All that decides the loss of one classifier.

    Attributes:
        labels: The classes, in the order of the logits.
        class_weights: Above 0, one for each label; None if all weigh the same.
        focal_gamma: 0 or more; None or 0 for no focal factor.
        costs: ``costs[right][predicted]``, 0 or more, 0 on the diagonal; None if costs play no
            part.
        label_smoothing: 0 to below 1; None for none.
    """

    labels: tuple[str, ...]
    class_weights: tuple[float, ...] | None = None
    focal_gamma: float | None = None
    costs: tuple[tuple[float, ...], ...] | None = None
    label_smoothing: float | None = None


def terms_of(
    spec: CrossEntropy | WeightedCrossEntropy | FocalLoss | ExpectedCost,
    labels: Sequence[str],
    told: Terms | None = None,
) -> Terms:
    """Put together what the settings and the data say about the loss.

    Args:
        spec: The tuning settings' choice.
        labels: The classes, in the order of the logits.
        told: What stands in ``losses.json``; each thing it says goes before the settings.

    Raises:
        ConfigError: The settings name a label that does not exist.
        DataError: ``told`` is about other labels.
    """
    names = tuple(labels)
    match spec:
        case CrossEntropy():
            own = Terms(names, label_smoothing=spec.label_smoothing)
        case WeightedCrossEntropy():
            weights = _weights(spec.class_weights, names)
            own = Terms(names, weights, label_smoothing=spec.label_smoothing)
        case FocalLoss():
            alpha = _weights(spec.class_weights, names) if spec.class_weights else None
            own = Terms(names, alpha, focal_gamma=spec.gamma)
        case ExpectedCost():
            own = Terms(names, costs=cost_matrix(spec.costs, names, where="loss.costs"))
        case _:
            assert_never(spec)
    return own if told is None else _overridden(own, told)


def cost_matrix(
    costs: Mapping[str, Mapping[str, float]],
    labels: Sequence[str],
    *,
    where: str,
    otherwise: Mapping[str, float] | None = None,
) -> tuple[tuple[float, ...], ...]:
    """Costs by names as a matrix ``[right][predicted]`` with 0 on the diagonal.

    Args:
        costs: ``costs[right][predicted]``.
        labels: Rows and columns.
        where: Named in errors.
        otherwise: What each confusion of a right label costs that is not named; else 1.

    Raises:
        ConfigError: A label does not exist, or a right prediction costs something.
    """
    _known([*costs, *(p for row in costs.values() for p in row), *(otherwise or ())], labels, where)
    free = [right for right, row in costs.items() if row.get(right, 0.0) != 0.0]
    if free:
        raise ConfigError(
            f"a right prediction of {free[0]!r} must cost 0",
            where=where,
            mend="Take that pair out.",
        )
    rest = otherwise or {}
    return tuple(
        tuple(
            0.0 if right == told else float(costs.get(right, {}).get(told, rest.get(right, 1.0)))
            for told in labels
        )
        for right in labels
    )


def write_losses(path: Path, terms: Terms) -> None:
    """Write ``losses.json``; what does not apply is null."""
    text = json.dumps(dataclasses.asdict(terms), indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def read_losses(path: Path) -> Terms:
    """Read what ``write_losses`` wrote.

    Raises:
        DataError: The file is damaged: not JSON, unknown or missing keys, sizes that don't fit.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        found["labels"] = tuple(found["labels"])
        if found.get("class_weights") is not None:
            found["class_weights"] = tuple(map(float, found["class_weights"]))
        if found.get("costs") is not None:
            found["costs"] = tuple(tuple(map(float, row)) for row in found["costs"])
        terms = Terms(**found)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"cannot read these losses: {error!r}", where=str(path)) from error
    if problem := _misfit(terms):
        raise DataError(f"these losses don't fit together: {problem}", where=str(path))
    return terms


def classification_loss(logits: Tensor, targets: Tensor, terms: Terms) -> Tensor:
    """The loss of a batch, a scalar: the sum over rows divided by the sum of their weights.

    That is how ``torch.nn.functional.cross_entropy`` averages.

    Args:
        logits: Shape (rows, labels), any float type.
        targets: Indices of the right labels, shape (rows,).
        terms: What counts.
    """
    return summed_loss(logits, targets, terms) / row_weights(targets, terms).sum()


def row_weights(targets: Tensor, terms: Terms) -> Tensor:
    """How much each row counts: its label's weight, float32, shape (rows,)."""
    import torch

    if terms.class_weights is None:
        return torch.ones(len(targets), device=targets.device)
    return torch.tensor(terms.class_weights, device=targets.device)[targets]


def summed_loss(logits: Tensor, targets: Tensor, terms: Terms) -> Tensor:
    """The sum of the losses of some rows, a float32 scalar.

    A row's loss is its label's weight times the (smoothed, focal) cross-entropy plus the expected
    cost. Sums over parts of a batch, divided by ``row_weights`` of the whole of it, add up to
    ``classification_loss`` of the batch.

    Args:
        logits: Shape (rows, labels), any float type.
        targets: Indices of the right labels, shape (rows,).
        terms: What counts.
    """
    import torch

    logs = torch.log_softmax(logits.float(), dim=-1)
    of_row = row_weights(targets, terms)
    right = logs.gather(1, targets[:, None])[:, 0]
    loss = -right * of_row
    if terms.label_smoothing:
        weighed = logs
        if terms.class_weights is not None:
            weighed = logs * torch.tensor(terms.class_weights, device=logits.device)
        spread = -weighed.mean(dim=-1)
        loss = (1.0 - terms.label_smoothing) * loss + terms.label_smoothing * spread
    if terms.focal_gamma:
        loss = loss * (-torch.expm1(right)).clamp(min=_SMALLEST) ** terms.focal_gamma
    if terms.costs is not None:
        costs = torch.tensor(terms.costs, device=logits.device)
        loss = loss + of_row * (logs.exp() * costs[targets]).sum(dim=-1)
    return loss.sum()


def decide(probabilities: npt.NDArray[np.floating[Any]], terms: Terms) -> npt.NDArray[np.intp]:
    """The label to predict for each row: the likeliest, or with costs that of least expected cost.

    Args:
        probabilities: Shape (rows, labels).
        terms: Its costs are used: ``argmin_j sum_i p_i costs[i][j]`` (Elkan 2001, equation 1).
    """
    if terms.costs is None:
        chosen: npt.NDArray[np.intp] = np.argmax(probabilities, axis=1)
    else:
        chosen = np.argmin(probabilities @ np.asarray(terms.costs), axis=1)
    return chosen


def _known(names: Sequence[str], labels: Sequence[str], where: str) -> None:
    if unknown := sorted(set(names) - set(labels)):
        raise ConfigError(
            f"no training row has the label {unknown[0]!r}",
            where=where,
            mend="There are: " + ", ".join(sorted(labels)[:20]),
        )


def _weights(weights: Mapping[str, float], labels: tuple[str, ...]) -> tuple[float, ...]:
    _known(list(weights), labels, "loss.class_weights")
    return tuple(float(weights.get(label, 1.0)) for label in labels)


def _overridden(own: Terms, told: Terms) -> Terms:
    if set(own.labels) != set(told.labels):
        odd = sorted(set(own.labels) ^ set(told.labels))
        raise DataError(
            f"{FILE_NAME} is about other labels than the training rows: {odd[0]!r}",
            where=FILE_NAME,
            mend="Balance the rows again.",
        )
    order = [told.labels.index(label) for label in own.labels]
    changes: dict[str, Any] = {}
    if told.class_weights is not None:
        changes["class_weights"] = tuple(told.class_weights[i] for i in order)
    if told.costs is not None:
        changes["costs"] = tuple(tuple(told.costs[i][j] for j in order) for i in order)
    if told.focal_gamma is not None:
        changes["focal_gamma"] = told.focal_gamma
    if told.label_smoothing is not None:
        changes["label_smoothing"] = told.label_smoothing
    return dataclasses.replace(own, **changes)


def _misfit(terms: Terms) -> str:
    """What is wrong with terms read from a file; nothing if empty."""
    size = len(terms.labels)
    if not size or len(set(terms.labels)) != size:
        return "labels are missing or repeated"
    if terms.class_weights is not None and (
        len(terms.class_weights) != size or not all(w > 0 for w in terms.class_weights)
    ):
        return "class_weights must be one number above 0 for each label"
    if terms.costs is not None and (
        len(terms.costs) != size
        or any(len(row) != size or not all(c >= 0 for c in row) for row in terms.costs)
        or any(terms.costs[i][i] != 0 for i in range(size))
    ):
        return "costs must be a square of numbers, 0 or more, with 0 on the diagonal"
    if not (terms.focal_gamma or 0.0) >= 0:
        return "focal_gamma must be 0 or more"
    if not 0 <= (terms.label_smoothing or 0.0) < 1:
        return "label_smoothing must be from 0 to below 1"
    return ""
