"""Optimizers side by side on one tuning task: the same model, rows, tokens and seed.

Each optimizer is tried at three learning rates on a short run; the one with the least validation
loss is then run whole. The test side is never read.
"""

from __future__ import annotations

import dataclasses
import itertools
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from luthier.core.errors import ConfigError, TuneError
from luthier.core.progress import Quiet
from luthier.setup.optimizers import AnyOptimizer, default_lr

if TYPE_CHECKING:
    from luthier.core.records import Document, Example
    from luthier.setup.losses import Terms
    from luthier.setup.plan import Plan
    from luthier.tune.tune import TuneSpec

COMPARE_VERSION = 1
FACTORS = (0.2, 1.0, 5.0)
"""Of the learning rate that fits an optimizer: the grid of the short runs."""
SHORT = 0.25
"""Share of the whole run's tokens that a short run sees."""
FALL = 0.9
"""Of the fall of the best run: the loss whose steps are counted."""
_EDGES = {"low": " ↓", "high": " ↑", "": ""}
_KEPT = ("history.json", "ledger.parquet", "log.jsonl")  # of all that a run writes

KINDS: dict[str, AnyOptimizer] = {
    str(kind.model_fields["kind"].default): kind() for kind in get_args(AnyOptimizer)
}
"""Every optimizer with its default settings, by its name."""


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """What all runs of a comparison share.

    Attributes:
        model: Folder of the model they start from.
        train: Rows to learn.
        validation: Rows that decide.
        documents: Plain texts, for pretraining.
        plan: Device, precision and micro-batch.
        losses: What balancing said about the loss of a classification.
    """

    model: Path
    train: Sequence[Example]
    validation: Sequence[Example]
    documents: Sequence[Document]
    plan: Plan
    losses: Terms | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What one optimizer came to.

    Attributes:
        kind: Its name.
        lr: Peak learning rate of the whole run; the best of the short ones.
        tried: Validation loss of the short run at each rate; None where it diverged.
        failed: Why there is no whole run; empty if there is one.
        loss: Least validation loss, per unit of the objective.
        steps: Of the whole run.
        tokens: Seen in it.
        tokens_per_s: In training steps.
        optimizer_bytes: Memory of the optimizer's state.
        peak_bytes: Memory that the run took beyond what the process had; None if not known.
        curve: [step, tokens, validation loss], beginning before the first step.
    """

    kind: str
    lr: float
    tried: dict[str, float | None]
    failed: str = ""
    loss: float | None = None
    steps: int = 0
    tokens: int = 0
    tokens_per_s: float = 0.0
    optimizer_bytes: int = 0
    peak_bytes: int | None = None
    curve: list[list[float]] = dataclasses.field(default_factory=list)

    @property
    def edge(self) -> str:
        """Whether the best rate lies at the end of the grid: ``low``, ``high`` or nothing."""
        rates = sorted(map(float, self.tried))
        return {rates[0]: "low", rates[-1]: "high"}.get(self.lr, "") if len(rates) > 1 else ""


def named(kinds: Iterable[str]) -> list[str]:
    """The optimizers that were asked for, each once; all of them if none was named.

    Raises:
        ConfigError: There is none of that name.
    """
    found = list(dict.fromkeys(kind.strip() for kind in kinds if kind.strip()))
    if unknown := [kind for kind in found if kind not in KINDS]:
        raise ConfigError(
            f"there is no optimizer {unknown[0]!r}",
            where="--compare-optimizers",
            mend=f"There are: {', '.join(KINDS)}. The project file goes before this option.",
        )
    return found or list(KINDS)


def settings(base: TuneSpec, kind: str) -> list[TuneSpec]:
    """What the short runs of an optimizer are made with.

    The optimizer that the project names keeps its settings and its learning rate; the others have
    the rate that fits them. All else is the project's, but that a run goes on to its end.

    Args:
        base: The project's settings of the tuning.
        kind: Name of the optimizer.
    """
    own = base.optimizer.kind == kind
    optimizer = base.optimizer if own else KINDS[kind]
    middle = base.peak_lr if own else default_lr(optimizer)
    return [
        base.model_copy(
            update={
                "optimizer": optimizer,
                "lr": float(f"{middle * factor:.2g}"),
                "validation_every": None,
                "patience": None,
                "samples": 0,
                "save_last": False,
                "max_rollbacks": 0,
                "report_to": (),
            }
        )
        for factor in FACTORS
    ]


def attempt(job: Job, spec: TuneSpec, folder: Path, *, share: float = 1.0) -> dict[str, Any]:
    """Tune once and keep the figures, not the weights.

    Args:
        job: Model and rows.
        spec: Settings; ``max_steps`` counts steps of ``batch_tokens`` or ``batch_rows``, so that
            an optimizer with another batch sees as many tokens.
        folder: Gets ``history.json`` and the ledger; a killed run is gone on with.
        share: Of the tokens of a whole run.

    Returns:
        Figures as in ``Outcome``; ``failed`` if it diverged.
    """
    from luthier.tune._history import read_history
    from luthier.tune._peak import peak_memory
    from luthier.tune.tune import open_model, tune

    with peak_memory(job.plan.device) as peak:
        model = open_model(job.model, spec, job.plan, job.train)
        spec = spec.model_copy(
            update={"epochs": _epochs(job, model, spec) * share, "max_steps": None}
        )
        try:
            summary = tune(
                model,
                job.train,
                job.validation,
                job.documents,
                spec,
                job.plan,
                folder,
                Quiet(),
                losses=job.losses,
            )
        except TuneError as error:
            _clear(folder)
            return {"failed": error.what}
        del model
    history = read_history(folder)
    _clear(folder)
    tokens = {line[0]: line[3] for line in history.train}
    before = [0, 0, summary["validation_loss_before"]]
    after = [
        [v["step"], tokens.get(v["step"], history.tokens), v["loss"]] for v in history.validation
    ]
    return {
        "failed": "",
        "loss": min(line[2] for line in after),
        "steps": history.step,
        "tokens": history.tokens,
        "tokens_per_s": round(history.tokens_per_s, 1),
        "optimizer_bytes": history.optimizer_bytes,
        "peak_bytes": peak.bytes,
        "curve": [before, *after],
    }


def _clear(folder: Path) -> None:
    """Leave the figures and take the weights away."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in _KEPT:
            path.unlink()


