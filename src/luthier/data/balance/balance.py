"""Balance the classes of the training side: by rows, by vectors, or by the loss.

Test and validation rows pass through untouched, as do training rows without a label. What
concerns the loss is written to ``losses.json`` and is used where a classifier is tuned.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, assert_never

from pydantic import Field, model_validator

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.core.progress import Progress
from luthier.core.records import Example, read_table, write_table
from luthier.core.spec import Spec
from luthier.data.balance._resample import by_label, counts_of, over_sample, under_sample
from luthier.data.balance._smote import SmoteMethod
from luthier.data.balance._synthetic import CleanUp, with_synthetic
from luthier.data.balance._weights import balanced, effective_number
from luthier.data.balance.vectors import (
    FILE_NAME as VECTORS_NAME,
    Encode,
    VectorRows,
    write_vectors,
)
from luthier.setup.losses import (
    FILE_NAME as LOSSES_NAME,
    NotNegative,
    Terms,
    cost_matrix,
    write_losses,
)

BALANCE_VERSION = 1


class OverSample(Spec):
    """Copies of rows of rare classes, drawn with replacement."""

    kind: Literal["over_sample"] = "over_sample"
    """Tag."""
    ratio: float = Field(1.0, gt=0, le=1)
    """Share of the largest class's rows that every class has in the end."""


class UnderSample(Spec):
    """Fewer rows of frequent classes; those left out stand in the ledger."""

    kind: Literal["under_sample"] = "under_sample"
    """Tag."""
    ratio: float = Field(1.0, gt=0, le=1)
    """Smallest class's rows divided by the largest's in the end."""


class Smote(Spec):
    """New vectors between neighbours of a rare class, for a classifier on encoder vectors."""

    kind: Literal["smote"] = "smote"
    """Tag."""
    method: SmoteMethod = "smote"
    """`smote` anywhere in the class (Chawla et al. 2002), `borderline` from rows close to another
    class (Han et al. 2005), `adasyn` the more, the more of another class is near (He et al. 2008).
    """
    ratio: float = Field(1.0, gt=0, le=1)
    """Share of the largest class's rows that every class has in the end."""
    neighbours: int = Field(5, ge=1)
    """Of how many nearest rows of the class one is drawn; fewer in classes too small for it."""
    then: CleanUp = "nothing"
    """Clean-up afterwards (Batista et al. 2004): `tomek` takes out both rows of each pair of
    nearest neighbours of two classes, `edited` each row that most of its three neighbours
    contradict."""


class ClassWeights(Spec):
    """Weights in the loss, inverse to each class's frequency."""

    kind: Literal["class_weights"] = "class_weights"
    """Tag."""


class EffectiveNumber(Spec):
    """Weights in the loss, inverse to each class's effective number of rows (Cui et al. 2019)."""

    kind: Literal["effective_number"] = "effective_number"
    """Tag."""
    beta: float = Field(0.999, ge=0, lt=1)
    """0 weighs all classes the same; towards 1 it becomes inverse frequency."""


class Focal(Spec):
    """Focal loss: easy rows count less (Lin et al. 2017)."""

    kind: Literal["focal"] = "focal"
    """Tag."""
    gamma: float = Field(2.0, gt=0)
    """How much less."""


class Costs(Spec):
    """What confusions cost, for the loss and for the choice of the predicted label."""

    kind: Literal["costs"] = "costs"
    """Tag."""
    of_class: dict[str, NotNegative] = Field({})
    """Cost of missing a row of this label, whatever is predicted instead; 1 if not named."""
    of_pair: dict[str, dict[str, NotNegative]] = Field({})
    """``of_pair[right][predicted]``: cost of one confusion; goes before `of_class`."""

    @model_validator(mode="after")
    def _says_something(self) -> Costs:
        if not self.of_class and not self.of_pair:
            raise ValueError("name costs under of_class or of_pair")
        return self


