"""Put retrieved passages into a conversation, within a token budget.

The format is one of the things that must never drift apart: training rows with a context and
served prompts both come from `augment`, so a tuned model sees in service what it was tuned on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from luthier.core.records import Message, Passage


def augment(
    messages: Sequence[Message],
    passages: Sequence[Passage],
    *,
    budget_tokens: int,
    count_tokens: Callable[[str], int],
) -> tuple[tuple[Message, ...], tuple[Passage, ...]]:
    """Give the last user turn the passages as its context.

    That turn becomes exactly::

        Context:
        [1] {title}
        {text}

        [2] {title}
        {text}

        Question: {question}

    Args:
        messages: The conversation. Only its last user turn changes.
        passages: Best first. One that would pass the budget is left out whole, never cut, and
            the next is tried; numbers run over those that are kept.
        budget_tokens: Largest number of tokens of the numbered passages together; the words
            ``Context:`` and ``Question:`` are not counted.
        count_tokens: How the answering model counts a text.

    Returns:
        The messages and the passages that are in them, in that order. Without any passage (or
        without a user turn) the messages are as they came.
    """
    last = _last_user_turn(messages)
    if last is None:
        return tuple(messages), ()
    kept: list[Passage] = []
    for passage in passages:
        if count_tokens(_numbered([*kept, passage])) <= budget_tokens:
            kept.append(passage)
    if not kept:
        return tuple(messages), ()
    turn = messages[last]
    content = f"Context:\n{_numbered(kept)}\n\nQuestion: {turn.content}"
    changed = dataclasses.replace(turn, content=content)
    return (*messages[:last], changed, *messages[last + 1 :]), tuple(kept)


def _last_user_turn(messages: Sequence[Message]) -> int | None:
    turns = (i for i in reversed(range(len(messages))) if messages[i].role == "user")
    return next(turns, None)


def _numbered(passages: Sequence[Passage]) -> str:
    return "\n\n".join(f"[{n}] {p.title}\n{p.text}" for n, p in enumerate(passages, 1))
