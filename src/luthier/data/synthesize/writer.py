"""A model that writes rows: every call is kept, made only once, and stays within a budget."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from pydantic import Field

from luthier.core.errors import ModelError
from luthier.core.progress import Task
from luthier.core.spec import Spec
from luthier.data.synthesize.journal import Call, CallJournal, Told
from luthier.models.generate import Generate, LocalModel, Reply
from luthier.models.remote import NoAnswerError, RemoteModel

SPENT = "budget spent"
FAILED = "no usable answer from the model"
MOST_FAILURES = 5
_LOCAL_BATCH = 32


class BudgetSpec(Spec):
    """What writing may cost. It ends before the first of these is passed; what is made is kept."""

    max_calls: int = Field(10_000, ge=1)
    """Questions put to the model."""
    max_tokens: int | None = Field(None, ge=1)
    """Tokens of prompts and answers together."""
    max_cost: float | None = Field(None, gt=0)
    """Money, in the currency of the writer's prices."""


@dataclasses.dataclass(frozen=True, slots=True)
class Prices:
    """Money for a million tokens.

    Attributes:
        prompt: Of questions.
        completion: Of answers.
    """

    prompt: float = 0.0
    completion: float = 0.0

    def of(self, amount: Amount) -> float:
        """What some calls cost."""
        prompt = amount.prompt_tokens * self.prompt
        return (prompt + amount.completion_tokens * self.completion) / 1e6


@dataclasses.dataclass(frozen=True, slots=True)
class Amount:
    """Calls and their tokens: whole numbers, so that no order of adding changes a sum."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
        )

    def times(self, number: int) -> Amount:
        """So many of it."""
        return Amount(
            self.calls * number, self.prompt_tokens * number, self.completion_tokens * number
        )

    @property
    def tokens(self) -> int:
        """Of questions and answers together."""
        return self.prompt_tokens + self.completion_tokens


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What a call gave.

    Attributes:
        text: The model's words; if there is a problem, more about it.
        problem: ``budget spent`` (never asked), ``no usable answer from the model``, or "".
    """

    text: str
    problem: str = ""


class Writer:
    """Asks a model, and keeps every answer in a journal as soon as it comes.

    What was asked before is taken from the journal: nothing is paid twice. It counts against the
    budget as if it were new, so that a run that was interrupted ends with the same rows. Whether a
    call is made depends on the calls before it alone, not on how fast they were answered.

    Args:
        answer: The model. An endpoint is asked ``workers`` calls at once, a local model in batches.
        budget: What may be spent.
        journal: Answers so far.
        prices: What tokens cost.
        task: Shown how many calls were made.

    Attributes:
        spent: What the calls so far took.
        paid: The part of it that was not in the journal.
        estimated: Calls whose tokens were estimated.
        failed: Calls without a usable answer.
        over: Whether a call was left out because of the budget.
    """

    def __init__(
        self,
        answer: Generate,
        budget: BudgetSpec,
        journal: CallJournal,
        *,
        prices: Prices | None = None,
        task: Task | None = None,
    ) -> None:
        self.answer, self.budget, self.journal = answer, budget, journal
        self.prices = prices or Prices()
        self.spent, self.paid = Amount(), Amount()
        self.estimated, self.failed, self.over = 0, 0, False
        self.in_a_row = 0
        self._task = task

    def ask(self, calls: Sequence[Call], *, after: int = 0) -> list[Answer]:
        """The model's answers in order.

        A call is made only if the most that it can take fits into the budget, beside the most that
        the calls under way can take. An answer that ran into the limit of tokens, or did not fit,
        comes as it is; what reads it decides.

        Args:
            calls: Questions.
            after: Further calls that each of these will lead to. For each so much is held back: its
                own prompt, and an answer as long as answers were so far.

        Raises:
            ModelError: The endpoint refuses, or five calls in a row had no usable answer.
            ResourceError: It cannot be reached, or stays busy. Answers that came are in the
                journal.
        """
        local = isinstance(self.answer, LocalModel)
        workers = self.answer.spec.workers if isinstance(self.answer, RemoteModel) else 1
        with ThreadPoolExecutor(workers) as pool:
            return _Round(self, calls, after, pool, workers, _LOCAL_BATCH if local else 1).run()

    def bound(self, call: Call) -> Amount:
        """The most that a call can take, as far as its prompt's tokens can be told beforehand."""
        prompt = sum(self.answer.count_tokens(m.content) for m in call.conversation)
        return Amount(1, prompt, call.sampling.max_new_tokens)

    def fits(self, more: Amount) -> bool:
        """Whether the budget allows as much beside what is spent."""
        total, budget = self.spent + more, self.budget
        return (
            total.calls <= budget.max_calls
            and (budget.max_tokens is None or total.tokens <= budget.max_tokens)
            and (budget.max_cost is None or self.prices.of(total) <= budget.max_cost)
        )

    def fetch(self, calls: Sequence[Call]) -> list[Told | NoAnswerError]:
        """Ask, and keep what comes; run in a thread of its own."""
        try:
            if isinstance(self.answer, LocalModel):
                seeds = [call.sampling.seed for call in calls]
                talks = [call.conversation for call in calls]
                replies = self.answer.generate(talks, calls[0].sampling, seeds)
            else:
                replies = [self.answer.generate([c.conversation], c.sampling)[0] for c in calls]
        except NoAnswerError as error:
            return [error for _ in calls]
        told = [self._told(c, r) for c, r in zip(calls, replies, strict=True)]
        self.journal.add(calls, told)
        return list(told)

    def count(self, call: Call, told: Told | NoAnswerError, *, replayed: bool) -> Answer:
        """Book one call."""
        if isinstance(told, NoAnswerError):
            self.failed += 1
            self.in_a_row += 1
            if self.in_a_row >= MOST_FAILURES:
                raise ModelError(
                    f"{MOST_FAILURES} calls in a row had no usable answer: {told.what}",
                    where=told.where,
                    mend=told.mend,
                ) from told
            took = Amount(1, self.bound(call).prompt_tokens, 0)
            answer = Answer(told.what, FAILED)
        else:
            self.in_a_row = 0
            self.estimated += told.estimated
            took = Amount(1, told.prompt_tokens, told.completion_tokens)
            answer = Answer(told.text)
        self.spent += took
        self.paid += Amount() if replayed else took
        if self._task is not None:
            self._task.advance(0, note=f"{self.spent.calls:,} calls")
        return answer

    def _told(self, call: Call, reply: Reply) -> Told:
        """An answer with its tokens, estimated where the endpoint does not tell them."""
        prompt, completion = reply.prompt_tokens, reply.completion_tokens
        silent = prompt <= 0 or (completion <= 0 and bool(reply.text))
        if prompt <= 0:
            prompt = self.bound(call).prompt_tokens
        if completion <= 0:
            completion = self.answer.count_tokens(reply.text) if reply.text else 0
        return Told(reply.text, prompt, completion, silent)


