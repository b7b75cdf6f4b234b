"""The desk that every method writes at: it asks, and keeps the books of the items begun."""

from __future__ import annotations

import dataclasses
import hashlib
import random
from collections.abc import Sequence

from luthier.core.ledger import Ledger
from luthier.core.progress import Task
from luthier.core.records import Example, Message
from luthier.data.synthesize.drafts import Draft, from_row, pairs
from luthier.data.synthesize.journal import Call
from luthier.data.synthesize.writer import FAILED, SPENT, Answer, Writer
from luthier.models.generate import Sampling

UNREADABLE = "no question and answer in the reply"
MOST_NAMED = 10


@dataclasses.dataclass(frozen=True, slots=True)
class Ask:
    """One question of a method.

    Attributes:
        place: Names it among all of its method: which item, which repetition, which step. The
            call's seed follows from it.
        prompt: What is asked.
        origin: Where the row or document stands that it is made from.
    """

    place: str
    prompt: str
    origin: str


class Desk:
    """What a method writes with.

    Args:
        writer: The model, with its budget.
        sampling: How it chooses; every call gets a seed of its own.
        seed: Decides which rows are shown.
        ledger: Gets a line for each item that gives no row.
        name: The method's name among all of the project's: random choices follow from it, so that
            one method's calls don't depend on the others'.
        judged: Whether a judge reads each draft.
        task: Told of each item that is finished.

    Attributes:
        begun: Items that the model was asked for; each ends as a row or as a line in the ledger.
    """

    def __init__(
        self,
        writer: Writer,
        sampling: Sampling,
        seed: int,
        ledger: Ledger,
        *,
        name: str = "",
        judged: bool = False,
        task: Task | None = None,
    ) -> None:
        self.writer, self.sampling, self.ledger = writer, sampling, ledger
        self.begun = 0
        self._seed, self._name, self._judged, self._task = seed, name, int(judged), task

    def random(self, place: str) -> random.Random:
        """Random choices that follow from the seed, the method and a place in it."""
        return random.Random(self._number(place))

    def ask(self, asks: Sequence[Ask], *, begun: bool = False, after: int = 0) -> list[str | None]:
        """Answers to single questions; None for an item that ends here.

        Args:
            asks: Questions.
            begun: Whether earlier calls were made for these items: then one that the budget ends
                is a line in the ledger. An item that has not begun costs nothing and leaves none.
            after: Further calls each item needs, besides the judge's.
        """
        calls = [
            Call((Message("user", one.prompt),), self.sampling.model_copy(update={"seed": seed}))
            for one in asks
            for seed in [self._number(f"{self.sampling.seed} {one.place}")]
        ]
        answers = self.writer.ask(calls, after=after + self._judged)
        if not begun:
            self.begun += sum(answer.problem != SPENT for answer in answers)
        return [self._text(one, a, begun) for one, a in zip(asks, answers, strict=True)]

    def refuse(self, reason: str, origin: str, detail: str) -> None:
        """An item ends without a row."""
        self.ledger.refuse(reason, origin, detail)
        self.finish()

    def finish(self) -> None:
        """An item has ended."""
        if self._task is not None:
            self._task.advance()

    def pairs(
        self, replies: Sequence[str | None], method: str, sources: Sequence[Example]
    ) -> list[Draft]:
        """The first pair of each reply as a draft made from its source."""
        drafts = []
        for reply, source in zip(replies, sources, strict=True):
            found = pairs(reply or "")
            if found:
                drafts.append(from_row(*found[0], method, source))
            elif reply is not None:
                self.refuse(UNREADABLE, source.origin, reply)
        return drafts

    def _text(self, ask: Ask, answer: Answer, begun: bool) -> str | None:
        if not answer.problem:
            return answer.text
        if answer.problem == FAILED or begun:
            self.refuse(answer.problem, ask.origin, answer.text)
        return None

    def _number(self, place: str) -> int:
        named = hashlib.sha256(f"{self._seed} {self._name} {place}".encode()).digest()
        return int.from_bytes(named[:4], "big") >> 1  # 31 bits: every server takes these


def not_again(questions: Sequence[str]) -> str:
    """What a prompt says of the questions that were written from the same source before."""
    if not questions:
        return ""
    said = "\n".join(f"- {' '.join(q.split())}" for q in questions[-MOST_NAMED:])
    return f"\n\nThese were asked already; ask something else:\n{said}"
