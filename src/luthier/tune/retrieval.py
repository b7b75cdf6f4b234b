"""Objectives ``encoder`` and ``reranker``: questions learned with passages that answer them.

A row is a question and what answers it: the document it names (``document_id``), if that is among
the documents, else its answer. Turns of ``rejected`` are passages that do not answer it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from luthier.core.ledger import Ledger
from luthier.core.records import Document, Example
from luthier.core.spec import Spec

if TYPE_CHECKING:
    from torch import Tensor

    from luthier.models.load import Model
    from luthier.setup.plan import Plan
    from luthier.tune._compared import Compared
    from luthier.tune._reranked import Reranked
    from luthier.tune.tune import TuneSpec

RELEVANCE = "relevance"
"""Name of the one score of a cross-encoder."""


class EncoderPairs(Spec):
    """A sentence encoder learns to put questions near the passages that answer them.

    The loss is InfoNCE (van den Oord et al. 2018; sentence-transformers'
    MultipleNegativesRankingLoss): the cross-entropy of finding a question's passage among those of
    all questions it is compared with, and their hard negatives.
    """

    kind: Literal["encoder"] = "encoder"
    """Tag."""
    temperature: float = Field(0.05, gt=0)
    """Cosines are divided by it; small looks at the hardest passages only."""
    compared: int = Field(32, ge=2)
    """Questions whose passages are compared with each other. All of them are in memory at once,
    whatever the micro-batch is."""
    hard_negatives: int = Field(1, ge=0)
    """Passages that do not answer it, for each question: its own first (``rejected``), then mined
    from the documents by the encoder as it is before tuning."""
    pooling: Literal["auto", "mean", "cls"] = "auto"
    """How the states of a text become one; ``auto`` is what the folder says, else ``mean``."""
    blend: float = Field(1.0, gt=0, le=1)
    """Share of the tuned weights against those before (Wortsman et al. 2022, WiSE-FT). With few
    rows about half keeps most of the gain, and loses less on passages that no row names."""


class Reranker(Spec):
    """A cross-encoder learns to score a passage for a question, reading both together.

    It is one score on BERT's first token, as transformers' sequence classifiers have it.
    """

    kind: Literal["reranker"] = "reranker"
    """Tag."""
    loss_type: Literal["listwise", "binary"] = "listwise"
    """``listwise``: the cross-entropy of finding the passage among its hard negatives (Gao et al.
    2021); ``binary``: of each pair by itself."""
    hard_negatives: int = Field(4, ge=1)
    """As with ``encoder``; at least one, since nothing else is compared."""


KINDS = (EncoderPairs, Reranker)
RetrievalSpec = EncoderPairs | Reranker


def open_network(objective: RetrievalSpec, folder: Path, **how: Any) -> Model:
    """Load an encoder, or a network with one score.

    Args:
        objective: What is learned.
        folder: A model folder; a score it already has is kept.
        how: ``device``, ``precision``, ``quantisation`` and ``seed``.

    Raises:
        ModelError: The network cannot be loaded, or reads texts in one direction only.
    """
    from luthier.models.load import load_network, load_with_head

    if isinstance(objective, EncoderPairs):
        how.pop("seed", None)
        model = load_network(folder, head="none", **how)
        model.network.config.luthier_encoder = _told(objective, folder)
        return model
    model = load_with_head(folder, "sequence", (RELEVANCE,), problem="regression", **how)
    # question and passage are told apart by [SEP] alone: the kernels know one kind of token
    names = ["input_ids", "attention_mask"]
    model.tokenizer.model_input_names = model.tokenizer.init_kwargs["model_input_names"] = names
    return model


def _told(objective: EncoderPairs, folder: Path) -> dict[str, Any]:
    """Pooling and length of an encoder as its folder says them."""
    from luthier.models import encode

    pooling = objective.pooling
    if pooling == "auto":
        pooling = "cls" if encode.pooling_of(folder) == "first" else "mean"
    return {"pooling": pooling, "max_seq_length": encode.max_tokens_of(folder)}


def check(objective: RetrievalSpec, model: Model) -> list[str]:
    """Names of the modules that learn whatever the method is.

    Raises:
        ModelError: The network has no first token that reads all others.
    """
    from luthier.core.errors import ModelError
    from luthier.tune import _supervised_network as network

    if isinstance(objective, EncoderPairs):
        return []
    if not hasattr(model.network, "classifier"):
        raise ModelError(
            f"a reranker is made from an encoder such as BERT, not {type(model.network).__name__}",
            where="model.name",
            mend="Take `model.name: minilm`.",
        )
    return network.head_modules(model.network, "auto")


def build(
    tuning: TuneSpec,
    sides: Sequence[Sequence[Example]],
    documents: Sequence[Document],
    model: Model,
    plan: Plan,
    ledger: Ledger,
) -> list[Compared | Reranked]:
    """Make the rows of each side ready; see ``_pairs`` for what becomes of a row.

    Args:
        tuning: Its objective and ``max_length`` count.
        sides: Training rows, validation rows.
        documents: Where the passages stand, and where negatives are mined.
        model: Its tokenizer is used; as it is now, it mines.
        plan: Device and micro-batch.
        ledger: Gets rows with nothing to find, and texts of which only the beginning is read.
    """
    from luthier.tune._pairs import pairs_of

    objective = tuning.objective
    assert isinstance(objective, EncoderPairs | Reranker)
    found = pairs_of(sides, documents, objective.hard_negatives, model, tuning, plan, ledger)
    if isinstance(objective, EncoderPairs):
        from luthier.tune._compared import compared

        return [compared(objective, side, model, tuning, ledger) for side in found]
    from luthier.tune._reranked import reranked

    return [reranked(objective, side, model, tuning, ledger) for side in found]


@dataclasses.dataclass(frozen=True, slots=True)
class Kept:
    """Weights before tuning, for an encoder that is drawn back towards them.

    Attributes:
        weights: By name.
        share: Of the tuned ones; see `EncoderPairs.blend`.
    """

    weights: Mapping[str, Tensor]
    share: float

    def blend(self, model: Model) -> None:
        """Draw a tuned network back."""
        from luthier.tune._blend import blend

        blend(model.network, self.weights, self.share)


def kept(tuning: TuneSpec, model: Model) -> Kept | None:
    """What must be kept of a network before it is tuned, if anything.

    Args:
        tuning: With another objective nothing is.
        model: As it is before the method is put on it.
    """
    objective = tuning.objective
    if not isinstance(objective, EncoderPairs) or objective.blend == 1.0:
        return None
    from luthier.tune._blend import weights_of

    return Kept(weights_of(model.network), objective.blend)


def write_card(tuning: TuneSpec, model: Model, folder: Path) -> None:
    """Write what sentence-transformers reads beside transformers' own files, for an encoder.

    Args:
        tuning: With another objective nothing is written.
        model: Tuned.
        folder: The model's.
    """
    if not isinstance(tuning.objective, EncoderPairs):
        return
    told = model.network.config.luthier_encoder
    width, mean = model.network.config.hidden_size, told["pooling"] == "mean"
    kind = "sentence_transformers.models"
    parts = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    files: dict[str, Any] = {
        "modules.json": [
            {"idx": i, "name": str(i), "path": path, "type": f"{kind}.{name}"}
            for i, (path, name) in enumerate(parts)
        ],
        "1_Pooling/config.json": {
            "word_embedding_dimension": width,
            "pooling_mode_cls_token": not mean,
            "pooling_mode_mean_tokens": mean,
        },
        "sentence_bert_config.json": {
            "max_seq_length": told["max_seq_length"],
            "do_lower_case": False,
        },
    }
    (folder / "2_Normalize").mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
