"""An endpoint's answers come in order, passing failures are retried, and keys are never told."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError

from luthier.core.errors import LuthierError, ModelError, ResourceError
from luthier.core.records import Message
from luthier.models.generate import Reply, Sampling
from luthier.models.remote import NoAnswerError, RemoteModel, RemoteSpec, as_openai

Handler = Callable[[httpx2.Request], httpx2.Response]


def answer(text: str | None, finish: str = "stop") -> httpx2.Response:
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": finish}
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    return httpx2.Response(200, json={"choices": [choice], "usage": usage})


def model(handler: Handler, pauses: list[float] | None = None, **settings: Any) -> RemoteModel:
    spec = RemoteSpec(base_url="http://here/v1", model="m", **settings)
    kept = pauses if pauses is not None else []
    return RemoteModel(spec, pause=kept.append, transport=httpx2.MockTransport(handler))


def ask(text: str) -> list[Message]:
    return [Message("user", text)]


def test_answers_come_in_the_order_of_the_questions() -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        asked = json.loads(request.content)
        assert request.url.path == "/v1/chat/completions"
        assert (asked["model"], asked["max_tokens"], asked["stop"]) == ("m", 9, ["\n"])
        assert asked["seed"] == 5
        return answer(" " + asked["messages"][-1]["content"].upper())

    questions = [ask(f"q{i}") for i in range(20)]
    replies = model(handler).generate(questions, Sampling(max_new_tokens=9, stop=("\n",), seed=5))
    assert [r.text for r in replies] == [f"Q{i}" for i in range(20)]
    assert {(r.prompt_tokens, r.completion_tokens, r.finish_reason) for r in replies} == {
        (7, 3, "stop")
    }


def test_a_cut_answer_says_so() -> None:
    one = model(lambda _: answer("cut", "length"))
    *pieces, reply = one.stream(ask("q"), Sampling())
    assert isinstance(reply, Reply)
    assert (pieces, reply.finish_reason) == (["cut"], "length")
    assert one.score([ask("q")], ["a"]) == [None]
    assert one.count_tokens("12345") == 2
    assert one.context_length == 8192


def test_tools_are_asked_with_and_calls_are_kept() -> None:
    calls = [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]

    def handler(request: httpx2.Request) -> httpx2.Response:
        asked = json.loads(request.content)
        plain = asked["messages"][0]["content"] == "q"
        assert asked.get("tools") == (None if plain else [{"a": 1}])
        message = {"role": "assistant", "content": None, "tool_calls": calls}
        return httpx2.Response(200, json={"choices": [{"message": message}]})

    plain, offered = model(handler).generate(
        [ask("q"), ask("r")], Sampling(), tools=["", '[{"a": 1}]']
    )
    assert plain.text == offered.text == ""
    assert json.loads(offered.tool_calls) == calls
    assert offered.said == '[{"arguments": {}, "name": "f"}]'


def test_passing_failures_are_tried_again_and_the_servers_wish_is_kept() -> None:
    left = [httpx2.Response(503), httpx2.Response(429, headers={"retry-after": "7"})]
    pauses: list[float] = []
    one = model(lambda _: left.pop(0) if left else answer("done"), pauses)
    assert one.generate([ask("q")], Sampling())[0].text == "done"
    assert len(pauses) == 2
    assert 0.5 <= pauses[0] <= 1.0
    assert pauses[1] == 7.0


def test_a_server_that_cannot_be_reached_is_named() -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused", request=request)

    pauses: list[float] = []
    with pytest.raises(ResourceError, match="no answer after 3 calls"):
        model(handler, pauses, retries=2).generate([ask("q")], Sampling())
    assert len(pauses) == 2


def test_a_refusal_is_told_once_and_without_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "sk-very-secret")
    calls = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        calls.append(request.headers["authorization"])
        return httpx2.Response(401, json={"error": {"message": "bad key sk-very-secret"}})

    one = model(handler, api_key="${SOME_KEY}")
    with pytest.raises(ModelError, match="refuses: 401") as caught:
        one.generate([ask("q")], Sampling())
    assert calls == ["Bearer sk-very-secret"]
    assert "very-secret" not in str(caught.value)
    assert "very-secret" not in one.spec.model_dump_json()


GARBAGE = [
    httpx2.Response(200, text="<html>"),
    httpx2.Response(200, json={"choices": []}),
    httpx2.Response(200, json=[]),
    httpx2.Response(200, json={"choices": [{"message": {"content": 3}}]}),
    httpx2.Response(200, json={"error": {"message": "too busy"}}),
]


@pytest.mark.parametrize("response", GARBAGE)
def test_what_is_no_answer_is_asked_again(response: httpx2.Response) -> None:
    left, pauses = [response, response], list[float]()
    one = model(lambda _: left.pop() if left else answer("done"), pauses)
    assert one.generate([ask("q")], Sampling())[0].text == "done"
    assert len(pauses) == 2


@pytest.mark.parametrize("response", GARBAGE)
def test_what_stays_no_answer_is_told(response: httpx2.Response) -> None:
    pauses: list[float] = []
    with pytest.raises(NoAnswerError, match="in 3 calls: the endpoint's answer is not"):
        model(lambda _: response, pauses, retries=2).generate([ask("q")], Sampling())
    assert len(pauses) == 2


def test_a_request_that_is_refused_is_not_sent_again() -> None:
    calls = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        calls.append(request)
        return httpx2.Response(400, json={"error": {"message": "the prompt is too long"}})

    with pytest.raises(NoAnswerError, match="refuses: 400: the prompt is too long"):
        model(handler).generate([ask("q")], Sampling())
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (401, "`api_key`"),
        (404, "`base_url` ends in /v1"),
        (429, "lower `workers`"),
        (503, "in trouble"),
        (418, "settings of the request"),
    ],
)
def test_each_status_has_its_own_hint(status: int, hint: str) -> None:
    with pytest.raises(LuthierError) as caught:
        model(lambda _: httpx2.Response(status), retries=1).generate([ask("q")], Sampling())
    assert hint in caught.value.mend
    assert ("/v1" in caught.value.mend) == (status == 404)


@pytest.mark.parametrize("usage", [{}, {"usage": None}, {"usage": {"prompt_tokens": None}}])
def test_a_server_that_counts_nothing_is_heard(usage: dict[str, Any]) -> None:
    body = {"choices": [{"message": {"content": "A."}}], **usage}
    reply = model(lambda _: httpx2.Response(200, json=body)).generate([ask("q")], Sampling())[0]
    assert (reply.text, reply.prompt_tokens, reply.completion_tokens) == ("A.", 0, 0)


def test_an_empty_answer_is_an_answer() -> None:
    assert model(lambda _: answer(None)).generate([ask("q")], Sampling())[0].text == ""


def test_tools_travel_with_their_turns() -> None:
    calls = '[{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]'
    assert as_openai(Message("assistant", "", tool_calls=calls))["tool_calls"][0]["id"] == "1"
    assert as_openai(Message("tool", "4", tool_call_id="1")) == {
        "role": "tool", "content": "4", "tool_call_id": "1"
    }  # fmt: skip


def test_a_written_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="does not stand in the project file"):
        RemoteSpec(base_url="http://here/v1", model="m", api_key="sk-1")