def _epochs(job: Job, model: Any, spec: TuneSpec) -> float:
    """Passes over the rows that ``max_steps`` leaves of ``epochs``, whatever the optimizer."""
    if spec.max_steps is None:
        return spec.epochs
    from luthier.core.ledger import Ledger
    from luthier.setup.optimizers import AdamW
    from luthier.tune._objective import windows
    from luthier.tune.tune import rows_of

    learned, _ = rows_of(job.train, (), job.documents, model, spec, job.plan, job.losses, Ledger())
    usual = spec.model_copy(update={"optimizer": AdamW()})
    return min(spec.epochs, spec.max_steps / len(windows(learned.lengths, usual, epoch=0)))


def best_of(tried: Sequence[tuple[TuneSpec, dict[str, Any]]]) -> TuneSpec | None:
    """The settings of the short run with the least validation loss; None if all diverged."""
    whole = [(figures["loss"], spec) for spec, figures in tried if not figures["failed"]]
    return min(whole, key=lambda pair: pair[0])[1] if whole else None


def outcome(
    kind: str,
    tried: Sequence[tuple[TuneSpec, dict[str, Any]]],
    whole: tuple[TuneSpec, dict[str, Any]] | None,
) -> Outcome:
    """What an optimizer came to, from the figures of its runs.

    Args:
        kind: Its name.
        tried: Settings and figures of the short runs.
        whole: Of the whole run, if there is one.
    """
    losses = {f"{spec.peak_lr:g}": figures.get("loss") for spec, figures in tried}
    if whole is None:
        first = tried[0]
        return Outcome(kind, first[0].peak_lr, losses, failed=str(first[1]["failed"]))
    spec, figures = whole
    return Outcome(kind, spec.peak_lr, losses, **figures)


def target(outcomes: Sequence[Outcome]) -> float | None:
    """The loss at which the best run has made nine tenths of its fall; None if none fell."""
    finished = [o for o in outcomes if o.loss is not None and o.curve]
    if not finished:
        return None
    best = min(finished, key=lambda o: o.loss or 0.0)
    start, least = best.curve[0][2], min(line[2] for line in best.curve)
    return start - FALL * (start - least) if least < start else None


def steps_to(curve: Sequence[Sequence[float]], loss: float) -> float | None:
    """Steps after which a curve is at a loss, read off between two measurements.

    Args:
        curve: As in ``Outcome``.
        loss: To be reached.

    Returns:
        None if it never is.
    """
    if curve[0][2] <= loss:
        return float(curve[0][0])
    for before, after in itertools.pairwise(curve):
        if after[2] <= loss:
            return before[0] + (before[2] - loss) / (before[2] - after[2]) * (after[0] - before[0])
    return None


def table(outcomes: Sequence[Outcome], loss: float | None) -> list[list[str]]:
    """The comparison as text, the head first, then the optimizers from the best on.

    Args:
        outcomes: What the optimizers came to.
        loss: The loss whose steps are counted; None leaves that column empty.
    """
    reached = f"steps to {loss:.3f}" if loss is not None else "steps to"
    rows = [["optimizer", "lr", "val. loss", reached, "steps", "tokens/s", "state", "memory"]]
    for one in sorted(outcomes, key=lambda o: (o.loss is None, o.loss or 0.0)):
        rate = f"{one.lr:g}{_EDGES[one.edge]}"
        if one.loss is None:
            rows.append([one.kind, rate, "diverged", "", "", "", "", ""])
            continue
        steps = None if loss is None else steps_to(one.curve, loss)
        rows.append(
            [
                one.kind,
                rate,
                f"{one.loss:.4f}",
                "" if steps is None else f"{steps:.0f}",
                f"{one.steps}",
                f"{one.tokens_per_s:,.0f}",
                _size(one.optimizer_bytes),
                "" if one.peak_bytes is None else _size(one.peak_bytes),
            ]
        )
    return rows


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:,.1f} kB" if count else "0"
