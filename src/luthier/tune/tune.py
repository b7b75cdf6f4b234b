"""Stage 4: tune a model on conversations or texts, all weights or an adapter."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from luthier.core.errors import TuneError
from luthier.core.ledger import Ledger
from luthier.core.progress import Progress
from luthier.core.records import Document, Example
from luthier.core.spec import Spec, runtime
from luthier.setup.optimizers import AdamW, OptimizerSpec
from luthier.setup.plan import Plan
from luthier.setup.schedules import ScheduleKind
from luthier.tune.methods import Full, MethodSpec

if TYPE_CHECKING:
    from luthier.models.load import Model
    from luthier.tune._loop import History
    from luthier.tune._rows import Rows

TUNE_VERSION = 1


class TuneSpec(Spec):
    """How the model is tuned."""

    objective: Literal["instruction", "pretrain"] = "instruction"
    """``instruction``: loss on answers only. ``pretrain``: loss on every token of documents and
    conversations."""
    method: MethodSpec = Full()
    """Which weights are updated."""
    optimizer: OptimizerSpec = AdamW()
    """How they are updated."""
    schedule: ScheduleKind = "cosine"
    """How the learning rate falls."""
    lr: float = Field(2e-4, gt=0)
    """Peak learning rate."""
    epochs: float = Field(1.0, gt=0)
    """Passes over the training rows."""
    max_steps: int | None = Field(None, ge=1)
    """Stop after this many optimizer steps at the latest."""
    batch_tokens: int = Field(8192, ge=16)
    """Tokens per optimizer step."""
    max_length: int = Field(512, ge=16)
    """Tokens per packed sequence; longer conversations are refused, longer texts continued."""
    warmup_ratio: float = Field(0.05, ge=0, le=1)
    """Share of the steps in which the learning rate rises."""
    weight_decay: float = Field(0.01, ge=0)
    """Decoupled, on matrices only."""
    max_grad_norm: float = Field(1.0, gt=0)
    """Gradients are scaled down to this norm."""
    with_passages: float = Field(0.0, ge=0, le=1)
    """Share of the training conversations shown with context passages, the document their answer
    stands in among neighbours, so that the model learns to answer from a context."""
    plain_texts: float = Field(1.0, ge=0, le=1)
    """Share of the documents learned as plain text when the objective is ``pretrain``."""
    copy_drills: float = Field(0.0, ge=0, lt=0.5)
    """Share of the tokens that are random spans to be copied, when the objective is ``pretrain``:
    small models learn early to find and repeat what stands in their context."""
    validation_every: int | None = Field(None, ge=1)
    """Steps between measurements on the validation rows; default an eighth of the run."""
    patience: int | None = Field(None, ge=1)
    """Stop after so many measurements without a better validation loss."""
    max_refused: float = Field(0.05, ge=0, le=1)
    """Largest share of rows that may be refused (longer than max_length)."""
    seed: int = 0
    """Of the order of rows, of adapter weights and dropout."""
    checkpoint_every_s: float = runtime(default=30.0, ge=0)
    """Seconds between checkpoints; a killed run goes on from the last."""


def tune(
    model: Model,
    train: Sequence[Example],
    validation: Sequence[Example],
    documents: Sequence[Document],
    spec: TuneSpec,
    plan: Plan,
    folder: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Tune a model and write it to ``folder/model`` (and ``folder/adapter`` for LoRA).

    Args:
        model: Loaded in the plan's precision; changed in place.
        train: Conversations to learn.
        validation: Conversations whose loss is watched.
        documents: Plain texts, learned too when the objective is ``pretrain``.
        spec: Hyperparameters.
        plan: Device, precision and micro-batch.
        folder: Gets model, history.json, ledger.parquet; holds the checkpoint meanwhile.
        progress: Shows the loss as it falls.

    Returns:
        Steps, losses before and after (nats per learned token), bits per byte, tokens/s, refusals.

    Raises:
        TuneError: Nothing to learn, a loss that is not a number, or an unusable checkpoint.
        LeakageError: More rows refused than ``max_refused`` allows.
        ModelError: The chat template, or the architecture, is unfit for training.
    """
    import torch

    from luthier.models import likelihood
    from luthier.models.load import save
    from luthier.tune import _loop
    from luthier.tune.methods import apply, merged

    torch.set_num_threads(plan.threads)
    model.renderer.check()
    likelihood.check(model.network)
    ledger = Ledger()
    rows, held_out = _rows(train, validation, documents, model, spec, ledger)
    before = _loop.evaluate(model, held_out, spec, plan) if held_out else math.nan
    model.network = apply(spec.method, model.network, seed=spec.seed)
    trainable = sum(p.numel() for p in model.network.parameters() if p.requires_grad)
    history = _loop.train(model, rows, held_out, spec, plan, folder, progress)
    model.network = merged(model.network, folder / "adapter")
    after = _loop.evaluate(model, held_out, spec, plan) if held_out else math.nan
    save(model, folder / "model")
    ledger.write(folder)
    _write_history(history, folder)
    (folder / _loop.CHECKPOINT).unlink(missing_ok=True)
    return {
        "objective": spec.objective,
        "method": spec.method.kind,
        "trainable": trainable,
        **_rows_summary(rows, held_out, ledger),
        **_training_summary(history),
        **_validation_summary(before, after, held_out),
    }


