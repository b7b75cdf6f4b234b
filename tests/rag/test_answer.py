"""A model around which passages are put: what it is asked, and what its replies carry."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence

import pytest
from tiny_models import tiny

from luthier.core.records import Message, Passage
from luthier.models.generate import Generate, LocalModel, Reply, Sampling, Score
from luthier.models.load import Model
from luthier.rag.answer import RagAnswerer, special_tokens
from luthier.rag.spec import RagSpec


def passage(name: str, text: str) -> Passage:
    return Passage(f"{name}#0", name, name, text, f"{name}.py:1", 0, len(text))


FILL = passage("textwrap.fill", "Fill a single paragraph of text, returning a new string.")
WRAP = passage("textwrap.wrap", "Wrap the text and return a list of lines.")


@dataclasses.dataclass
class Parrot:
    """Answers with the first passage's text, or says that it does not know."""

    context_length: int = 200
    asked: list[tuple[Message, ...]] = dataclasses.field(default_factory=list)

    def generate(
        self,
        conversations: Sequence[Sequence[Message]],
        sampling: Sampling,
        *,
        tools: Sequence[str] = (),
    ) -> list[Reply]:
        self.asked += [tuple(c) for c in conversations]
        return [Reply(self._say(c), 9, 3, 0.5, "stop") for c in conversations]

    def stream(
        self, conversation: Sequence[Message], sampling: Sampling, tools: str = ""
    ) -> Iterator[str | Reply]:
        [reply] = self.generate([conversation], sampling)
        yield from reply.text.split()
        yield reply

    def score(
        self,
        conversations: Sequence[Sequence[Message]],
        references: Sequence[str | Message],
        *,
        tools: Sequence[str] = (),
    ) -> list[Score | None]:
        self.asked += [tuple(c) for c in conversations]
        told = [r if isinstance(r, str) else r.content for r in references]
        return [Score(1.5, self.count_tokens(r) + 1) if r else None for r in told]

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def _say(self, conversation: Sequence[Message]) -> str:
        lines = conversation[-1].content.split("\n")
        return lines[2] if lines[0] == "Context:" else "I do not know."


class Shelf:
    """Finds passages whose title stands in the question, slowly."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def search_many(self, queries: Sequence[str]) -> list[list[Passage]]:
        self.calls.append(list(queries))
        time.sleep(0.02)
        return [[p for p in (FILL, WRAP) if p.title.split(".")[1] in q] for q in queries]


def asks(text: str) -> tuple[Message, ...]:
    return (Message("user", "Hello"), Message("assistant", "Hi"), Message("user", text))


def answerer(context_length: int = 200) -> tuple[RagAnswerer, Parrot, Shelf]:
    parrot, shelf = Parrot(context_length), Shelf()
    return RagAnswerer(parrot, shelf, RagSpec()), parrot, shelf


def test_replies_carry_passages_checked_citations_and_the_whole_latency() -> None:
    rag, parrot, shelf = answerer()
    both, none = rag.generate([asks("fill or wrap?"), asks("What is pi?")], Sampling())
    assert both.text == FILL.text
    assert both.passages == (FILL, WRAP)
    assert both.citations == ("textwrap.fill#0",)
    assert 0.52 <= both.latency_s < 5
    assert (none.text, none.passages, none.citations) == ("I do not know.", (), ())
    assert shelf.calls == [["fill or wrap?", "What is pi?"]]  # one search for the batch
    assert parrot.asked[0][:2] == asks("")[:2]
    assert parrot.asked[0][2].content.endswith("Question: fill or wrap?")
    assert parrot.asked[1] == asks("What is pi?")


def test_a_stream_ends_with_the_same_reply() -> None:
    rag, _, _ = answerer()
    *pieces, reply = rag.stream(asks("fill?"), Sampling())
    assert pieces == FILL.text.split()
    assert isinstance(reply, Reply)
    [whole] = rag.generate([asks("fill?")], Sampling())
    assert dataclasses.replace(reply, latency_s=0) == dataclasses.replace(whole, latency_s=0)
    assert reply.latency_s >= 0.52


def test_references_are_scored_with_their_passages() -> None:
    rag, parrot, _ = answerer()
    scores = rag.score([asks("fill?"), asks("wrap?")], ["a new string", ""])
    assert scores == [Score(1.5, 4), None]
    assert [FILL.text in parrot.asked[0][-1].content, WRAP.text in parrot.asked[1][-1].content] == [
        True,
        True,
    ]


@pytest.mark.parametrize(("context_length", "kept"), [(200, 2), (148, 1), (140, 0), (10, 0)])
def test_passages_give_way_before_the_question_does(context_length: int, kept: int) -> None:
    rag, parrot, _ = answerer(context_length)
    [reply] = rag.generate([asks("fill or wrap?")], Sampling(max_new_tokens=64))
    assert len(reply.passages) == kept
    assert "fill or wrap?" in parrot.asked[0][-1].content


def test_nothing_to_ask_and_no_conversations() -> None:
    rag, _, _ = answerer()
    rules = (Message("system", "Be brief."),)
    [reply] = rag.generate([rules], Sampling())
    assert reply.passages == ()
    assert rag.generate([], Sampling()) == []


def test_it_is_itself_something_that_answers() -> None:
    rag, parrot, _ = answerer()
    answers: Generate = rag
    assert answers.count_tokens("a b c") == 3
    assert answers.context_length == parrot.context_length


def test_a_local_models_prompt_is_counted_as_it_is_rendered() -> None:
    model = tiny()
    local = LocalModel(model)
    rag = RagAnswerer(local, Shelf(), RagSpec(context_tokens=400))
    long = dataclasses.replace(FILL, text="word " * 20)
    most = {}
    for size in range(20, 400, 15):
        fitting = dataclasses.replace(rag, inner=Short(model, size))
        asked = dataclasses.replace(rag.care, query=lambda _: "fill or wrap?").look_up(
            Both(long, WRAP), [asks("fill or wrap?")]
        )
        [prompt] = fitting._prompts(asked, [8], [""])
        rendered = len(model.renderer.prompt_ids(prompt.messages))
        assert prompt.tokens == rendered
        assert rendered + 8 <= size or not prompt.passages
        assert len(prompt.passages) + len(prompt.left_out) == 2
        most[len(prompt.passages)] = size
    assert set(most) == {0, 1, 2}
    assert special_tokens(local) >= {model.tokenizer.eos_token}
    assert special_tokens(Parrot()) == frozenset()


class Short(LocalModel):
    """A local model whose context is as long as told."""

    def __init__(self, model: Model, length: int) -> None:
        super().__init__(model)
        self.length = length

    @property
    def context_length(self) -> int:
        return self.length


class Both:
    """Always finds the same."""

    def __init__(self, *rows: Passage) -> None:
        self.rows = list(rows)

    def search_many(self, queries: Sequence[str]) -> list[list[Passage]]:
        return [self.rows for _ in queries]
