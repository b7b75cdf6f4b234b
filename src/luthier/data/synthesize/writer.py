"""A model that writes rows: every call is kept, counted against a budget, and made only once."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pydantic import Field

from luthier.core.progress import Task
from luthier.core.records import Message
from luthier.core.spec import Spec, digest_of
from luthier.models.generate import Generate, Reply, Sampling

CALLS = "calls.jsonl"


class BudgetSpec(Spec):
    """What writing may cost. It ends when the first of these is spent; what is made is kept."""

    max_calls: int = Field(10_000, ge=1)
    """Questions put to the model."""
    max_tokens: int | None = Field(None, ge=1)
    """Tokens of prompts and answers together."""
    max_cost: float | None = Field(None, gt=0)
    """Money, in the currency of the writer's prices."""


@dataclasses.dataclass(slots=True)
class Spent:
    """What has been spent so far.

    Attributes:
        calls: Answered calls, those of an earlier, interrupted run included.
        tokens: Of prompts and answers.
        cost: Money.
        replayed: Calls whose answer was found in the journal.
    """

    calls: int = 0
    tokens: int = 0
    cost: float = 0.0
    replayed: int = 0


class Writer:
    """Asks a model, and keeps every answer in ``calls.jsonl`` in the order of the calls.

    A run that was interrupted asks the same again: answers that stand in the journal are taken
    from there, so nothing is paid twice.

    Args:
        answer: The model.
        budget: What may be spent.
        folder: Holds the journal.
        cost: What one answer costs; by default nothing.
        batch: Questions handed to the model at once.
        task: Told of every batch.
    """

    def __init__(
        self,
        answer: Generate,
        budget: BudgetSpec,
        folder: Path,
        *,
        cost: Callable[[Reply], float] = lambda _: 0.0,
        batch: int = 32,
        task: Task | None = None,
    ) -> None:
        self.answer, self.budget, self.batch = answer, budget, batch
        self.spent = Spent()
        self._cost, self._task = cost, task
        self._path = folder / CALLS
        self._known = dict(_read(self._path))

    @property
    def over(self) -> bool:
        """Whether the budget is spent."""
        spent, budget = self.spent, self.budget
        return (
            spent.calls >= budget.max_calls
            or (budget.max_tokens is not None and spent.tokens >= budget.max_tokens)
            or (budget.max_cost is not None and spent.cost >= budget.max_cost)
        )

    def ask(
        self, conversations: Sequence[Sequence[Message]], sampling: Sampling
    ) -> list[str | None]:
        """The model's answers in order; None for each that the budget no longer allows.

        An answer that ran into the limit of tokens, or did not fit, comes as it is; what reads it
        decides.
        """
        answers: list[str | None] = []
        for at in range(0, len(conversations), self.batch):
            part = conversations[at : at + self.batch]
            left = 0 if self.over else self.budget.max_calls - self.spent.calls
            answers += self._batch(part[:left], sampling)
            answers += [None] * (len(part) - len(part[:left]))
        return answers

    def _batch(
        self, conversations: Sequence[Sequence[Message]], sampling: Sampling
    ) -> list[str | None]:
        keys = [_key(c, sampling) for c in conversations]
        new = [i for i, key in enumerate(keys) if key not in self._known]
        if new:
            replies = self.answer.generate([conversations[i] for i in new], sampling)
            lines = []
            for i, reply in zip(new, replies, strict=True):
                tokens = reply.prompt_tokens + reply.completion_tokens
                self._known[keys[i]] = {
                    "key": keys[i], "text": reply.text, "tokens": tokens, "cost": self._cost(reply)
                }  # fmt: skip
                lines.append(json.dumps(self._known[keys[i]], ensure_ascii=False))
            with self._path.open("a", encoding="utf-8") as file:
                file.write("".join(f"{line}\n" for line in lines))
        answers: list[str | None] = []
        for key in keys:
            told = self._known[key]
            self.spent.calls += 1
            self.spent.tokens += int(told["tokens"])
            self.spent.cost += float(told["cost"])
            answers.append(str(told["text"]))
        self.spent.replayed += len(keys) - len(new)
        if self._task is not None:
            self._task.advance(len(keys))
        return answers


def _key(conversation: Sequence[Message], sampling: Sampling) -> str:
    turns = [[m.role, m.content] for m in conversation]
    return digest_of([turns, sampling.model_dump(mode="json")])


def _read(path: Path) -> Iterator[tuple[str, dict[str, str | int | float]]]:
    """The calls of an earlier run; a line cut off by a crash is passed over."""
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            told = json.loads(line)
            yield told["key"], told
        except (ValueError, KeyError, TypeError):
            continue
