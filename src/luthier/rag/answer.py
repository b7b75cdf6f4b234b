"""Answer with retrieved passages: a `Generate` around another `Generate`."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from typing import Protocol

from luthier.core.records import Message, Passage
from luthier.models.generate import Generate, Reply, Sampling, Score
from luthier.rag.augment import augment
from luthier.rag.cite import cite
from luthier.rag.spec import RagSpec

_FRAME_TOKENS = 16  # for "Context:", "Question:" and what a template puts around one message


class Finds(Protocol):
    """What an answerer asks of an index (`luthier.rag.index.Index`)."""

    def search_many(self, queries: Sequence[str]) -> list[list[Passage]]:
        """Passages for each query, best first."""


@dataclasses.dataclass(frozen=True, slots=True)
class RagAnswerer:
    """Looks up passages for the last user turn and has another model answer with them.

    Replies carry the passages that were in the prompt and, as citations, those that verifiably
    support the answer. Their latency includes the retrieval.

    Attributes:
        inner: Who answers.
        index: Where passages are found.
        spec: ``context_tokens`` is the budget of passages; it shrinks where the conversation and
            the answer leave less room, so that passages give way before the question does.
    """

    inner: Generate
    index: Finds
    spec: RagSpec

    def generate(
        self,
        conversations: Sequence[Sequence[Message]],
        sampling: Sampling,
        *,
        tools: Sequence[str] = (),
    ) -> list[Reply]:
        """Answer each conversation; a reply's latency counts the retrieval for the whole batch."""
        started = time.perf_counter()
        room = [sampling.max_new_tokens] * len(conversations)
        augmented = self._augment(conversations, room, tools)
        retrieval = time.perf_counter() - started
        replies = self.inner.generate(
            [messages for messages, _ in augmented], sampling, tools=tools
        )
        return [
            _with_passages(reply, passages, retrieval)
            for reply, (_, passages) in zip(replies, augmented, strict=True)
        ]

    def stream(
        self, conversation: Sequence[Message], sampling: Sampling, tools: str = ""
    ) -> Iterator[str | Reply]:
        """Answer piece by piece; the last item is the whole reply."""
        started = time.perf_counter()
        room = [sampling.max_new_tokens]
        [(messages, passages)] = self._augment([conversation], room, [tools])
        retrieval = time.perf_counter() - started
        for piece in self.inner.stream(messages, sampling, tools):
            if isinstance(piece, Reply):
                yield _with_passages(piece, passages, retrieval)
            else:
                yield piece

    def score(
        self,
        conversations: Sequence[Sequence[Message]],
        references: Sequence[str | Message],
        *,
        tools: Sequence[str] = (),
    ) -> list[Score | None]:
        """Likelihoods of reference answers, given the conversation with its passages."""
        room = [
            self.inner.count_tokens(r if isinstance(r, str) else r.content + r.tool_calls)
            for r in references
        ]
        augmented = self._augment(conversations, room, tools)
        return self.inner.score([messages for messages, _ in augmented], references, tools=tools)

    def count_tokens(self, text: str) -> int:
        """As the answering model counts."""
        return self.inner.count_tokens(text)

    @property
    def context_length(self) -> int:
        """Of the answering model, in tokens."""
        return self.inner.context_length

    def _augment(
        self,
        conversations: Sequence[Sequence[Message]],
        answer_tokens: Sequence[int],
        tools: Sequence[str],
    ) -> list[tuple[tuple[Message, ...], tuple[Passage, ...]]]:
        found = self.index.search_many([_question(messages) for messages in conversations])
        # whatever stands in the prompt beside the passages takes room
        offered = tools or [""] * len(conversations)
        taken = [
            room + self.inner.count_tokens(own)
            for room, own in zip(answer_tokens, offered, strict=True)
        ]
        return [
            augment(
                messages,
                passages,
                budget_tokens=self._budget(messages, room),
                count_tokens=self.inner.count_tokens,
            )
            for messages, passages, room in zip(conversations, found, taken, strict=True)
        ]

    def _budget(self, messages: Sequence[Message], answer_tokens: int) -> int:
        said = sum(
            self.inner.count_tokens(m.content + m.tool_calls) + _FRAME_TOKENS for m in messages
        )
        left = self.inner.context_length - said - answer_tokens - _FRAME_TOKENS
        return min(self.spec.context_tokens, left)


def _question(messages: Sequence[Message]) -> str:
    return next((m.content for m in reversed(messages) if m.role == "user"), "")


def _with_passages(reply: Reply, passages: tuple[Passage, ...], retrieval_s: float) -> Reply:
    return dataclasses.replace(
        reply,
        passages=passages,
        citations=cite(reply.text, passages),
        latency_s=reply.latency_s + retrieval_s,
    )
