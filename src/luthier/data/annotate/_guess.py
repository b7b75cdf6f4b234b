"""What labelling functions and models say of all items: probabilities, and labels sure enough."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, assert_never

import numpy as np
import numpy.typing as npt
from pydantic import Field

from luthier.core.errors import ConfigError
from luthier.core.ledger import Ledger
from luthier.core.progress import Progress
from luthier.core.spec import Spec
from luthier.data.annotate.autolabel import EncoderLabels, ModelLabels, by_encoder, by_model
from luthier.data.annotate.functions import FunctionSpec, apply, report, sure, why_none
from luthier.data.annotate.items import Item, SomeItems
from luthier.data.annotate.label_model import ABSTAIN, Matrix, fit, majority, vote_balance
from luthier.models.encode import Vectors
from luthier.models.generate import Generate

Reals = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

AutomaticSpec = Annotated[ModelLabels | EncoderLabels, Field(discriminator="kind")]


class FunctionsSpec(Spec):
    """Labelling functions and how their votes become one label."""

    functions: tuple[FunctionSpec, ...] = Field(min_length=1)
    """Each names a label or abstains."""
    model: Literal["majority", "accuracies", "confusions"] = "accuracies"
    """`majority` counts votes; `accuracies` weighs them by how right each function seems to be;
    `confusions` learns for each which labels it mistakes for which: for functions that name several
    labels, and many rows."""
    balance: Literal["even", "votes"] | dict[str, Annotated[float, Field(gt=0)]] = "even"
    """`accuracies`: how often each label is expected: nothing is known (`even`), as often as
    functions vote for it (`votes`, where labels are rare and no function votes by chance), or so
    often (`{billing: 3, other: 1}`), which also tells functions that vote too often."""
    min_confidence: float = Field(default=0.7, ge=0.0, le=1.0)
    """Rows whose label is less probable than this get none from functions."""


@dataclasses.dataclass(frozen=True, slots=True)
class Means:
    """What labelling may need.

    Attributes:
        base: Folder that relative paths start from.
        seed: Of whatever is drawn.
        ledger: Gets a line where a function or a model fails on a row.
        progress: Shows bars.
        vectors: Of all items, where the settings ask for an encoder.
        answer: A model, where one was given.
    """

    base: Path
    seed: int
    ledger: Ledger
    progress: Progress
    vectors: Vectors | None
    answer: Generate | None


@dataclasses.dataclass(frozen=True, slots=True)
class Guess:
    """What functions or a model say.

    Attributes:
        probabilities: [items, labels]; zeros where nothing is said.
        best: [items]: number of the label, -1 where none is sure enough.
        confidence: [items]: of the likeliest label, 0 to 1.
    """

    probabilities: Reals
    best: Whole
    confidence: Reals


def by_functions(
    spec: FunctionsSpec, names: Sequence[str], items: Collection[Item], known: Whole, means: Means
) -> tuple[Guess, dict[str, Any]]:
    """Let functions vote and bring their votes together.

    Args:
        spec: Settings.
        names: The scheme's labels.
        items: What to label.
        known: [items] of label numbers, -1 where unknown.
        means: What functions may need.

    Returns:
        The guess, and a report as plain JSON.
    """
    silent: dict[int, str] = {}
    votes = apply(
        spec.functions,
        items,
        names,
        means.base,
        means.ledger,
        means.progress,
        known=known,
        seed=means.seed,
        vectors=means.vectors,
        answer=means.answer,
        silent=silent,
    )
    chances = majority(votes, len(names))
    told: dict[str, Any] = {"majority_accuracy": _accuracy(chances, known)}
    if spec.model != "majority":
        model, chances = fit(
            votes, len(names), form=spec.model, balance=_balance(spec, votes, names)
        )
        told |= {
            "accuracy": _accuracy(chances, known),
            "function_accuracies": [round(float(a), 4) for a in model.accuracies],
            "balance": [round(float(b), 4) for b in model.balance],
            "iterations": model.iterations,
        }
    most = chances.max(axis=1)
    clear = (chances >= most[:, None] - 1e-9).sum(axis=1) == 1
    enough = clear & (most > 0) & (most >= spec.min_confidence - 1e-9)
    best = np.where(enough, chances.argmax(axis=1), ABSTAIN)
    outcome = zip(
        report(votes, spec.functions, names, known),
        given_by(votes, best, most, silent),
        strict=True,
    )
    table = [one.plain() | {"given": given, "note": why} for one, (given, why) in outcome]
    return Guess(chances, best, most), {"functions": table, "label_model": told}


def given_by(
    votes: Matrix, best: Whole, most: Reals, silent: Mapping[int, str]
) -> list[tuple[int, str]]:
    """For each function how many rows got the label it votes for, and if none did, why.

    Args:
        votes: From ``apply``.
        best: [items]: number of the label each row gets from all votes, -1 for none.
        most: [items]: how probable the likeliest label is.
        silent: From ``apply``.
    """
    found = []
    for column, votes_here in enumerate(votes.T):
        here = votes_here >= 0
        given = int((here & (best == votes_here)).sum())
        why = ""
        if column in silent:
            why = silent[column]
        elif not here.any():
            why = "votes on no row"
        elif not given:
            other = int((here & (best >= 0)).sum())
            unsure = here & (best < 0)
            parts = [f"{other:,} outvoted"] if other else []
            if unsure.any():
                parts.append(f"{int(unsure.sum()):,} too unsure (at most {most[unsure].max():.2f})")
            why = f"of its rows {', '.join(parts)}"
        found.append((given, why))
    return found


def by_automatic(
    spec: AutomaticSpec,
    names: Sequence[str],
    items: Collection[Item],
    known: Whole,
    wanted: Whole,
    means: Means,
) -> tuple[Guess, dict[str, Any]]:
    """Let a model or a classifier label.

    Args:
        spec: Settings.
        names: The scheme's labels.
        items: All items.
        known: [items] of label numbers, -1 where unknown.
        wanted: Numbers of the items it is asked about, in order.
        means: What it needs.

    Returns:
        The guess (zeros where it wasn't asked), and a report as plain JSON.

    Raises:
        ConfigError: What it needs was not given.
    """
    match spec:
        case ModelLabels():
            if means.answer is None:
                raise ConfigError("annotation asks for a model, and none was given")
            chosen = np.zeros(len(items), dtype=bool)
            chosen[wanted] = True
            asked = SomeItems(items, chosen.tolist())
            found = by_model(
                asked,
                known[wanted],
                names,
                spec,
                means.answer,
                means.seed,
                means.ledger,
                means.progress,
            )
        case EncoderLabels():
            if means.vectors is None:
                raise ConfigError("annotation asks for an encoder, and none was given")
            found = by_encoder(means.vectors[wanted], known[wanted], len(names), spec, means.seed)
        case _:
            assert_never(spec)
    probabilities = np.zeros((len(items), len(names)))
    best, confidence = np.full(len(items), ABSTAIN), np.zeros(len(items))
    probabilities[wanted] = found.probabilities
    best[wanted], confidence[wanted] = sure(found, spec), found.confidence
    told = {
        "rows": len(wanted),
        "known": found.labelled,
        "sure": int((best >= 0).sum()),
        "note": why_none(found, spec),
    }
    told |= {n: getattr(found, n) for n in ("accuracy", "ece_before", "ece_after", "temperature")}
    return Guess(probabilities, best, confidence), {"automatic": told}


def _accuracy(chances: Reals, known: Whole) -> float | None:
    """Share of rows with votes whose known label is the likeliest; None if there are none."""
    rows = np.flatnonzero((known >= 0) & (chances.max(axis=1, initial=0) > 0))
    if not len(rows):
        return None
    return round(float((chances[rows].argmax(axis=1) == known[rows]).mean()), 4)


def _balance(spec: FunctionsSpec, votes: Matrix, names: Sequence[str]) -> Reals | None:
    """Share of each label as the settings have it; None where nothing is known."""
    if isinstance(spec.balance, dict):
        if set(spec.balance) != set(names):
            odd = ", ".join(sorted(set(spec.balance) ^ set(names)))
            raise ConfigError(
                f"the balance does not name each label once: {odd}",
                where="data.annotate.functions.balance",
                mend=f"The labels are: {', '.join(names)}.",
            )
        shares = np.array([spec.balance[name] for name in names])
        return np.asarray(shares / shares.sum())
    if spec.model == "accuracies" and spec.balance == "votes":
        return vote_balance(votes, len(names))
    return None