class _Round:
    """The calls of one ``ask``: those under way, those to be handed over together."""

    def __init__(
        self,
        writer: Writer,
        calls: Sequence[Call],
        after: int,
        pool: ThreadPoolExecutor,
        workers: int,
        together: int,
    ) -> None:
        self._writer, self._calls, self._after = writer, calls, after
        self._pool, self._workers, self._together = pool, workers, together
        self._answers = [Answer("", SPENT) for _ in calls]
        self._group: list[int] = []
        self._running: dict[Future[list[Told | NoAnswerError]], list[int]] = {}
        self._bounds: dict[int, Amount] = {}  # of the calls under way
        self._to_come = Amount()
        spent = writer.spent
        self._usual = -(-spent.completion_tokens // max(spent.calls, 1))

    def run(self) -> list[Answer]:
        """Make the calls that the budget allows."""
        for number, call in enumerate(self._calls):
            bound = self._writer.bound(call)
            later = Amount(1, bound.prompt_tokens, self._usual).times(self._after)
            if not self._admits(bound + later):
                self._writer.over = True
                break
            self._to_come += later
            known = self._writer.journal.get(call)
            if known is not None:
                self._answers[number] = self._writer.count(call, known, replayed=True)
                continue
            self._bounds[number] = bound
            self._group.append(number)
            if len(self._group) == self._together:
                self._hand_over()
        self._hand_over()
        while self._running:
            self._settle()
        return self._answers

    def _admits(self, need: Amount) -> bool:
        """Whether there is room; where there may be, once calls under way have told theirs."""
        while True:
            reserved = sum(self._bounds.values(), self._to_come)
            if self._writer.fits(need + reserved):
                return True
            if not self._bounds:
                return False
            self._hand_over()
            self._settle()

    def _hand_over(self) -> None:
        if not self._group:
            return
        while len(self._running) >= self._workers:
            self._settle()
        calls = [self._calls[i] for i in self._group]
        self._running[self._pool.submit(self._writer.fetch, calls)] = self._group
        self._group = []

    def _settle(self) -> None:
        """Wait for one of the calls under way, and book it."""
        done, _ = wait(self._running, return_when=FIRST_COMPLETED)
        for future in sorted(done, key=lambda one: self._running[one][0]):
            numbers = self._running.pop(future)
            for number, told in zip(numbers, future.result(), strict=True):
                del self._bounds[number]
                call = self._calls[number]
                self._answers[number] = self._writer.count(call, told, replayed=False)
