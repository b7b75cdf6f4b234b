"""A judge is asked about answers, once more where it said nothing usable."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from luthier.core.records import Message
from luthier.evaluate.judging.rubric import (
    BETTER_WANTED,
    Rubric,
    Verdict,
    asked_for_better,
    asked_for_score,
    better_said,
    score_said,
    score_wanted,
)

if TYPE_CHECKING:
    from luthier.core.progress import Progress
    from luthier.core.store import Store
    from luthier.evaluate.judge import JudgeSpec
    from luthier.evaluate.runs.answerers import Answerer
    from luthier.evaluate.runs.rows import Row

_WORTH = {"A": 1.0, "tie": 0.5, "B": 0.0}


@dataclasses.dataclass(frozen=True, slots=True)
class Judgement:
    """What was found of one item.

    Attributes:
        item_id: The item.
        value: 0 to 1, more is better; None where the judge said nothing usable.
        label: The score from 1 on; of two answers ``first``, ``second`` or ``tie``; "" for none.
        fault: Why there is none, or "".
        retried: The judge was asked again.
        said: Its reply.
        said_swapped: Its reply to the other order, or "".
        swapped_same: Whether both orders agree; None where that was not asked or not said.
        first_place: How often the answer shown first was preferred; None for ties alone.
    """

    item_id: str
    value: float | None
    label: str
    fault: str
    retried: bool
    said: str
    said_swapped: str = ""
    swapped_same: bool | None = None
    first_place: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class _Told:
    verdict: Verdict
    said: str
    retried: bool


def judged_singly(
    rows: Sequence[Row],
    rubric: Rubric,
    by: Answerer,
    store: Store,
    spec: JudgeSpec,
    *,
    seed: int,
    progress: Progress,
) -> list[Judgement]:
    """A score for each answer.

    Args:
        rows: Answered items.
        rubric: What is judged.
        by: The judge.
        store: Where its replies are kept.
        spec: How it is asked.
        seed: Of random choices.
        progress: Gets a bar.
    """
    levels = len(rubric.levels)
    prompts = {
        row.item_id: asked_for_score(rubric, question_of(row), row.reply, row.reference)
        for row in rows
    }
    told = _asked(
        prompts, by, store, spec, seed, progress,
        lambda said: score_said(said, levels), score_wanted(rubric),
    )  # fmt: skip
    found = []
    for row in rows:
        own = told[row.item_id]
        score = own.verdict.score
        found.append(
            Judgement(
                item_id=row.item_id,
                value=None if score is None else (score - 1) / (levels - 1),
                label="" if score is None else str(score),
                fault=own.verdict.fault,
                retried=own.retried,
                said=own.said,
            )
        )
    return found


def judged_pairs(
    pairs: Sequence[tuple[Row, Row]],
    rubric: Rubric,
    by: Answerer,
    store: Store,
    spec: JudgeSpec,
    *,
    seed: int,
    progress: Progress,
) -> list[Judgement]:
    """Which of two answers is better, asked in both orders.

    Args:
        pairs: The same item as two runs answered it.
        rubric: What is judged.
        by: The judge.
        store: Where its replies are kept.
        spec: How it is asked.
        seed: Of random choices.
        progress: Gets a bar.
    """
    prompts = {}
    for one, other in pairs:
        shown = (question_of(one), one.reference)
        for name, answers in ((one.item_id, (one.reply, other.reply)),
                              (_swapped(one.item_id), (other.reply, one.reply))):  # fmt: skip
            prompts[name] = asked_for_better(rubric, shown[0], answers, shown[1])
    told = _asked(prompts, by, store, spec, seed, progress, better_said, BETTER_WANTED)
    return [_pair(one.item_id, told[one.item_id], told[_swapped(one.item_id)]) for one, _ in pairs]


def question_of(row: Row) -> str:
    """What a judge is shown of an item's prompt: its turns, the instructions left out."""
    turns = json.loads(row.prompt) if row.prompt else []
    shown = [turn for turn in turns if turn["role"] != "system"]
    if len(shown) == 1:
        return str(shown[0].get("content", ""))
    return "\n".join(f"{turn['role']}: {turn.get('content', '')}" for turn in shown)


def _pair(item_id: str, told: _Told, swapped: _Told) -> Judgement:
    first, second = told.verdict.better, swapped.verdict.better
    value: float | None = None
    label = ""
    same: bool | None = None
    place: float | None = None
    if first is not None and second is not None:
        value = (_WORTH[first] + 1 - _WORTH[second]) / 2
        label = "first" if value > 0.5 else "second" if value < 0.5 else "tie"
        same = _WORTH[first] == 1 - _WORTH[second]
        sided = [choice == "A" for choice in (first, second) if choice != "tie"]
        place = sum(sided) / len(sided) if sided else None
    return Judgement(
        item_id=item_id,
        value=value,
        label=label,
        fault=told.verdict.fault or swapped.verdict.fault,
        retried=told.retried or swapped.retried,
        said=told.said,
        said_swapped=swapped.said,
        swapped_same=same,
        first_place=place,
    )


def _asked(
    prompts: dict[str, str],
    by: Answerer,
    store: Store,
    spec: JudgeSpec,
    seed: int,
    progress: Progress,
    read: Callable[[str], Verdict],
    wanted: str,
) -> dict[str, _Told]:
    """What the judge says to each prompt; if that is unusable it is reminded and asked again."""

    def ask_some(some: dict[str, str]) -> dict[str, tuple[Verdict, str]]:
        from luthier.evaluate.run import RunSpec
        from luthier.evaluate.runs.answers import Answers, answers_path
        from luthier.evaluate.runs.ask import ask
        from luthier.evaluate.suite import Item

        items = [Item(key, "conversation", (Message("user", p),)) for key, p in some.items()]
        how = RunSpec(max_new_tokens=spec.max_new_tokens, batch=spec.batch)
        held = Answers(answers_path(store.root, by.name, by.digest))
        replies, _ = ask(items, by, held, how, seed, progress)
        return {
            key: (Verdict(fault="no answer"), own.error)
            if own.error or own.reply.finish_reason == "context"
            else (read(own.reply.text), own.reply.text)
            for key, own in zip(some, replies, strict=True)
        }

    found = ask_some(prompts)
    again = {
        key: f"{prompts[key]}\n\nYour reply before this one had no such line. {wanted}"
        for key, (verdict, _) in found.items()
        if verdict.fault and by.kind != "answers"
    }
    second = ask_some(again) if again else {}
    return {key: _Told(*second.get(key, own), key in second) for key, own in found.items()}


def _swapped(item_id: str) -> str:
    return f"{item_id}#swapped"
