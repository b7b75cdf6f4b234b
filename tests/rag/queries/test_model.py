"""Replies of a model are believed only after a look."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from scripted import Scripted

from luthier.core.errors import ResourceError
from luthier.core.records import Message
from luthier.models.generate import Reply, Sampling
from luthier.rag.queries._model import Told, one_line, tell
from luthier.rag.queries.language import read_language

ENGLISH = read_language("english")


def _told(text: str) -> Told:
    return one_line(Told(text), about="Who built the tower?", most_characters=40, language=ENGLISH)


def test_what_is_said_is_told_with_its_sampling() -> None:
    model = Scripted(lambda prompt: f"  {prompt} back \n")
    assert tell(model, "there and", max_new_tokens=9, temperature=0.5, seed=3) == Told(
        "there and back"
    )
    assert model.samplings == [Sampling(max_new_tokens=9, temperature=0.5, seed=3)]


def test_a_failing_model_is_told_and_not_raised() -> None:
    def fail(_: str) -> str:
        raise ResourceError("the endpoint is away")

    told = tell(Scripted(fail), "hello", max_new_tokens=9, temperature=0.0, seed=0)
    assert told == Told("", "the model failed: the endpoint is away")


def test_a_prompt_too_long_and_an_empty_reply_are_told() -> None:
    class Full(Scripted):
        def generate(
            self,
            conversations: Sequence[Sequence[Message]],
            sampling: Sampling,
            *,
            tools: Sequence[str] = (),
        ) -> list[Reply]:
            return [Reply("", 9999, 0, 0.0, "context")]

    full = tell(Full(str), "hello", max_new_tokens=9, temperature=0.0, seed=0)
    assert "longer than the model reads" in full.problem
    empty = tell(Scripted(lambda _: "  "), "hello", max_new_tokens=9, temperature=0.0, seed=0)
    assert empty == Told("", "the reply is empty")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Who built the Eiffel tower?", "Who built the Eiffel tower?"),
        ('"Who built the tower?"\nSecond line', "Who built the tower?"),
        ("Standalone question: Who built a tower?", "Who built a tower?"),
        ("- the tower: who built it?", "the tower: who built it?"),
    ],
)
def test_one_line_is_kept(said: str, kept: str) -> None:
    assert _told(said) == Told(kept)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("tower " * 20, "too long"),
        ("I cannot help with that.", "something else"),
        ('""', "empty"),
    ],
)
def test_a_bad_reply_is_refused(said: str, problem: str) -> None:
    assert problem in _told(said).problem
    assert _told(said).text == ""