def _write_history(history: History, folder: Path) -> None:
    told = dataclasses.asdict(history)
    if not history.validation:
        told["best_loss"] = None  # JSON knows no infinity
    (folder / "history.json").write_text(json.dumps(told, allow_nan=False))


def _rows(
    train: Sequence[Example],
    validation: Sequence[Example],
    documents: Sequence[Document],
    model: Model,
    spec: TuneSpec,
    ledger: Ledger,
) -> tuple[Rows, Rows | None]:
    """Training rows, and validation rows if there are any; refusals are in the ledger."""
    from luthier.tune import _rows as rows

    pretrain = spec.objective == "pretrain"
    length = min(spec.max_length, model.context_length)

    def chats(examples: Sequence[Example]) -> Rows:
        return rows.from_examples(
            examples, model.renderer, max_length=length, learn_all=pretrain, ledger=ledger
        )

    texts = [d for d in documents if pretrain and _chosen(d.id, spec)]
    plain = rows.from_documents(texts, model.renderer, max_length=length)
    learned, held_out = chats(train), chats(validation)
    ledger.check(
        rows_in=len(train) + len(validation) + len(plain),
        rows_out=len(learned) + len(held_out) + len(plain),
        limit=spec.max_refused,
        stage="tune",
    )
    if texts:
        learned = rows.concatenate([learned, plain])
    if pretrain and spec.copy_drills:
        learned = rows.concatenate([learned, _drills(len(learned.ids), model, spec)])
    if learned.learned_tokens == 0:
        raise TuneError("there is nothing to learn", mend="Check data.sources and data.split.")
    return learned, held_out if len(held_out) else None


def _chosen(name: str, spec: TuneSpec) -> bool:
    """Whether a document is among the share that is learned as plain text."""
    digest = hashlib.sha256(f"{spec.seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < spec.plain_texts


def _drills(tokens: int, model: Model, spec: TuneSpec) -> Rows:
    from luthier.tune import _rows as rows

    special = set(model.tokenizer.all_special_ids)
    vocabulary = [i for i in range(len(model.tokenizer)) if i not in special]
    wanted = int(tokens * spec.copy_drills / (1 - spec.copy_drills))
    return rows.copy_drills(wanted, vocabulary, model.tokenizer.eos_token_id, seed=spec.seed)


def _rows_summary(rows: Rows, held_out: Rows | None, ledger: Ledger) -> dict[str, Any]:
    return {
        "rows": len(rows),
        "rows_validation": len(held_out) if held_out else 0,
        "rows_refused": ledger.refused,
        "reasons": ledger.reasons(),
        "learned_tokens": rows.learned_tokens,
    }


def _training_summary(history: History) -> dict[str, Any]:
    return {
        "tokens": history.tokens,
        "steps": history.step,
        "stopped_early": history.stopped_early,
        "best_step": history.best_step,
        "loss_first": history.train[0][1] if history.train else None,
        "loss_last": history.train[-1][1] if history.train else None,
        "seconds": round(history.seconds, 2),
        "tokens_per_s": round(history.tokens / max(history.seconds, 1e-9), 1),
    }


def _validation_summary(before: float, after: float, rows: Rows | None) -> dict[str, Any]:
    if rows is None:
        return {"validation_loss_before": None, "validation_loss": None}
    return {
        "validation_loss_before": before / rows.learned_tokens,
        "validation_loss": after / rows.learned_tokens,
        "validation_bits_per_byte_before": before / math.log(2) / rows.learned_bytes,
        "validation_bits_per_byte": after / math.log(2) / rows.learned_bytes,
    }
