"""Few-shot prompting: worked examples stand before the question as earlier turns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from luthier.core.errors import DataError
from luthier.core.records import Example, Message
from luthier.models.generate import Generate, Reply, Sampling, Score


def choose_shots(training: Sequence[Example], count: int) -> tuple[Example, ...]:
    """Pick training examples to show, kinds in turn, by hash of the id.

    Args:
        training: Rows of the training side; never test rows.
        count: How many to pick.

    Raises:
        DataError: A test row is among them, or there are fewer than ``count``.
    """
    tests = next((example for example in training if example.side == "test"), None)
    if tests is not None:
        raise DataError("a test row was offered as a worked example", where=tests.origin)
    if len(training) < count:
        raise DataError(
            f"few-shot prompting needs {count} training rows, but there are {len(training)}",
            where="evaluate.few_shot",
            mend="Lower it, or add rows.",
        )
    by_kind: dict[str, list[Example]] = {}
    for example in sorted(training, key=lambda e: hashlib.sha256(e.id.encode()).digest()):
        by_kind.setdefault(example.kind, []).append(example)
    queues, chosen = [by_kind[kind] for kind in sorted(by_kind)], list[Example]()
    while len(chosen) < count:
        for queue in queues:
            if queue and len(chosen) < count:
                chosen.append(queue.pop(0))
    return tuple(chosen)


class FewShotAnswerer:
    """Answers like ``inner``, but with worked examples as earlier turns of the conversation.

    A prompt that no longer fits the context is not shortened in silence: the inner answerer
    reports it with the finish reason ``context``, and comparisons count it.

    Args:
        inner: Who answers.
        shots: Worked examples, from the training side.
    """

    def __init__(self, inner: Generate, shots: Sequence[Example]) -> None:
        self._inner = inner
        self._turns = tuple(
            turn for shot in shots for turn in shot.messages if turn.role != "system"
        )

    def generate(
        self,
        conversations: Sequence[Sequence[Message]],
        sampling: Sampling,
        *,
        tools: Sequence[str] = (),
    ) -> list[Reply]:
        """Answer each conversation, in order."""
        shown = [self._with_shots(c) for c in conversations]
        return self._inner.generate(shown, sampling, tools=tools)

    def stream(
        self, conversation: Sequence[Message], sampling: Sampling, tools: str = ""
    ) -> Iterator[str | Reply]:
        """Answer one conversation piece by piece; the last item is the whole reply."""
        return self._inner.stream(self._with_shots(conversation), sampling, tools)

    def score(
        self,
        conversations: Sequence[Sequence[Message]],
        references: Sequence[str | Message],
        *,
        tools: Sequence[str] = (),
    ) -> list[Score | None]:
        """Likelihood of each reference after its conversation with the worked examples."""
        shown = [self._with_shots(c) for c in conversations]
        return self._inner.score(shown, references, tools=tools)

    def count_tokens(self, text: str) -> int:
        """Tokens of a text as the inner answerer counts them."""
        return self._inner.count_tokens(text)

    @property
    def context_length(self) -> int:
        """Longest prompt and answer together, in tokens."""
        return self._inner.context_length

    def _with_shots(self, conversation: Sequence[Message]) -> tuple[Message, ...]:
        system = tuple(m for m in conversation if m.role == "system")
        rest = tuple(m for m in conversation if m.role != "system")
        return (*system, *self._turns, *rest)