class LabelSmoothing(Spec):
    """Part of each target spread over all labels (Szegedy et al. 2016)."""

    kind: Literal["label_smoothing"] = "label_smoothing"
    """Tag."""
    amount: float = Field(0.1, gt=0, lt=1)
    """Share that is spread."""


Technique = Annotated[
    OverSample
    | UnderSample
    | Smote
    | ClassWeights
    | EffectiveNumber
    | Focal
    | Costs
    | LabelSmoothing,
    Field(discriminator="kind"),
]


class BalanceSpec(Spec):
    """How the classes of the training side are balanced."""

    techniques: tuple[Technique, ...] = Field(min_length=1)
    """Applied in this order; weights follow from the rows that are there in the end."""

    @model_validator(mode="after")
    def _fits_together(self) -> BalanceSpec:
        kinds = [t.kind for t in self.techniques]
        if len(set(kinds)) != len(kinds):
            raise ValueError("each technique may stand here once")
        if "class_weights" in kinds and "effective_number" in kinds:
            raise ValueError("class_weights and effective_number exclude each other")
        if "smote" in kinds and {"over_sample", "under_sample"} & set(
            kinds[kinds.index("smote") :]
        ):
            raise ValueError("smote works on vectors: over_sample and under_sample go before it")
        return self


@dataclasses.dataclass
class _State:
    """What the techniques work on, one after the other."""

    rows: list[Example]  # labelled training rows
    labels: tuple[str, ...]
    ledger: Ledger
    copied: set[str] = dataclasses.field(default_factory=set)
    vectors: VectorRows | None = None
    fell_back: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """What is learnt from, by label: vectors where there are any, else rows."""
        if self.vectors is not None:
            return counts_of(self.vectors.labels)
        return counts_of([row.label for row in self.rows])


def balance(
    spec: BalanceSpec,
    prepared: Path,
    folder: Path,
    progress: Progress,
    *,
    seed: int,
    encode: Encode,
) -> dict[str, Any]:
    """Apply the techniques to the labelled training rows of a prepared folder.

    Args:
        spec: The stage's settings.
        prepared: A folder with ``examples.parquet``, split into sides.
        folder: Where ``examples.parquet``, ``ledger.parquet``, ``losses.json``, ``balance.json``
            and, with SMOTE, ``vectors.npz`` go.
        progress: Told what is being done.
        seed: Decides what is copied, left out and made.
        encode: Vectors of length 1 for texts; called for SMOTE alone.

    Returns:
        Class counts before and after, copies, synthetic vectors, refusals, seconds: plain JSON.

    Raises:
        DataError: No side is set, or the training rows have fewer than two labels.
        ConfigError: A cost names a label that no training row has.
    """
    started = time.monotonic()
    examples = read_table(prepared / "examples.parquet", Example)
    state = _start(examples)
    before = state.counts
    _terms(spec, state.labels, before)  # refuses unknown labels before the work starts
    with progress.task("Balancing classes", len(spec.techniques)) as task:
        for technique in spec.techniques:
            _apply(technique, state, seed, encode)
            task.advance(note=technique.kind)
    out = _put_back(examples, state)
    state.ledger.check(
        rows_in=len(examples) + len(state.copied), rows_out=len(out), limit=1.0, stage="balance"
    )
    write_table(folder / "examples.parquet", out, Example)
    state.ledger.write(folder)
    terms = _terms(spec, state.labels, state.counts)
    write_losses(folder / LOSSES_NAME, terms)
    if state.vectors is not None:
        write_vectors(folder / VECTORS_NAME, state.vectors)
    told = _summary(before, state, terms)
    text = json.dumps(told, indent=2, ensure_ascii=False)
    (folder / "balance.json").write_text(text + "\n", encoding="utf-8")
    return {**told, "seconds": round(time.monotonic() - started, 2)}


