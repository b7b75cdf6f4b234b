"""What the prompt with passages looks like, to the byte."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, strategies as st

from luthier.core.records import Message, Passage
from luthier.rag.augment import AugmentSpec, Prompt, augment, fill


def words(text: str) -> int:
    return len(text.split())


def passage(title: str, text: str) -> Passage:
    return Passage(f"{title}#0", title, title, text, f"{title}.py:1", 0, len(text))


WRAP = passage("textwrap.wrap", "Wrap a paragraph.\nReturns lines.")
FILL = passage("textwrap.fill", "Fill a paragraph.")
LONG = passage("textwrap", "word " * 50)
ASK = (
    Message("system", "Be brief."),
    Message("user", "Hello"),
    Message("assistant", "Hi"),
    Message("user", "What does wrap return?"),
)


def test_the_last_user_turn_becomes_exactly_this() -> None:
    messages, kept = augment(ASK, [WRAP, FILL], budget_tokens=100, count_tokens=words)
    assert messages[:3] == ASK[:3]
    assert messages[3] == Message(
        "user",
        "Context:\n[1] textwrap.wrap\nWrap a paragraph.\nReturns lines.\n\n"
        "[2] textwrap.fill\nFill a paragraph.\n\nQuestion: What does wrap return?",
    )
    assert kept == (WRAP, FILL)


def test_a_passage_over_the_budget_is_left_out_whole_and_the_next_is_tried() -> None:
    messages, kept = augment(ASK, [WRAP, LONG, FILL], budget_tokens=12, count_tokens=words)
    assert kept == (WRAP, FILL)
    assert "[2] textwrap.fill\nFill a paragraph." in messages[-1].content


def test_the_best_passage_wins_when_one_alone_fits() -> None:
    _, kept = augment(ASK, [FILL, WRAP], budget_tokens=5, count_tokens=words)
    assert kept == (FILL,)


def test_without_passages_or_a_user_turn_nothing_changes() -> None:
    assert augment(ASK, [], budget_tokens=100, count_tokens=words) == (ASK, ())
    assert augment(ASK, [LONG], budget_tokens=10, count_tokens=words) == (ASK, ())
    rules = (Message("system", "Be brief."),)
    assert augment(rules, [WRAP], budget_tokens=100, count_tokens=words) == (rules, ())


@given(
    texts=st.lists(st.text(min_size=1, max_size=60), max_size=6),
    budget=st.integers(0, 40),
)
def test_the_budget_holds_and_every_kept_passage_stands_whole(
    texts: list[str], budget: int
) -> None:
    given_passages = [passage(f"d{i}", text) for i, text in enumerate(texts)]
    messages, kept = augment(ASK, given_passages, budget_tokens=budget, count_tokens=words)
    body = "\n\n".join(f"[{n}] {p.title}\n{p.text}" for n, p in enumerate(kept, 1))
    assert words(body) <= budget
    assert messages[-1].content.endswith("Question: What does wrap return?" if kept else "return?")
    assert body in messages[-1].content


def shown(spec: AugmentSpec, passages: list[Passage], **limits: Any) -> Prompt:
    return fill(ASK, passages, spec, budget_tokens=100, count_tokens=words, **limits)


def whole(messages: Sequence[Message]) -> int:
    return sum(words(m.content) + 3 for m in messages)


NAMED = [passage(f"d{i}", f"text number {i}") for i in range(1, 6)]


@pytest.mark.parametrize(
    ("count", "order"), [(0, []), (1, [1]), (2, [1, 2]), (3, [1, 3, 2]), (5, [1, 3, 5, 4, 2])]
)
def test_the_best_stand_at_the_ends(count: int, order: list[int]) -> None:
    found = shown(AugmentSpec(order="best_ends"), NAMED[:count])
    assert [p.title for p in found.passages] == [f"d{i}" for i in order]
    assert all(f"[{n}] d{i}\n" in found.messages[-1].content for n, i in enumerate(order, 1))


@given(st.lists(st.integers(1, 30), max_size=6), st.integers(0, 150), st.booleans())
def test_the_whole_prompt_keeps_its_limit_and_what_gave_way_is_told(
    sizes: list[int], limit: int, ends: bool
) -> None:
    rows = [passage(f"d{i}", "w " * size) for i, size in enumerate(sizes)]
    spec = AugmentSpec(order="best_ends" if ends else "best_first")
    found = shown(spec, rows, most_tokens=limit, count_prompt=whole)
    assert found.tokens == whole(found.messages)
    assert found.tokens <= limit or not found.passages
    assert {p.id for p in (*found.passages, *found.left_out)} == {p.id for p in rows}
    assert len(found.passages) + len(found.left_out) == len(rows)
    for one in found.left_out:  # nothing was left out that had room beside the better ones
        better = [p for p in found.passages if rows.index(p) < rows.index(one)]
        more = fill(
            ASK, sorted([*better, one], key=rows.index), AugmentSpec(), budget_tokens=10_000,
            count_tokens=words,
        )  # fmt: skip
        body = more.messages[-1].content.removeprefix("Context:\n").split("\n\nQuestion: ")[0]
        assert whole(more.messages) > limit or words(body) > 100


def test_the_settings_limit_the_whole_prompt_too() -> None:
    found = shown(AugmentSpec(prompt_tokens=38), NAMED, count_prompt=whole)
    assert whole(found.messages) <= 38
    assert 0 < len(found.passages) < 5


def test_what_is_shown_is_the_parent() -> None:
    parent = dataclasses.replace(WRAP, context="The whole chapter.")
    messages, _ = augment(ASK, [parent], budget_tokens=100, count_tokens=words)
    assert messages[-1].content.startswith("Context:\n[1] textwrap.wrap\nThe whole chapter.\n\n")


def test_merged_passages_answer_for_all_their_ids() -> None:
    twin = passage("copy", FILL.text)
    kept = shown(AugmentSpec(), [FILL, twin, WRAP])
    assert kept.ids() == ("textwrap.fill#0", "copy#0", "textwrap.wrap#0")
    found = shown(AugmentSpec(duplicates="merge"), [FILL, twin, WRAP])
    assert found.passages == (FILL, WRAP)
    assert found.ids() == ("textwrap.fill#0", "copy#0", "textwrap.wrap#0")
    assert found.messages[-1].content.count(FILL.text) == 1
