"""What the prompt with passages looks like, to the byte."""

from __future__ import annotations

from hypothesis import given, strategies as st

from luthier.core.records import Message, Passage
from luthier.rag.augment import augment


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
