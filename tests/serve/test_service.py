"""Every answer is logged, however it ends, and answers are made one at a time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from serving_fakes import OTHER, PASSAGE, Echo, service

from luthier.core.errors import ResourceError
from luthier.core.journal import AnswerRecord
from luthier.core.records import Message, Passage
from luthier.models.generate import Sampling
from luthier.rag.access import ANYONE, Slice, viewer
from luthier.rag.answer import RagAnswerer
from luthier.rag.spec import RagSpec


def ask(text: str) -> list[Message]:
    return [Message("system", "Echo."), Message("user", text)]


def test_an_answer_is_logged_as_it_is_given(tmp_path: Path) -> None:
    answering = service(tmp_path, Echo(passages=(PASSAGE, OTHER)))
    record = answering.answer(ask("one two three"))
    assert answering.journal.get(record.id) == record
    assert record.answer == "one two three "
    assert record.conversation == tuple(ask("one two three"))
    assert [(p.id, p.origin, p.score) for p in record.passages] == [
        ("wrap#0", "textwrap.py:377", 0.9),
        ("fill#0", "textwrap.py:391", 0.4),
    ]
    assert record.citations == ("wrap#0",)
    assert (record.prompt_tokens, record.completion_tokens) == (4, 3)
    assert (record.bundle, record.route, record.finish_reason) == ("b" * 64, "base", "stop")
    assert record.first_token_s is not None
    assert 0 < record.first_token_s <= record.latency_s


def test_first_token_and_latency_are_measured(tmp_path: Path) -> None:
    record = service(tmp_path, Echo(pause_s=0.05)).answer(ask("one two three"))
    assert record.first_token_s is not None
    assert 0.05 <= record.first_token_s < 0.1 < record.latency_s


def test_the_bundles_sampling_unless_another_is_given(tmp_path: Path) -> None:
    fake = Echo()
    answering = service(tmp_path, fake)
    answering.answer(ask("one"))
    cut = answering.answer(ask("one two"), Sampling(max_new_tokens=1))
    assert [s.max_new_tokens for s in fake.samplings] == [12, 1]
    assert (cut.answer, cut.finish_reason) == ("one ", "length")


def test_a_prompt_that_does_not_fit(tmp_path: Path) -> None:
    answering = service(tmp_path, Echo())
    record = answering.answer(ask("word " * 60))
    assert (record.finish_reason, record.answer, record.first_token_s) == ("context", "", None)
    assert answering.journal.get("last") == record


def test_an_abandoned_answer_stops_and_is_logged(tmp_path: Path) -> None:
    fake = Echo()
    answering = service(tmp_path, fake)
    pieces = answering.stream(ask("one two three four"))
    assert [next(pieces), next(pieces)] == ["one ", "two "]
    pieces.close()
    assert (fake.said, fake.working) == (2, 0)
    record = answering.journal.get("last")
    assert (record.finish_reason, record.answer) == ("abandoned", "one two ")
    assert record.completion_tokens == 2
    assert answering.answer(ask("next")).answer == "next "  # the model is free again


def test_an_error_of_the_model_is_logged_and_raised(tmp_path: Path) -> None:
    answering = service(tmp_path, Echo())
    with pytest.raises(RuntimeError, match="secret"):
        answering.answer(ask("one BOOM"))
    record = answering.journal.get("last")
    assert (record.finish_reason, record.answer) == ("error", "one ")
    assert answering.answer(ask("next")).answer == "next "


def test_an_answer_that_cannot_be_logged_is_not_given(tmp_path: Path) -> None:
    answering = service(tmp_path, Echo())
    (tmp_path / "answers.sqlite").mkdir()
    given = []
    with pytest.raises(ResourceError):
        given.extend(answering.stream(ask("one")))
    assert not any(isinstance(item, AnswerRecord) for item in given)


def test_answers_from_several_threads_take_turns(tmp_path: Path) -> None:
    fake = Echo(pause_s=0.01)
    answering = service(tmp_path, fake)
    threads = [
        threading.Thread(target=answering.answer, args=(ask(f"{i} {i} {i}"),)) for i in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert fake.most_working == 1
    assert {r.answer for r in answering.journal.records()} == {f"{i} {i} {i} " for i in range(4)}


ANYWHERE = Slice()


class Shelf:
    """An index that remembers who looked."""

    def __init__(self) -> None:
        self.asked: list[frozenset[str]] = []

    def search_many(self, queries: Sequence[str], *, part: Slice = ANYWHERE) -> list[list[Passage]]:
        self.asked.append(part.who)
        return [[] for _ in queries]


def test_documents_are_looked_for_in_the_name_of_who_asks(tmp_path: Path) -> None:
    shelf = Shelf()
    answering = service(tmp_path, RagAnswerer(Echo(), shelf, RagSpec()))
    list(answering.stream(ask("one")))
    list(answering.stream(ask("one"), viewer=viewer(["ann"])))
    assert shelf.asked == [ANYONE, viewer(["ann"])]
    plain = service(tmp_path, Echo())
    assert list(plain.stream(ask("one"), viewer=viewer(["ann"])))
