"""What is learned: the Specs of all objectives, and the rows that each makes ready."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from luthier.core.ledger import Ledger
from luthier.core.records import Document, Example
from luthier.core.spec import Spec
from luthier.tune.preference import Dpo, Kto, Orpo
from luthier.tune.retrieval import EncoderPairs, Reranker
from luthier.tune.supervised import SupervisedSpec

if TYPE_CHECKING:
    from luthier.models.load import Model
    from luthier.tune._lm import NextToken
    from luthier.tune._rows import Rows
    from luthier.tune.tune import TuneSpec


class Instruction(Spec):
    """Instruction tuning: the answers of conversations are learned, their prompts are not."""

    kind: Literal["instruction"] = "instruction"
    """Tag."""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """Share of the target spread evenly over all tokens (Szegedy et al. 2016, section 7). Only the
    training loss knows it; validation losses stay plain cross-entropies."""


class Pretrain(Spec):
    """Unsupervised: every token of documents and conversations is learned.

    Continued pretraining of a model that is there, or pretraining from scratch of a new one.
    """

    kind: Literal["pretrain"] = "pretrain"
    """Tag."""
    plain_texts: float = Field(1.0, ge=0, le=1)
    """Share of the documents learned as plain text."""
    held_out: float = Field(0.05, ge=0, lt=1)
    """Share of the documents, one at least, that is not learned but measured, where no rows are on
    the validation side."""
    copy_drills: float = Field(0.0, ge=0, lt=0.5)
    """Share of the tokens that are random spans to be copied: small models learn early to find and
    repeat what stands in their context."""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """As with `instruction`."""


Truncation = Literal["error", "drop", "truncate_prompt", "split"]
"""What becomes of conversations that are too long."""

ObjectiveSpec = Annotated[
    Instruction | Pretrain | SupervisedSpec | EncoderPairs | Reranker | Dpo | Orpo | Kto,
    Field(discriminator="kind"),
]


def language_rows(
    examples: Sequence[Example],
    documents: Sequence[Document],
    model: Model,
    spec: TuneSpec,
    ledger: Ledger,
) -> NextToken:
    """Token rows of conversations and, for pretraining, of documents.

    Args:
        examples: Conversations.
        documents: Plain texts; read only when the objective is ``pretrain``.
        model: Its renderer makes the tokens.
        spec: Lengths and shares.
        ledger: Where refusals go.
    """
    from luthier.tune import _rows as rows
    from luthier.tune._lm import NextToken

    objective = spec.objective
    assert isinstance(objective, Instruction | Pretrain)
    length = min(spec.max_length, model.context_length)
    found = rows.from_examples(
        examples,
        model.renderer,
        max_length=length,
        learn_all=isinstance(objective, Pretrain),
        ledger=ledger,
        truncation=spec.truncation,
    )
    taken = found.taken
    if isinstance(objective, Pretrain) and documents:
        texts = [d for d in documents if _chosen(d.id, objective.plain_texts, spec.seed)]
        plain = rows.from_documents(texts, model.renderer, max_length=length)
        found = rows.concatenate([found, plain])
        if objective.copy_drills:
            drills = _drills(len(found.ids), objective.copy_drills, model, spec.seed)
            found = rows.concatenate([found, drills])
    pad_id = int(model.tokenizer.pad_token_id or 0)
    made = len(found) - taken
    return NextToken(found, length, pad_id, made, objective.label_smoothing)


def language_sides(
    train: Sequence[Example],
    validation: Sequence[Example],
    documents: Sequence[Document],
    model: Model,
    spec: TuneSpec,
    ledger: Ledger,
) -> tuple[NextToken, NextToken]:
    """Token rows to learn from and to measure on; the arguments are those of ``tune.rows_of``."""
    if isinstance(spec.objective, Pretrain) and not validation:
        documents, watched = divide(documents, spec.objective.held_out, spec.seed)
        learned = language_rows(train, documents, model, spec, ledger)
        return learned, text_rows(watched, model, spec)
    learned = language_rows(train, documents, model, spec, ledger)
    return learned, language_rows(validation, (), model, spec, ledger)


def text_rows(documents: Sequence[Document], model: Model, spec: TuneSpec) -> NextToken:
    """Token rows of documents to measure on: all of them, and nothing else.

    Args:
        documents: Plain texts.
        model: Its renderer makes the tokens.
        spec: Lengths.
    """
    from luthier.tune import _rows as rows
    from luthier.tune._lm import NextToken

    length = min(spec.max_length, model.context_length)
    found = rows.from_documents(documents, model.renderer, max_length=length)
    return NextToken(found, length, int(model.tokenizer.pad_token_id or 0), len(found))


def divide(
    documents: Sequence[Document], share: float, seed: int
) -> tuple[list[Document], list[Document]]:
    """Documents to learn, and those to measure on; their names and the seed decide.

    Args:
        documents: All there are; of a single one nothing is held out.
        share: To measure on, 0 to 1; one document at least unless it is 0.
        seed: Of the draw.
    """
    drawn = sorted(documents, key=lambda d: _draw(d.id, seed + 1))
    wanted = sum(_chosen(d.id, share, seed + 1) for d in documents)
    least, most = min(bool(share), len(drawn) - 1), len(drawn) - 1
    held = {d.id for d in drawn[: min(max(wanted, least), most)]} if drawn else set()
    return (
        [d for d in documents if d.id not in held],
        [d for d in documents if d.id in held],
    )


def _chosen(name: str, share: float, seed: int) -> bool:
    """Whether a document is among the share that is learned as plain text."""
    return _draw(name, seed) < share


def _draw(name: str, seed: int) -> float:
    """A number from 0 to 1 for a name."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _drills(tokens: int, share: float, model: Model, seed: int) -> Rows:
    from luthier.tune import _rows as rows

    special = set(model.tokenizer.all_special_ids)
    vocabulary = [i for i in range(len(model.tokenizer)) if i not in special]
    wanted = int(tokens * share / (1 - share))
    return rows.copy_drills(wanted, vocabulary, model.tokenizer.eos_token_id, seed=seed)