def _start(examples: Sequence[Example]) -> _State:
    for row in examples:
        if not row.side:
            raise DataError(
                "this row is on no side of the split", where=row.origin, mend="Split first."
            )
    rows = [row for row in examples if row.side == "train" and row.label]
    labels = tuple(by_label(rows))
    if len(labels) < 2:
        raise DataError(
            f"the training rows have {len(labels)} labels; balancing takes two or more",
            where="data.balance",
            mend="Name the column of labels in the source (`label`), or leave out `balance`.",
        )
    return _State(rows, labels, Ledger())


def _apply(technique: Technique, state: _State, seed: int, encode: Encode) -> None:
    match technique:
        case OverSample():
            copies = over_sample(state.rows, technique.ratio, seed)
            state.copied |= {row.id for row in copies}
            state.rows = [*state.rows, *copies]
        case UnderSample():
            state.rows = under_sample(state.rows, technique.ratio, seed, state.ledger)
        case Smote():
            state.rows, state.vectors, state.fell_back = with_synthetic(
                state.rows,
                method=technique.method,
                ratio=technique.ratio,
                neighbour_count=technique.neighbours,
                then=technique.then,
                seed=seed,
                encode=encode,
                ledger=state.ledger,
            )
        case ClassWeights() | EffectiveNumber() | Focal() | Costs() | LabelSmoothing():
            pass  # follow from the rows that are there in the end: see _terms
        case _:
            assert_never(technique)


def _terms(spec: BalanceSpec, labels: tuple[str, ...], counts: Mapping[str, int]) -> Terms:
    """What the techniques say about the loss, for these numbers of rows."""
    terms = Terms(labels)
    for technique in spec.techniques:
        match technique:
            case ClassWeights():
                weights = balanced(counts)
                chosen = tuple(weights[label] for label in labels)
                terms = dataclasses.replace(terms, class_weights=chosen)
            case EffectiveNumber():
                weights = effective_number(counts, technique.beta)
                chosen = tuple(weights[label] for label in labels)
                terms = dataclasses.replace(terms, class_weights=chosen)
            case Focal():
                terms = dataclasses.replace(terms, focal_gamma=technique.gamma)
            case LabelSmoothing():
                terms = dataclasses.replace(terms, label_smoothing=technique.amount)
            case Costs():
                costs = cost_matrix(
                    technique.of_pair,
                    labels,
                    where="data.balance.techniques",
                    otherwise=technique.of_class,
                )
                terms = dataclasses.replace(terms, costs=costs)
            case OverSample() | UnderSample() | Smote():
                pass
            case _:
                assert_never(technique)
    return terms


def _put_back(examples: Sequence[Example], state: _State) -> list[Example]:
    """All rows in their old order, without those left out, the copies at the end.

    Raises:
        AssertionError: A row of another side or without a label would change: our defect.
    """
    balanced_rows = {row.id: row for row in state.rows}
    old = {row.id for row in examples}
    out = [row for row in examples if not _concerned(row) or row.id in balanced_rows]
    out += [row for row in state.rows if row.id not in old]
    untouched = [row for row in examples if not _concerned(row)]
    if [row for row in out if not _concerned(row)] != untouched:
        raise AssertionError("balance: rows that balancing does not concern have changed")
    return out


def _concerned(row: Example) -> bool:
    return row.side == "train" and bool(row.label)


def _summary(before: Mapping[str, int], state: _State, terms: Terms) -> dict[str, Any]:
    after = state.counts
    told: dict[str, Any] = {
        "before": dict(before),
        "after": after,
        "imbalance_before": round(max(before.values()) / min(before.values()), 3),
        "imbalance_after": round(max(after.values()) / min(after.values()), 3),
        "rows": len(state.rows),
        "copies": sum(row.id in state.copied for row in state.rows),
        "synthetic_vectors": 0 if state.vectors is None else state.vectors.ids.count(""),
        "other_method_used": state.fell_back,
        "refused": state.ledger.refused,
        "reasons": state.ledger.reasons(),
    }
    if terms.class_weights is not None:
        told["class_weights"] = {
            label: round(weight, 6)
            for label, weight in zip(terms.labels, terms.class_weights, strict=True)
        }
    return told
