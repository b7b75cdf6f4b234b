"""Answers without a language model: the sentence, or the words, of the passages that answer.

`ExtractiveAnswerer` is a route of its own. Whatever it says stands letter by letter in a document,
at offsets it can name. Where no sentence holds enough of the question it says that the documents do
not tell. Questions that need two places, or reckoning, are beyond it.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from luthier.core.records import Message, Passage
from luthier.core.spec import Spec
from luthier.models.generate import GenerateWhole, Reply, Sampling
from luthier.rag.access import Viewer
from luthier.rag.guarding.care import Asked, Care, Finds
from luthier.rag.guarding.leaving import Leaving
from luthier.rag.reading.spans import Found, Similarity, find, weights
from luthier.rag.reading.stretches import stretch
from luthier.rag.reading.terms import terms

if TYPE_CHECKING:
    from luthier.models.encode import Encoder, Vectors

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
    weight = weights(question, passages)
    rows = find(question, passages, similar, weight_of=weight)
    found = [f for f in rows if f.holding >= spec.least]
    if spec.answer == "words":
        best = stretch(question, found, weight)
        if best is not None:
            start = best.found.start + best.start
            return [_piece(best.found, start, best.found.start + best.end)]
        return [_piece(f, f.start, f.end) for f in found[:1]]
    rank = {id(p): i for i, p in enumerate(passages)}
    chosen = sorted(found[: spec.sentences], key=lambda f: (rank[id(f.passage)], f.start))
    return [_piece(f, f.start, f.end) for f in chosen]


def similarity(encoder: Encoder, *, kept: int = 10_000) -> Similarity:
    """Cosines by an encoder, for `extract` and `ExtractiveAnswerer`.

    Args:
        encoder: Reads questions and sentences.
        kept: So many sentences' vectors are kept, for they come back; all are dropped when full.
    """
    known: dict[str, Vectors] = {}

    def cosines(question: str, texts: Sequence[str]) -> Sequence[float]:
        if len(known) > kept:
            known.clear()
        new = [t for t in dict.fromkeys((question, *texts)) if t not in known]
        if new:
            known.update(zip(new, encoder.encode(new), strict=True))
        return [float(known[text] @ known[question]) for text in texts]

    return cosines


@dataclasses.dataclass(frozen=True, slots=True)
class ExtractiveAnswerer(GenerateWhole):
    """A `Generate` without a model: retrieves, and says what stands there.

    Attributes:
        index: Where passages are found.
        spec: What is taken out of them.
        similar: An encoder's cosines, or none.
        care: Who asks, what is refused and what is logged.
    """

    index: Finds
    spec: ExtractSpec
    similar: Similarity | None = None
    care: Care = dataclasses.field(default_factory=Care)

    def seen_by(self, viewer: Viewer) -> ExtractiveAnswerer:
        """The same for another viewer."""
        return dataclasses.replace(self, care=dataclasses.replace(self.care, viewer=viewer))

    def generate(
        self,
        conversations: Sequence[Sequence[Message]],
        sampling: Sampling,
        *,
        tools: Sequence[str] = (),
    ) -> list[Reply]:
        """Answer the last user turn of each; sampling and tools change nothing."""
        started = time.perf_counter()
        asked = self.care.look_up(self.index, conversations)
        replies = [self._answer(one) for one in asked]
        took = time.perf_counter() - started
        return [dataclasses.replace(reply, latency_s=took) for reply in replies]

    def count_tokens(self, text: str) -> int:
        """Words."""
        return len(terms(text))

    @property
    def context_length(self) -> int:
        """So many words that nothing has to give way."""
        return _CONTEXT

    def _answer(self, asked: Asked) -> Reply:
        passages = () if asked.said else asked.passages
        self.care.begin(asked, [p.id for p in passages], [p.document_id for p in passages])
        if asked.said:
            self.care.end(asked, asked.outcome)
            return self._reply(asked, asked.said, (), ())
        pieces = extract(asked.question, passages, self.spec, self.similar)
        if not pieces:
            self.care.end(asked, "abstained", passages)
            return self._reply(asked, self.spec.nothing, passages, ())
        cited = {piece.passage.id for piece in pieces}
        citations = tuple(p.id for p in passages if p.id in cited)
        watch = None
        if self.care.guard is not None:
            said = [m.content for m in asked.conversation]
            watch = self.care.guard.outgoing(passages, said, self.care.viewer)
        leaving = Leaving(watch, None, asked.warning)
        text = leaving.whole(" ".join(piece.text for piece in pieces))
        self.care.end(asked, leaving.outcome, passages, citations, leaving.notes)
        return self._reply(asked, text, passages, citations)

    def _reply(
        self, asked: Asked, text: str, passages: Sequence[Passage], citations: Sequence[str]
    ) -> Reply:
        return Reply(
            text=text,
            prompt_tokens=self.count_tokens(asked.question),
            completion_tokens=self.count_tokens(text),
            latency_s=0.0,
            finish_reason="stop",
            passages=tuple(passages),
            citations=tuple(citations),
        )


def _piece(found: Found, start: int, end: int) -> Extract:
    text = found.passage.shown[start:end]
    return Extract(text, found.passage, start, end, found.holding, found.score)
