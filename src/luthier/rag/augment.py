"""Put retrieved passages into a conversation, within a token budget.

The format is one of the things that must never drift apart: training rows with a context and
served prompts both come from `fill`, so a tuned model sees in service what it was tuned on.

Passages give way whole and are never cut. What had no room, and what was merged into another, is
told. Two limits are kept: of the passages' own tokens (``context_tokens``), and of the prompt as a
whole, counted on the rendered conversation rather than as a sum of its parts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, assert_never

from pydantic import Field

from luthier.core.records import Message, Passage
from luthier.core.spec import Spec
from luthier.rag._merge import Merged, merge

CountText = Callable[[str], int]
"""How the answering model counts a text."""
CountPrompt = Callable[[Sequence[Message]], int]
"""Tokens of a whole conversation as the answering model reads it, template included."""


class AugmentSpec(Spec):
    """How passages are put into a prompt."""

    order: Literal["best_first", "best_ends"] = "best_first"
    """``best_first``; or ``best_ends``: the best first, the second best last, the weakest in the
    middle, where models look least (Liu et al. 2023, "Lost in the Middle")."""
    duplicates: Literal["keep", "merge"] = "keep"
    """``merge`` shows overlapping passages of one document as one, and texts that are nearly the
    same once."""
    prompt_tokens: int | None = Field(None, ge=16)
    """Most tokens of the whole rendered prompt; none for what the model's context leaves."""


@dataclasses.dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation with its passages.

    Attributes:
        messages: What the model is asked.
        passages: Those that stand in it, in that order: the first is ``[1]``.
        left_out: Those without room, best first.
        sources: For a passage that stands for several, the ids of all of them; by its id.
        tokens: Of the whole prompt; 0 where nothing counts it.
    """

    messages: tuple[Message, ...]
    passages: tuple[Passage, ...] = ()
    left_out: tuple[Passage, ...] = ()
    sources: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    tokens: int = 0

    def ids(self) -> tuple[str, ...]:
        """Ids of all passages of which text is shown, those merged into others too."""
        return tuple(one for p in self.passages for one in self.sources.get(p.id, (p.id,)))


def augment(
    messages: Sequence[Message],
    passages: Sequence[Passage],
    *,
    budget_tokens: int,
    count_tokens: CountText,
) -> tuple[tuple[Message, ...], tuple[Passage, ...]]:
    """`fill` with its defaults and no limit but that of the passages: messages and passages."""
    prompt = fill(
        messages, passages, AugmentSpec(), budget_tokens=budget_tokens, count_tokens=count_tokens
    )
    return prompt.messages, prompt.passages


def fill(
    messages: Sequence[Message],
    passages: Sequence[Passage],
    spec: AugmentSpec,
    *,
    budget_tokens: int,
    count_tokens: CountText,
    most_tokens: int | None = None,
    count_prompt: CountPrompt | None = None,
    write: Callable[[Sequence[Passage]], str] | None = None,
) -> Prompt:
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
        passages: Best first. One that would pass a limit is left out whole, never cut, and the
            next is tried; numbers run over those that are kept.
        spec: Order and duplicates.
        budget_tokens: Most tokens of the numbered passages together, without the words around.
        count_tokens: How the answering model counts a text.
        most_tokens: Most tokens of the whole prompt; needs ``count_prompt``.
        count_prompt: How it counts a rendered conversation.
        write: Writes the context otherwise than above: for fences (`luthier.rag.guard`).

    Returns:
        The prompt. Without any passage (or without a user turn) its messages are as they came.
    """
    last = _last_user_turn(messages)
    if last is None:
        return Prompt(tuple(messages), left_out=tuple(passages))
    written = write or numbered
    merged = merge(passages) if spec.duplicates == "merge" else Merged(tuple(passages), {})
    limit = min((b for b in (most_tokens, spec.prompt_tokens) if b is not None), default=None)

    def conversation(chosen: Sequence[Passage]) -> tuple[Message, ...]:
        return _with_context(messages, last, written(chosen)) if chosen else tuple(messages)

    def small(chosen: Sequence[Passage]) -> bool:
        return count_tokens(written(chosen)) <= budget_tokens

    def tokens(chosen: Sequence[Passage]) -> int:
        return 0 if count_prompt is None else count_prompt(conversation(chosen))

    kept = _greedy(merged.passages, small, spec)
    if limit is not None and tokens(_arranged(kept, spec)) > limit:
        most = limit
        kept = _greedy(merged.passages, lambda c: small(c) and tokens(c) <= most, spec)
    shown, left_out = _arranged(kept, spec), tuple(p for p in merged.passages if p not in kept)
    return Prompt(conversation(shown), tuple(shown), left_out, merged.sources, tokens(shown))


def numbered(passages: Sequence[Passage]) -> str:
    """Passages as they stand in a prompt, numbered from 1."""
    heads = (f"[{number}] {p.title}".rstrip() for number, p in enumerate(passages, 1))
    return "\n\n".join(f"{head}\n{p.shown}" for head, p in zip(heads, passages, strict=True))


def _greedy(
    rows: Sequence[Passage], fits: Callable[[Sequence[Passage]], bool], spec: AugmentSpec
) -> list[Passage]:
    """Each passage in turn, if it fits beside the better ones."""
    kept: list[Passage] = []
    for passage in rows:
        if fits(_arranged([*kept, passage], spec)):
            kept.append(passage)
    return kept


def _arranged(passages: Sequence[Passage], spec: AugmentSpec) -> list[Passage]:
    match spec.order:
        case "best_first":
            return list(passages)
        case "best_ends":  # 1 3 5 ... 6 4 2
            return [*passages[::2], *reversed(passages[1::2])]
        case never:
            assert_never(never)


def _with_context(messages: Sequence[Message], last: int, context: str) -> tuple[Message, ...]:
    turn = messages[last]
    content = f"Context:\n{context}\n\nQuestion: {turn.content}"
    changed = dataclasses.replace(turn, content=content)
    return (*messages[:last], changed, *messages[last + 1 :])


def _last_user_turn(messages: Sequence[Message]) -> int | None:
    turns = (i for i in reversed(range(len(messages))) if messages[i].role == "user")
    return next(turns, None)
