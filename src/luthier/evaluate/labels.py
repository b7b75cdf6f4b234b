"""Routes that answer with labels: a classifier, or a model tuned on rows with labels."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from luthier.core.errors import DataError
from luthier.core.records import Example, Message
from luthier.models.generate import GenerateWhole, Reply, Sampling
from luthier.models.render import ConversationError
from luthier.tune.classifier import load_classifier
from luthier.tune.predict import load_predictor
from luthier.tune.supervised import CARD

if TYPE_CHECKING:
    from luthier.models.encode import Encoder
    from luthier.setup.memory import Precision, Quantisation


class LabelAnswerer(GenerateWhole):
    """Answers the last user turn with what is predicted for it: a label, tags, or a number.

    Sampling changes nothing, because no token is drawn. A text longer than the model reads is
    judged by its beginning.

    Args:
        predict: Texts to answers.
        count_tokens: Tokens of a text as the model reads it.
        context_length: Most tokens of a text that it reads.
    """

    def __init__(
        self,
        predict: Callable[[Sequence[str]], Sequence[str]],
        count_tokens: Callable[[str], int],
        context_length: int,
    ) -> None:
        self._predict, self._count, self._most = predict, count_tokens, context_length

    def generate(
        self,
        conversations: Sequence[Sequence[Message]],
        sampling: Sampling,
        *,
        tools: Sequence[str] = (),
    ) -> list[Reply]:
        """A label for each conversation, in order.

        Raises:
            ConversationError: Tools are on offer.
        """
        if any(tools):
            raise ConversationError("this model answers with labels and calls no tools")
        started = time.perf_counter()
        texts = [_question(conversation) for conversation in conversations]
        said = self._predict(texts)
        latency_s = time.perf_counter() - started
        return [
            Reply(one, self.count_tokens(text), 0, latency_s, "stop")
            for text, one in zip(texts, said, strict=True)
        ]

    def count_tokens(self, text: str) -> int:
        """Tokens of a text as the model reads it."""
        return self._count(text)

    @property
    def context_length(self) -> int:
        """Most tokens of a text that are read."""
        return self._most


def open_labels(folder: Path, encoder: Encoder) -> LabelAnswerer:
    """The classifier of a folder, as a route.

    Args:
        folder: What ``tune.classifier`` saved.
        encoder: The encoder it was trained with.

    Raises:
        ModelError: A file is missing or damaged.
    """
    classifier = load_classifier(folder, encoder.encode)
    return LabelAnswerer(
        lambda texts: [one.label for one in classifier.predict(texts)],
        lambda text: len(encoder.token_offsets(text)),
        encoder.max_tokens,
    )


def open_tuned(
    folder: Path,
    *,
    device: str,
    precision: Precision = "float32",
    quantisation: Quantisation = "none",
) -> LabelAnswerer:
    """A model tuned on rows with labels, tags or numbers, as a route.

    Args:
        folder: The tuned model's.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        precision: Of the weights in memory.
        quantisation: Of the linear layers below the head; see ``models.quantise``.

    Raises:
        ModelError: A file is missing or damaged.
    """
    predictor = load_predictor(
        folder, device=device, precision=precision, quantisation=quantisation
    )
    return LabelAnswerer(
        lambda texts: [one.answer for one in predictor.predict(texts)],
        predictor.count_tokens,
        predictor.card.max_length,
    )


def gives_labels(folder: Path) -> bool:
    """Whether a tuned model's folder holds one that answers with labels, tags or numbers."""
    return (folder / CARD).is_file()


def require_labels(items: Sequence[Example]) -> None:
    """Pass if a label is the whole answer to every item.

    Raises:
        DataError: To some it is not, so that a classifier cannot be measured on them.
    """
    others = [item for item in items if not item.label or item.answer.strip() != item.label]
    if not others:
        return
    raise DataError(
        f"a classifier cannot answer {len(others):,} of {len(items):,} test questions: their "
        "answer is not a label",
        where=others[0].origin,
        mend="Name the column of labels in the source (`label`), or name `evaluate.routes` "
        "without 'classifier'.",
    )


def _question(conversation: Sequence[Message]) -> str:
    return next(turn.content for turn in reversed(conversation) if turn.role == "user")
