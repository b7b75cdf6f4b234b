"""Score passages for a question by a BERT that reads both together (a cross-encoder).

Any folder of a ``BertForSequenceClassification`` with one score will do, such as `tune` writes with
the objective ``reranker``, or the cross-encoders of sentence-transformers.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from luthier.core.errors import ModelError
from luthier.core.spec import digest_file
from luthier.models._body import Body, Precision, Runtime, Vectors, each_batch, open_body
from luthier.models.encode import open_tokenizer

_WEIGHTS = "model.safetensors"


class CrossEncoder:
    """A cross-encoder; its network is loaded when it first scores.

    Args:
        folder: A folder of transformers with one score.
        max_tokens: Most tokens of question and passage together, special tokens included; the
            passage's end is not read, and of a very long question no more than half of that.
        precision: As with ``encode.Encoder``.
        device: Likewise.
        runtime: Likewise.

    Attributes:
        digest: SHA-256 (hex) of weights, tokenizer and length, and of ``int8``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_tokens: int | None = None,
        precision: Precision = "auto",
        device: str | None = None,
        runtime: Runtime = "auto",
    ) -> None:
        self.folder = folder
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        limit = int(config.get("max_position_embeddings", 512))
        self.max_tokens = min(limit, max_tokens or limit)
        self._how: dict[str, Any] = {"precision": precision, "device": device, "runtime": runtime}
        self._tokenizer = open_tokenizer(folder)
        special = [self._tokenizer.encode("").ids, self._tokenizer.encode("", "").ids]
        self._begin, self._end = special[0][:1], special[0][1:]
        self._between = special[1][1 : len(special[1]) - len(self._end)] or self._end
        self._kinds = _reads_kinds(folder)

    @functools.cached_property
    def digest(self) -> str:
        """See the class."""
        parts = [digest_file(self.folder / n) for n in (_WEIGHTS, "tokenizer.json")]
        told = [*parts, str(self.max_tokens), "int8" * (self._how["precision"] == "int8")]
        return hashlib.sha256(" ".join(told).encode()).hexdigest()

    @property
    def told(self) -> str:
        """What computes, and in what precision."""
        return self._body.told

    def score(
        self,
        question: str,
        passages: Sequence[str],
        *,
        batch_size: int | None = None,
        advance: Callable[[int], None] | None = None,
    ) -> npt.NDArray[np.float32]:
        """How well each passage answers a question: float32 [passages], higher is better.

        Args:
            question: Read once, whatever the number of passages.
            passages: Batched by length.
            batch_size: Passages computed at once at most.
            advance: Called after each batch with the number of passages done in it.
        """
        return self.score_pairs([(question, text) for text in passages], batch_size, advance)

    def score_pairs(
        self,
        pairs: Sequence[tuple[str, str]],
        batch_size: int | None = None,
        advance: Callable[[int], None] | None = None,
    ) -> npt.NDArray[np.float32]:
        """The same for pairs of a question and a passage: float32 [pairs]."""
        found = np.zeros(len(pairs), dtype=np.float32)
        if not pairs:
            return found
        asked = {text: i for i, text in enumerate(dict.fromkeys(q for q, _ in pairs))}
        plain: Any = functools.partial(self._tokenizer.encode_batch_fast, add_special_tokens=False)
        questions = [one.ids for one in plain(list(asked))]
        passages = [one.ids for one in plain([text for _, text in pairs])]
        rows = [
            self._row(questions[asked[question]], ids)
            for (question, _), ids in zip(pairs, passages, strict=True)
        ]
        ids = [one for one, _ in rows]

        def compute(batch: npt.NDArray[np.int64]) -> Vectors:
            kinds = [rows[i][1] for i in batch] if self._kinds else None
            return self._headed(self._body.pooled([ids[i] for i in batch], "first", kinds))

        return each_batch(self._body, ids, compute, found, batch_size, advance)

    def _row(self, question: list[int], passage: list[int]) -> tuple[list[int], list[int]]:
        """Token ids and kinds of a question with its passage, cut to fit."""
        room = self.max_tokens - len(self._begin) - len(self._between) - len(self._end)
        question = question[: max(room // 2, room - len(passage))]
        passage = passage[: room - len(question)]
        first = [*self._begin, *question, *self._between]
        second = [*passage, *self._end]
        return [*first, *second], [0] * len(first) + [1] * len(second)

    def _headed(self, states: Vectors) -> Vectors:
        """BERT's pooler and the one score on top of it."""
        head = self._head
        pooled = np.tanh(states @ head["pooler"].T + head["pooler_bias"])
        scores: Vectors = (pooled @ head["score"].T + head["score_bias"])[:, 0]
        return scores.astype(np.float32)

    @functools.cached_property
    def _head(self) -> dict[str, Vectors]:
        from safetensors import safe_open

        names = {
            "pooler": "bert.pooler.dense.weight",
            "pooler_bias": "bert.pooler.dense.bias",
            "score": "classifier.weight",
            "score_bias": "classifier.bias",
        }
        with safe_open(self.folder / _WEIGHTS, "pt") as file:
            return {k: file.get_tensor(name).float().numpy() for k, name in names.items()}

    @functools.cached_property
    def _body(self) -> Body:
        return open_body(self.folder, **self._how)


def load_cross_encoder(
    folder: Path,
    *,
    max_tokens: int | None = None,
    precision: Precision = "auto",
    device: str | None = None,
    runtime: Runtime = "auto",
) -> CrossEncoder:
    """Open a cross-encoder.

    Args:
        folder: See `CrossEncoder`.
        max_tokens: Likewise.
        precision: Likewise.
        device: Likewise.
        runtime: Likewise.

    Raises:
        ModelError: The folder lacks a part, or is no BERT with one score.
    """
    missing = [n for n in ("config.json", "tokenizer.json", _WEIGHTS) if not (folder / n).is_file()]
    if missing:
        raise ModelError(
            f"the cross-encoder's folder lacks {', '.join(missing)}",
            where=str(folder),
            mend="It is a folder as transformers saves it, or as `tune` writes it.",
        )
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    kind, labels = (config.get("architectures") or ["?"])[0], config.get("id2label") or {}
    if kind != "BertForSequenceClassification" or len(labels or [0, 1]) != 1:
        raise ModelError(
            f"a cross-encoder is a BertForSequenceClassification with one score, "
            f"not {kind} with {len(labels) or 2}",
            where=str(folder / "config.json"),
            mend="Tune one with `tune.objective: reranker`.",
        )
    how: dict[str, Any] = {"precision": precision, "device": device, "runtime": runtime}
    return CrossEncoder(folder, max_tokens=max_tokens, **how)


def _reads_kinds(folder: Path) -> bool:
    """Whether the network was trained with question and passage marked as first and second."""
    path = folder / "tokenizer_config.json"
    told = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return "token_type_ids" in told.get("model_input_names", ["token_type_ids"])
