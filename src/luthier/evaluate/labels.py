"""The route of the classifier: the label it predicts, as an answer like any other's."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from luthier.core.errors import DataError
from luthier.core.records import Example, Message
from luthier.models.generate import Reply, Sampling, Score
from luthier.tune.classifier import Classifier, load_classifier

if TYPE_CHECKING:
    from luthier.models.encode import Encoder


class LabelAnswerer:
    """Answers the last user turn with the label that a classifier predicts for it.

    Sampling changes nothing, because no token is drawn. A text longer than the encoder reads is
    judged by its beginning, as in training.

    Args:
        classifier: What predicts.
        encoder: Its encoder, which counts the tokens that are read.
    """

    def __init__(self, classifier: Classifier, encoder: Encoder) -> None:
        self._classifier, self._encoder = classifier, encoder

    def generate(
        self, conversations: Sequence[Sequence[Message]], sampling: Sampling
    ) -> list[Reply]:
        """A label for each conversation, in order."""
        started = time.perf_counter()
        texts = [_question(conversation) for conversation in conversations]
        said = self._classifier.predict(texts)
        latency_s = time.perf_counter() - started
        return [
            Reply(one.label, self.count_tokens(text), 0, latency_s, "stop")
            for text, one in zip(texts, said, strict=True)
        ]

    def stream(self, conversation: Sequence[Message], sampling: Sampling) -> Iterator[str | Reply]:
        """The label as one piece, then the reply."""
        (reply,) = self.generate([conversation], sampling)
        yield reply.text
        yield reply

    def score(
        self, conversations: Sequence[Sequence[Message]], references: Sequence[str]
    ) -> list[Score | None]:
        """None for each: a label's probability is no likelihood of its text."""
        return [None for _ in references]

    def count_tokens(self, text: str) -> int:
        """Tokens of a text as the encoder reads it, special tokens aside."""
        return len(self._encoder.token_offsets(text))

    @property
    def context_length(self) -> int:
        """Most tokens of a text that the encoder reads."""
        return self._encoder.max_tokens


def open_labels(folder: Path, encoder: Encoder) -> LabelAnswerer:
    """The classifier of a folder, as a route.

    Args:
        folder: What ``tune.classifier`` saved.
        encoder: The encoder it was trained with.

    Raises:
        ModelError: A file is missing or damaged.
    """
    return LabelAnswerer(load_classifier(folder, encoder.encode), encoder)


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
