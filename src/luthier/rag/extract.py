"""Answers without a language model: the sentence, or the words, of the passages that answer.

`ExtractiveAnswerer` is a route of its own. Whatever it says stands letter by letter in a document,
at offsets it can name. Where no sentence holds enough of the question it says that the documents do
not tell. Questions that need two places, or reckoning, are beyond it.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from pydantic import Field

from luthier.core.records import Message, Passage
from luthier.core.spec import Spec
from luthier.models.generate import Reply, Sampling, Score
from luthier.rag._spans import Found, Similarity, find, stretch
from luthier.rag._terms import terms

if TYPE_CHECKING:
    from luthier.models.encode import Encoder

_CONTEXT = 1_000_000  # words: there is no window to fill


class ExtractSpec(Spec):
    """What is taken out of the passages as the answer."""

    answer: Literal["sentence", "words"] = "sentence"
    """The best sentences as they stand, or only the words that answer (a name, a date)."""
    sentences: int = Field(1, ge=1, le=10)
    """How many sentences; they stand in the answer in the order of the passages and texts."""
    least: float = Field(0.3, ge=0.0, le=1.0)
    """Share of the question's words, by how rare they are, that a sentence must hold."""
    nothing: str = Field("This is not in the documents.", min_length=1)
    """The answer where no sentence holds so much."""


@dataclasses.dataclass(frozen=True, slots=True)
class Extract:
    """A piece of a passage that answers.

    Attributes:
        text: The piece.
        passage: Where it stands.
        start: Offset into what is shown of the passage: ``passage.shown[start:end] == text``.
        end: Offset behind it.
        holding: Share of the question's words that its sentence holds, 0 to 1.
        score: What it was chosen by.
    """

    text: str
    passage: Passage
    start: int
    end: int
    holding: float
    score: float

    @property
    def document_span(self) -> tuple[int, int] | None:
        """Its offsets into the document's text; None where a larger context is shown instead."""
        if self.passage.context:
            return None
        return self.passage.start + self.start, self.passage.start + self.end


class Finds(Protocol):
    """What is asked of an index (`luthier.rag.index.Index`)."""

    def search_many(self, queries: Sequence[str]) -> list[list[Passage]]:
        """Passages for each query, best first."""


def extract(
    question: str,
    passages: Sequence[Passage],
    spec: ExtractSpec,
    similar: Similarity | None = None,
) -> list[Extract]:
    """The pieces of some passages that answer a question.

    Args:
        question: What is asked.
        passages: Best first.
        spec: What is taken.
        similar: An encoder's cosines (`similarity`), or none.

    Returns:
        At most ``spec.sentences`` pieces, in the order of the passages and of their texts; none
        where no sentence holds enough of the question.
    """
    found = [f for f in find(question, passages, similar) if f.holding >= spec.least]
    rank = {id(p): i for i, p in enumerate(passages)}
    best = found[: spec.sentences if spec.answer == "sentence" else 1]
    best.sort(key=lambda f: (rank[id(f.passage)], f.start))
    return [_piece(question, one, spec) for one in best]


def similarity(encoder: Encoder) -> Similarity:
    """Cosines by an encoder, for `extract` and `ExtractiveAnswerer`."""

    def cosines(question: str, texts: Sequence[str]) -> Sequence[float]:
        vectors = encoder.encode([question, *texts])
        told: list[float] = (vectors[1:] @ vectors[0]).tolist()
        return told

    return cosines


@dataclasses.dataclass(frozen=True, slots=True)
class ExtractiveAnswerer:
    """A `Generate` without a model: retrieves, and says what stands there.

    Attributes:
        index: Where passages are found.
        spec: What is taken out of them.
        similar: An encoder's cosines, or none.
    """

    index: Finds
    spec: ExtractSpec
    similar: Similarity | None = None

    def generate(
        self,
        conversations: Sequence[Sequence[Message]],
        sampling: Sampling,
        *,
        tools: Sequence[str] = (),
    ) -> list[Reply]:
        """Answer the last user turn of each; sampling and tools change nothing."""
        started = time.perf_counter()
        questions = [_question(c) for c in conversations]
        found = self.index.search_many(questions) if questions else []
        replies = [self.reply(q, p) for q, p in zip(questions, found, strict=True)]
        took = time.perf_counter() - started
        return [dataclasses.replace(reply, latency_s=took) for reply in replies]

    def stream(
        self, conversation: Sequence[Message], sampling: Sampling, tools: str = ""
    ) -> Iterator[str | Reply]:
        """The answer in one piece, then the reply."""
        [reply] = self.generate([conversation], sampling)
        if reply.text:
            yield reply.text
        yield reply

    def score(
        self,
        conversations: Sequence[Sequence[Message]],
        references: Sequence[str | Message],
        *,
        tools: Sequence[str] = (),
    ) -> list[Score | None]:
        """None for each: what only copies has no likelihoods."""
        return [None] * len(conversations)

    def count_tokens(self, text: str) -> int:
        """Words."""
        return len(terms(text))

    @property
    def context_length(self) -> int:
        """So many words that nothing has to give way."""
        return _CONTEXT

    def reply(self, question: str, passages: Sequence[Passage]) -> Reply:
        """The answer that some passages hold."""
        pieces = extract(question, passages, self.spec, self.similar)
        text = " ".join(piece.text for piece in pieces) or self.spec.nothing
        cited = {piece.passage.id for piece in pieces}
        return Reply(
            text=text,
            prompt_tokens=self.count_tokens(question),
            completion_tokens=self.count_tokens(text),
            latency_s=0.0,
            finish_reason="stop",
            passages=tuple(passages),
            citations=tuple(p.id for p in passages if p.id in cited),
        )


def _piece(question: str, found: Found, spec: ExtractSpec) -> Extract:
    start, end = (found.start, found.end)
    if spec.answer == "words":
        start, end = stretch(question, found)
    text = found.passage.shown[start:end]
    return Extract(text, found.passage, start, end, found.holding, found.score)


def _question(messages: Sequence[Message]) -> str:
    return next((m.content for m in reversed(messages) if m.role == "user"), "")
