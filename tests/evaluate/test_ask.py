"""One route, all items: batches, single timed questions, likelihoods."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from luthier.core.progress import Quiet, Task
from luthier.core.records import Example, Message
from luthier.evaluate._ask import CHUNK, ask
from luthier.models.generate import Reply, Sampling


class Noted(Quiet):
    """Remembers how far its bars went."""

    def __init__(self) -> None:
        super().__init__()
        self.steps, self.total = 0, 0
        self.notes: list[str] = []

    @contextlib.contextmanager
    def task(self, title: str, total: int | None = None) -> Iterator[Task]:
        self.total = total or 0
        yield self  # type: ignore[misc]

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.steps += steps
        if note:
            self.notes.append(note)


def test_items_are_asked_in_chunks_then_some_alone(fake: Any, example: Any) -> None:
    items = [example(str(i), f"say {i}", f"say {i}") for i in range(CHUNK + 5)]
    route, bar = fake(lambda question: question, nll=2.0), Noted()
    asked = ask("base", route, items, Sampling(), 3, bar)
    assert [len(batch) for batch in route.asked] == [CHUNK, 5, 1, 1, 1, 1]  # one is to warm up
    assert [row.item_id for row in asked.rows] == [item.id for item in items]
    assert all(row.token_f1 == 1.0 and row.nll_nats == 4.0 for row in asked.rows)
    assert all(row.reference_tokens == 2 for row in asked.rows)
    assert [row.latency_s is not None for row in asked.rows] == [True] * 3 + [False] * (CHUNK + 2)
    assert bar.steps == bar.total
    assert bar.notes[-1] == "F1 1.000"


def test_rows_carry_passages_citations_and_whether_the_source_was_found(
    fake: Any, example: Any, passage: Any
) -> None:
    wrap, fill = passage("wrap", "The width is 70."), passage("fill", "Fills text.")
    route = fake(lambda question: "width is 70", passages=lambda question: (wrap, fill))
    items = [
        example("a", "width?", "70", document="wrap"),
        example("b", "else?", "x", document="dedent"),
        example("c", "nothing?", "x"),
    ]
    asked = ask("rag", route, items, Sampling(), 1, Quiet())
    assert [row.source_found for row in asked.rows] == [True, False, None]
    assert asked.rows[0].passage_ids == ("wrap#0", "fill#0")
    assert asked.rows[0].citations == ("wrap#0",)
    assert asked.rows[0].faithfulness == 1.0
    assert asked.rows[0].nll_nats is None
    assert asked.passages == {"wrap#0": wrap, "fill#0": fill}


def test_what_does_not_fit_or_is_cut_off_is_told(fake: Any, example: Any) -> None:
    items = [example("a", "one two three four", "x"), example("b", "one", "x")]
    asked = ask(
        "base", fake(lambda q: "x " * 9, fits=2), items, Sampling(max_new_tokens=4), 1, Quiet()
    )
    assert [row.finish_reason for row in asked.rows] == ["context", "length"]
    assert asked.rows[0].token_f1 == 0.0
    assert asked.rows[0].faithfulness is None


def test_answers_that_change_with_the_batch_are_counted(fake: Any, example: Any) -> None:
    count = iter(range(100))
    route = fake(lambda question: f"answer {next(count)}")
    items = [example(str(i), "q", "a") for i in range(6)]
    assert ask("base", route, items, Sampling(), 4, Quiet()).unstable == 4
    assert ask("base", fake(lambda q: "same"), items, Sampling(), 4, Quiet()).unstable == 0


def test_a_route_that_loses_a_reply_is_an_error(fake: Any, example: Any) -> None:
    route = fake(lambda question: "x")
    whole = route.generate
    route.generate = lambda *asked, **more: whole(*asked, **more)[1:]
    with pytest.raises(ValueError, match="shorter"):
        ask("base", route, [example("a", "q", "a"), example("b", "q", "a")], Sampling(), 1, Quiet())


TOOLS = '[{"type": "function", "function": {"name": "count"}}]'


def calling(name: str, arguments: str, tools: str = TOOLS) -> Example:
    """A row whose answer is a call; of arguments as text, with an id of its own."""
    call = {"id": f"id-{name}", "function": {"name": "count", "arguments": arguments}}
    turns = (Message("user", name), Message("assistant", "", tool_calls=json.dumps([call])))
    return Example(name, turns, f"rows.csv:{name}", name, "fact", side="test", tools=tools)


class Calls:
    """Calls `count` with the question; remembers the tools it was shown, and what it scored."""

    context_length = 100

    def __init__(self) -> None:
        self.tools: list[str] = []
        self.scored: list[Any] = []

    def generate(self, conversations: Any, sampling: Sampling, *, tools: Any = ()) -> list[Reply]:
        self.tools += tools
        asked = ({"of": conversation[-1].content} for conversation in conversations)
        calls = ([{"function": {"name": "count", "arguments": own}}] for own in asked)
        return [Reply("", 5, 5, 0.0, "stop", tool_calls=json.dumps(own)) for own in calls]

    def score(self, conversations: Any, references: Any, *, tools: Any = ()) -> list[None]:
        self.scored += zip(references, tools, strict=True)
        return [None for _ in references]


def test_calls_are_compared_by_name_and_arguments() -> None:
    items = [calling("lute", '{"of":"lute"}'), calling("harp", '{ "of": "lyre" }')]
    route: Any = Calls()
    asked = ask("base", route, items, Sampling(), 1, Quiet())
    assert [row.exact_match for row in asked.rows] == [True, False]
    assert 0 < asked.rows[1].token_f1 < 1
    assert asked.rows[0].reference == '[{"arguments": {"of": "lute"}, "name": "count"}]'
    assert route.tools == [TOOLS] * 4
    assert route.scored == [(item.messages[-1], TOOLS) for item in items]
    assert asked.unstable == 0
