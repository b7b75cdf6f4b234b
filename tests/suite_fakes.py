"""Answerers for tests of suites and runs: they say what they are told, and count what is asked."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence

from tiny_models import tiny

from luthier.core.records import Message
from luthier.evaluate.suite import Item, Suite, from_items
from luthier.models.generate import Reply, Sampling, Score
from luthier.models.load import Model


class Told:
    """Answers with a function of the last turn.

    Attributes:
        asked: The last turns that were asked, in order.
    """

    context_length = 1000

    def __init__(self, say: Callable[[str], Reply | str], *, likely: Sequence[str] = ()) -> None:
        self.say, self.likely = say, likely
        self.asked: list[str] = []

    def generate(
        self,
        conversations: Sequence[Sequence[Message]],
        sampling: Sampling,
        *,
        tools: Sequence[str] = (),
    ) -> list[Reply]:
        replies = []
        for conversation in conversations:
            self.asked.append(conversation[-1].content)
            said = self.say(conversation[-1].content)
            replies.append(Reply(said, 5, 2, 0.5, "stop") if isinstance(said, str) else said)
        return replies

    def stream(
        self, conversation: Sequence[Message], sampling: Sampling, tools: str = ""
    ) -> Iterator[str | Reply]:
        yield from self.generate([conversation], sampling)

    def score(
        self,
        conversations: Sequence[Sequence[Message]],
        references: Sequence[str | Message],
        *,
        tools: Sequence[str] = (),
    ) -> list[Score | None]:
        if not self.likely:
            return [None] * len(conversations)
        return [Score(1.0 if r in self.likely else 3.0, 2) for r in references]

    def count_tokens(self, text: str) -> int:
        return len(text.split())


def questions(count: int = 4) -> Suite:
    """Questions ``n?`` whose answer is ``n``."""
    items = [
        Item(f"q{n}", "qa", (Message("user", f"{n}?"),), (str(n),), tags=("even",) * (n % 2 == 0))
        for n in range(count)
    ]
    return from_items("numbers", items)


def choices() -> Suite:
    """Two choices of two options."""
    options = ("red", "green")
    return from_items(
        "colours",
        [
            Item("blood", "choice", (Message("user", "Blood is"),), ("red",), options),
            Item("grass", "choice", (Message("user", "Grass is"),), ("green",), options),
        ],
    )


def echo(text: str) -> str:
    """The answer to a question of ``questions``."""
    return text.rstrip("?")


def untemplated() -> Model:
    """A tiny model without a chat template."""
    model = tiny()
    model.tokenizer = copy.deepcopy(model.tokenizer)
    model.tokenizer.chat_template = None
    return model
