"""Supervised objectives side by side: what sits on the network, its rows, and what is saved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, assert_never

from pydantic import Field

from luthier.core.ledger import Ledger
from luthier.core.records import Example
from luthier.core.spec import Spec
from luthier.setup.losses import Terms
from luthier.tune import classification, multi_label, regression, retrieval, token_classification
from luthier.tune.classification import Classification
from luthier.tune.multi_label import MultiLabel
from luthier.tune.regression import Regression
from luthier.tune.retrieval import EncoderPairs, Reranker
from luthier.tune.token_classification import TokenClassification

if TYPE_CHECKING:
    from luthier.models.load import Model, Problem
    from luthier.setup.plan import Plan
    from luthier.tune._objective import Objective
    from luthier.tune._supervised import Supervised
    from luthier.tune.tune import TuneSpec

CARD = "supervised.json"
KINDS = (Classification, MultiLabel, TokenClassification, Regression)
OPENED = (*KINDS, *retrieval.KINDS)
"""Objectives whose network is not a language model, and asks for no chat template."""

SupervisedSpec = Classification | MultiLabel | TokenClassification | Regression


class Card(Spec):
    """What ``supervised.json`` in a model's folder says beside transformers' own files."""

    objective: Annotated[SupervisedSpec, Field(discriminator="kind")]
    """What was learned."""
    labels: tuple[str, ...]
    """What the scores stand for, in their order."""
    max_length: int
    """Most tokens of a text that are read."""
    costs: tuple[tuple[float, ...], ...] | None = None
    """``costs[right][predicted]``, if the label of least expected cost is to be predicted."""
    thresholds: tuple[float, ...] | None = None
    """With ``multi_label``, for each label the least probability at which it is said."""
    scale: tuple[float, float] | None = None
    """With ``regression``, mean and standard deviation of the training rows."""


def open_network(
    objective: SupervisedSpec | EncoderPairs | Reranker,
    folder: Path,
    train: Sequence[Example],
    **how: Any,
) -> Model:
    """Load an encoder or decoder with a head for the labels of the training rows.

    Args:
        objective: What is learned.
        folder: A model folder; a head saved for the same labels is kept.
        train: The training rows.
        how: ``device``, ``precision`` and ``seed``, see ``models.load.load_with_head``.

    Raises:
        DataError: Too few labels.
        ModelError: The network cannot be loaded, or has no such head.
    """
    from luthier.models.load import load_with_head

    match objective:
        case Classification():
            return load_with_head(folder, "sequence", classification.labels(train), **how)
        case MultiLabel():
            names = multi_label.labels(objective, train)
            problem: Problem = "multi_label_classification"
            return load_with_head(folder, "sequence", names, problem=problem, **how)
        case TokenClassification():
            return load_with_head(folder, "token", token_classification.labels(train), **how)
        case Regression():
            names = (regression.LABEL,)
            model = load_with_head(folder, "sequence", names, problem="regression", **how)
            model.network.config.luthier_scale = list(regression.scale(train))
            return model
        case EncoderPairs() | Reranker():
            return retrieval.open_network(objective, folder, **how)
        case _:
            assert_never(objective)


def check(objective: SupervisedSpec | EncoderPairs | Reranker, model: Model) -> list[str]:
    """Find out before any step whether the network pools as is asked.

    Returns:
        Names of the modules that learn whatever the method is: the head, and BERT's pooler.

    Raises:
        ModelError: It cannot.
    """
    from luthier.tune import _supervised_network as network

    if isinstance(objective, EncoderPairs | Reranker):
        return retrieval.check(objective, model)
    pooling = "auto" if isinstance(objective, TokenClassification) else objective.pooling
    network.check(model.network, pooling)
    return network.head_modules(model.network, pooling)


def build(
    objective: SupervisedSpec,
    examples: Sequence[Example],
    model: Model,
    tuning: TuneSpec,
    told: Terms | None,
    ledger: Ledger,
) -> Supervised:
    """Make rows ready; see each objective's own ``build``."""
    match objective:
        case Classification():
            return classification.build(
                objective, examples, model, tuning=tuning, told=told, ledger=ledger
            )
        case MultiLabel():
            return multi_label.build(objective, examples, model, tuning=tuning, ledger=ledger)
        case TokenClassification():
            return token_classification.build(
                objective, examples, model, tuning=tuning, ledger=ledger
            )
        case Regression():
            return regression.build(objective, examples, model, tuning=tuning, ledger=ledger)
        case _:
            assert_never(objective)


def operations(model: Model) -> str:
    """What computes states and gradients: ``fused kernels``, or PyTorch and why."""
    from luthier.tune import _compared, _supervised_network

    if hasattr(model.network, "classifier") or hasattr(model.network, "score"):
        return _supervised_network.operations(model.network)
    return _compared.operations(model.network)


def narrow(model: Model, learned: Objective) -> None:
    """Leave token embeddings out of the tuning that no training row needs, until ``widen``."""
    from luthier.tune._compared import Compared
    from luthier.tune._reranked import Reranked
    from luthier.tune._supervised import Supervised
    from luthier.tune._supervised_vocabulary import narrow

    if isinstance(learned, Supervised):
        narrow(model.network, learned.rows.ids)
    elif isinstance(learned, Compared | Reranked):
        narrow(model.network, learned.texts.ids)


def widen(model: Model) -> None:
    """Put the whole embeddings back, if they were narrowed."""
    from luthier.tune._supervised_vocabulary import widen

    widen(model.network)


def write_card(
    tuning: TuneSpec,
    model: Model,
    held_out: Objective | None,
    told: Terms | None,
    plan: Plan,
    folder: Path,
) -> dict[str, float]:
    """Write what transformers' own files do not say: ``supervised.json``, or an encoder's pooling.

    Args:
        tuning: With an objective that is no supervised one, or an encoder's, nothing is written.
        model: Tuned.
        held_out: Validation rows; they decide the thresholds of ``multi_label``.
        told: What balancing said about the loss.
        plan: Device and micro-batch.
        folder: The model's.

    Returns:
        What is to be said beside the validation figures: with thresholds, what they give there.
    """
    from luthier.tune._supervised_rows import label_names

    objective = tuning.objective
    retrieval.write_card(tuning, model, folder)
    if not isinstance(objective, KINDS):
        return {}
    labels = label_names(model)
    more: dict[str, Any] = {}
    figures: dict[str, float] = {}
    if isinstance(objective, Classification):
        more["costs"] = classification.terms(objective, labels, told).costs
    if isinstance(objective, MultiLabel) and held_out is not None:
        more["thresholds"], figures = _thresholds(model, held_out, plan)
    if isinstance(objective, Regression):
        more["scale"] = tuple(model.network.config.luthier_scale)
    length = min(tuning.max_length, model.context_length)
    card = Card(objective=objective, labels=labels, max_length=length, **more)
    (folder / CARD).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return figures


def _thresholds(
    model: Model, held_out: Objective, plan: Plan
) -> tuple[tuple[float, ...], dict[str, float]]:
    from luthier.tune._supervised import Supervised, predict
    from luthier.tune._supervised_figures import best_thresholds, multi_label as figures

    assert isinstance(held_out, Supervised)
    scores = predict(model, held_out.rows, plan, held_out.pooling)
    found = best_thresholds(scores, held_out.targets)
    measured = figures(scores, held_out.targets, found)
    return tuple(found.tolist()), {
        f"validation_{name}_with_thresholds": value for name, value in measured.items()
    }
