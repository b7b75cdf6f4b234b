"""A model that answers from a script, and rows to write from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from luthier.core.records import Document, Example, Message
from luthier.models.generate import Reply, Sampling, Score


class Scripted:
    """Answers with what a function says of the last message; counts its calls."""

    def __init__(self, says: Callable[[str], str]) -> None:
        self.says, self.asked, self.samplings = says, list[str](), list[Sampling]()

    context_length = 4096

    def generate(
        self,
        conversations: Sequence[Sequence[Message]],
        sampling: Sampling,
        *,
        tools: Sequence[str] = (),
    ) -> list[Reply]:
        prompts = [c[-1].content for c in conversations]
        self.asked += prompts
        self.samplings += [sampling] * len(prompts)
        return [Reply(self.says(p), len(p.split()), 5, 0.0, "stop") for p in prompts]

    def stream(
        self, conversation: Sequence[Message], sampling: Sampling, tools: str = ""
    ) -> Iterator[str | Reply]:
        yield self.generate([conversation], sampling)[0]

    def score(
        self,
        conversations: Sequence[Sequence[Message]],
        references: Sequence[str],
        *,
        tools: Sequence[str] = (),
    ) -> list[Score | None]:
        return [None] * len(conversations)

    def count_tokens(self, text: str) -> int:
        return len(text.split())


def row(number: int, side: str = "train", label: str = "") -> Example:
    question, answer = f"What does tool number {number} cut?", label or f"It cuts wood {number}."
    return Example(
        f"faq.csv:{number}",
        (Message("user", question), Message("assistant", answer)),
        f"faq.csv:{number}",
        f"group {number}",
        "row",
        side=side,  # type: ignore[arg-type]
        label=label,
    )


def document(number: int) -> Document:
    text = f"Gouge {number} removes wood from the arch of a plate."
    return Document(f"d{number}", "Gouges", text, f"shop.md:{number}", "text", f"d{number}")
