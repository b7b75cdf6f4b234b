"""Answerers and rows for these tests; every answer follows from the question."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from luthier.core.records import Example, Message, Passage, Side
from luthier.models.generate import Reply, Sampling, Score

sys.path.insert(0, str(Path(__file__).parents[1]))  # for tiny_models


def make_example(
    name: str, question: str, answer: str, *, kind: str = "fact", group: str = "",
    side: Side = "test", document: str = "",
) -> Example:  # fmt: skip
    turns = (Message("user", question), Message("assistant", answer))
    return Example(
        name, turns, f"faq.csv:{name}", group or f"group of {name}", kind, document, side
    )


def make_passage(document: str, text: str) -> Passage:
    return Passage(f"{document}#0", document, document, text, f"{document}.py:1", 0, len(text))


class Fake:
    """Answers by a function of the last turn; remembers what it was asked."""

    def __init__(
        self,
        answer: Callable[[str], str],
        *,
        nll: float | None = None,
        passages: Callable[[str], tuple[Passage, ...]] = lambda question: (),
        fits: int = 10_000,
    ) -> None:
        self.answer, self.nll, self.passages, self.fits = answer, nll, passages, fits
        self.asked: list[list[tuple[Message, ...]]] = []

    def generate(
        self,
        conversations: Sequence[Sequence[Message]],
        sampling: Sampling,
        *,
        tools: Sequence[str] = (),
    ) -> list[Reply]:
        self.asked.append([tuple(c) for c in conversations])
        return [self._reply(c, sampling) for c in conversations]

    def stream(
        self, conversation: Sequence[Message], sampling: Sampling, tools: str = ""
    ) -> Iterator[str | Reply]:
        reply = self._reply(conversation, sampling)
        yield reply.text
        yield reply

    def score(
        self,
        conversations: Sequence[Sequence[Message]],
        references: Sequence[str],
        *,
        tools: Sequence[str] = (),
    ) -> list[Score | None]:
        if self.nll is None:
            return [None for _ in references]
        return [Score(self.nll * len(r.split()), len(r.split())) for r in references]

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    @property
    def context_length(self) -> int:
        return self.fits

    def _reply(self, conversation: Sequence[Message], sampling: Sampling) -> Reply:
        prompt = sum(len(m.content.split()) for m in conversation)
        if prompt > self.fits:
            return Reply("", prompt, 0, 0.0, "context")
        question = conversation[-1].content
        text = self.answer(question).split()
        cut = " ".join(text[: sampling.max_new_tokens])
        finish = "length" if len(text) > sampling.max_new_tokens else "stop"
        found = self.passages(question)
        cited = tuple(p.id for p in found if cut in p.text)
        return Reply(cut, prompt, len(cut.split()), 0.0, finish, found, cited)  # type: ignore[arg-type]


@pytest.fixture
def example() -> Callable[..., Example]:
    """A function that makes one row."""
    return make_example


@pytest.fixture
def passage() -> Callable[[str, str], Passage]:
    """A function that makes one passage: document id, text."""
    return make_passage


@pytest.fixture
def fake() -> type[Fake]:
    """The answerer's class."""
    return Fake
