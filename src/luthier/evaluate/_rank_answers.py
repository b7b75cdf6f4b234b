"""What language models answer to questions of the user's own rows, with examples in the prompt."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from luthier.core.errors import DataError
from luthier.core.progress import Progress
from luthier.core.records import Example
from luthier.core.statistics import FEWEST_GROUPS, paired_bootstrap
from luthier.evaluate import metrics
from luthier.evaluate._ask import wanted
from luthier.evaluate._rank_figures import interval_json
from luthier.evaluate.few_shot import FewShotAnswerer, choose_shots
from luthier.models.generate import LocalModel, Sampling

if TYPE_CHECKING:
    from luthier.models.load import Model

Floats = NDArray[np.float64]

PLAIN_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ 'Question: ' + message['content'] + '\nAnswer:' }}"
    "{% else %}{{ ' ' + message['content'] + '\n\n' }}{% endif %}"
    "{% endfor %}"
)
"""How a model without a chat template is asked: as text that goes on."""
PLAIN_STOPS = ("\n\n", "\nQuestion:")

_AT_ONCE = 16  # questions, so that the bar moves


@dataclasses.dataclass(frozen=True, slots=True)
class Questions:
    """What every candidate is asked.

    Attributes:
        items: Rows whose last answer is wanted.
        shots: Worked examples, from the training side.
        max_new_tokens: Longest answer.
        labels: Whether every answer is the row's label, so that only equality counts.
    """

    items: tuple[Example, ...]
    shots: tuple[Example, ...]
    max_new_tokens: int
    labels: bool

    @property
    def metric(self) -> str:
        """What candidates are compared by."""
        return "accuracy" if self.labels else "token_f1"

    def as_json(self) -> dict[str, Any]:
        """What was asked, as plain data."""
        return {
            "items": len(self.items),
            "shots": [shot.origin for shot in self.shots],
            "metric": self.metric,
            "max_new_tokens": self.max_new_tokens,
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Answered:
    """How one model answered.

    Attributes:
        score: Of each item: accuracy or token F1, 0 to 1.
        exact: Of each item: 1 if the answer is the reference, in normal form.
        context: Prompts that did not fit the context; they count as wrong.
        length: Answers cut off at the limit.
        plain: Whether it was asked without a chat template.
        seconds: For all answers.
    """

    score: Floats
    exact: Floats
    context: int
    length: int
    plain: bool
    seconds: float


def choose_questions(
    held_out: Sequence[Example],
    training: Sequence[Example],
    *,
    shots: int,
    most: int,
    max_new_tokens: int,
) -> Questions:
    """Questions in the order of a hash, so that the first few are a fair sample.

    Args:
        held_out: Rows of the side that is ranked on.
        training: Rows of the training side.
        shots: Worked examples in each prompt.
        most: Largest number of questions.
        max_new_tokens: Longest answer.

    Raises:
        DataError: There are no questions, or too few training rows to show.
    """
    asked = [row for row in held_out if any(turn.role == "user" for turn in row.messages)]
    if not asked:
        raise DataError(
            "there are no questions on this side to ask the candidates",
            mend="Leave --few-shot out: texts alone can be scored.",
        )
    asked.sort(key=lambda row: hashlib.sha256(row.id.encode()).digest())
    labels = all(row.label and row.answer.strip() == row.label for row in asked)
    chosen = tuple(asked[:most])
    return Questions(chosen, choose_shots(training, shots), max_new_tokens, labels)


def answer(name: str, model: Model, questions: Questions, progress: Progress) -> Answered:
    """Ask one model every question, the most likely token each time.

    A model without a chat template is asked in plain text (``PLAIN_TEMPLATE``).

    Args:
        name: What the bar says.
        model: A causal language model.
        questions: See ``Questions``.
        progress: One bar.
    """
    plain = not model.tokenizer.chat_template
    if plain:
        model.tokenizer.chat_template = PLAIN_TEMPLATE
    sampling = Sampling(max_new_tokens=questions.max_new_tokens, stop=PLAIN_STOPS if plain else ())
    asking = FewShotAnswerer(LocalModel(model), questions.shots)
    items, replies = questions.items, []
    began = time.perf_counter()
    with progress.task(f"Asking: {name}", len(items)) as task:
        for begin in range(0, len(items), _AT_ONCE):
            some = items[begin : begin + _AT_ONCE]
            replies += asking.generate(
                [item.prompt for item in some], sampling, tools=[item.tools for item in some]
            )
            task.advance(len(some))
    pairs = list(zip(items, replies, strict=True))
    exact = [metrics.exact_match(r.said, wanted(i), kind=i.kind) for i, r in pairs]
    f1 = [metrics.token_f1(r.said, wanted(i), kind=i.kind) for i, r in pairs]
    return Answered(
        score=np.array(exact if questions.labels else f1, dtype=np.float64),
        exact=np.array(exact, dtype=np.float64),
        context=sum(reply.finish_reason == "context" for reply in replies),
        length=sum(reply.finish_reason == "length" for reply in replies),
        plain=plain,
        seconds=time.perf_counter() - began,
    )


def answer_figures(
    answered: dict[str, Answered | None], questions: Questions, **settings: Any
) -> dict[str, dict[str, Any] | None]:
    """Figures of each candidate's answers; None for those that cannot answer.

    Args:
        answered: By candidate.
        questions: What was asked.
        settings: ``confidence``, ``resamples``, ``seed`` of the intervals.

    Returns:
        For each: ``score`` (mean, low, high), ``exact_match``, ``context``, ``length``, ``plain``,
        ``seconds``; and, but for the best, ``against_best`` (the score less than the best's) with
        its ``verdict``.
    """
    able = {name: own for name, own in answered.items() if own is not None}
    groups = [item.group for item in questions.items]
    best = max(able, key=lambda name: float(able[name].score.mean()), default="")
    found: dict[str, dict[str, Any] | None] = dict.fromkeys(answered)
    for name, own in able.items():
        row: dict[str, Any] = {
            "score": _interval(own.score, groups, settings),
            "exact_match": float(own.exact.mean()),
            "context": own.context,
            "length": own.length,
            "plain": own.plain,
            "seconds": own.seconds,
        }
        if name != best:
            less = _interval(own.score - able[best].score, groups, settings)
            row |= {"against_best": less, "verdict": _verdict(less)}
        found[name] = row
    return found


def _interval(
    values: Floats, groups: Sequence[str], settings: dict[str, Any]
) -> dict[str, float | None]:
    enough = len(values) >= FEWEST_GROUPS
    interval = paired_bootstrap(values, groups=groups, **settings) if enough else None
    return interval_json(float(values.mean()), interval)


def _verdict(less: dict[str, float | None]) -> str:
    if less["low"] is None or less["high"] is None:
        return "too few questions"
    return "worse" if less["high"] < 0 else "cannot tell apart"
