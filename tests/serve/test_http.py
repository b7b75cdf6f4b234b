"""The server as the official client sees it, on a real port of this machine."""

from __future__ import annotations

import concurrent.futures
import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from serving_fakes import OTHER, PASSAGE, Echo, service, serving, wait_for
from starlette.requests import Request

from luthier.serve import http
from luthier.serve.http import MOST_BYTES
from luthier.serve.service import Service

CLIENTS: dict[tuple[str, str], openai.OpenAI] = {}


def client(place: str, key: str = "none") -> openai.OpenAI:
    if (place, key) not in CLIENTS:
        CLIENTS[place, key] = openai.OpenAI(
            base_url=f"{place}/v1", api_key=key, max_retries=0, timeout=20
        )
    return CLIENTS[place, key]


@pytest.fixture(autouse=True)
def _close_clients() -> Iterator[None]:
    yield
    while CLIENTS:
        CLIENTS.popitem()[1].close()


def ask(place: str, text: str, **options: Any) -> Any:
    messages = [{"role": "user", "content": text}]
    return client(place).chat.completions.create(model="docs", messages=messages, **options)


@pytest.fixture
def fake() -> Echo:
    return Echo(passages=(PASSAGE, OTHER))


@pytest.fixture
def answering(tmp_path: Path, fake: Echo) -> Service:
    return service(tmp_path, fake)


@pytest.fixture
def place(answering: Service) -> Iterator[str]:
    with serving(answering) as address:
        yield address


def test_a_whole_answer(place: str, answering: Service) -> None:
    reply = ask(place, "one two three", max_tokens=2)
    assert reply.choices[0].message.content == "one two "
    assert reply.choices[0].finish_reason == "length"
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (3, 2)
    assert reply.usage.total_tokens == 5
    logged = answering.journal.get(reply.id)
    assert logged.answer == "one two "
    assert reply.luthier == {
        "answer_id": reply.id,
        "passages": [
            {"id": "wrap#0", "title": "textwrap.wrap", "origin": "textwrap.py:377", "score": 0.9},
            {"id": "fill#0", "title": "textwrap.fill", "origin": "textwrap.py:391", "score": 0.4},
        ],
        "citations": ["wrap#0"],
    }


def test_a_streamed_answer(place: str, answering: Service) -> None:
    chunks = list(ask(place, "één zwei 三", stream=True, stream_options={"include_usage": True}))
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    text = [c.choices[0].delta.content for c in chunks if c.choices]
    assert text[:4] == ["", "één ", "zwei ", "三 "]
    assert [c.choices[0].finish_reason for c in chunks[:-1]] == [None] * 4 + ["stop"]
    assert chunks[-2].luthier["citations"] == ["wrap#0"]  # type: ignore[attr-defined]
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens == 6
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert answering.journal.get(chunks[0].id).answer == "één zwei 三 "


def test_a_stream_without_usage_and_without_text(place: str) -> None:
    chunks = list(ask(place, "one", stream=True))
    assert all(chunk.choices for chunk in chunks)
    body = {"model": "docs", "stream": True, "messages": [{"role": "user", "content": "one"}]}
    with post(place, body) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = response.read().decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    assert all(json.loads(e.removeprefix("data: "))["id"] for e in events[:-2])


def test_pieces_come_while_the_model_works(tmp_path: Path) -> None:
    with serving(service(tmp_path, Echo(pause_s=0.1))) as place:
        stream = ask(place, "one two three four five six seven eight nine ten", stream=True)
        next(stream)
        first = time.monotonic()
        list(stream)
        assert time.monotonic() - first > 0.4  # most of the ten pauses were still to come


def test_the_model_list_and_health(place: str) -> None:
    models = client(place).models.list().data
    assert [(m.id, m.owned_by) for m in models] == [("docs", "luthier")]
    with urllib.request.urlopen(f"{place}/health", timeout=10) as response:
        assert json.load(response) == {"status": "ok", "model": "docs", "bundle": "b" * 64}


def test_a_client_need_not_know_what_is_served(place: str, answering: Service) -> None:
    turns: Any = [{"role": "user", "content": "one two"}]
    reply = client(place).chat.completions.create(model="luthier", messages=turns)
    assert (reply.model, reply.choices[0].message.content) == ("docs", "one two ")
    assert answering.journal.get("last").model == "docs"


def test_too_long_for_the_context(place: str, answering: Service) -> None:
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as caught:
            ask(place, "word " * 60, stream=stream)
        assert caught.value.code == "context_length_exceeded"
        assert answering.journal.get("last").finish_reason == "context"
        assert answering.journal.get("last").id in caught.value.message


def test_another_model_is_unknown(place: str) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client(place).chat.completions.create(
            model="gpt-4", messages=[{"role": "user", "content": "one"}]
        )
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_refused_options(place: str, fake: Echo) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(place, "one", temperature=-5)
    assert caught.value.param == "temperature"
    with pytest.raises(openai.BadRequestError) as caught:
        ask(place, "one", n=2)
    assert caught.value.code == "unsupported_parameter"
    assert fake.samplings == []


def test_a_key_is_demanded_everywhere_but_at_health(answering: Service) -> None:
    with serving(answering, api_key="grüße") as place:
        for key in ("wrong", "none"):
            with pytest.raises(openai.AuthenticationError) as caught:
                client(place, key).models.list()
            assert caught.value.code == "invalid_api_key"
            with pytest.raises(openai.AuthenticationError):
                client(place, key).chat.completions.create(model="docs", messages=[])
        urllib.request.urlopen(f"{place}/health", timeout=10).close()
    with serving(answering, api_key="right") as place:
        assert len(client(place, "right").models.list().data) == 1


def test_unknown_paths_speak_json(place: str) -> None:
    for path in ("/v1/embeddings", "/docs", "/openapi.json"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(place + path, timeout=10)
        assert caught.value.code == 404
        assert path in json.load(caught.value)["error"]["message"]


def test_bodies_that_are_no_request(place: str) -> None:
    for body, status in ((b"{", 400), (b"[]", 400), (b"\xff", 400), (b" " * MOST_BYTES, 400)):
        assert refused(place, body) == status
    assert refused(place, b" " * (MOST_BYTES + 1)) == 413


def test_an_error_before_and_within_the_stream(place: str, answering: Service) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        ask(place, "BOOM")
    assert "secret" not in caught.value.message
    said = []
    with pytest.raises(openai.APIError, match="the answer failed"):
        for chunk in ask(place, "one BOOM", stream=True):
            said.append(chunk.choices[0].delta.content)
    assert said == ["", "one "]
    assert answering.journal.get("last").finish_reason == "error"
    assert ask(place, "next").choices[0].message.content == "next "


def test_requests_wait_in_line_and_the_model_works_in_one_thread(tmp_path: Path) -> None:
    fake = Echo(pause_s=0.005)
    with (
        serving(service(tmp_path, fake)) as place,
        concurrent.futures.ThreadPoolExecutor(60) as pool,
    ):
        client(place)
        replies = pool.map(lambda i: ask(place, f"{i} {i}"), range(60))
        wait_for(lambda: fake.said > 2)
        urllib.request.urlopen(f"{place}/health", timeout=1).close()  # not in the line
        replies = list(replies)
    assert [r.choices[0].message.content for r in replies] == [f"{i} {i} " for i in range(60)]
    assert (fake.most_working, len(fake.threads)) == (1, 1)


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_stops_its_answer(tmp_path: Path, *, stream: bool) -> None:
    fake = Echo(pause_s=0.1)
    answering = service(tmp_path, fake)
    with serving(answering) as place:
        leaving, waiting = (request(place, "w " * 12, stream=stream) for _ in range(2))
        wait_for(lambda: fake.said >= 1)
        waiting.close()  # leaves the line without ever having its turn
        leaving.close()
        wait_for(lambda: fake.working == 0, limit_s=1.0)
        assert fake.said < 8
        assert ask(place, "next").choices[0].message.content == "next "
    endings = [r.finish_reason for r in answering.journal.records()]
    assert endings == ["abandoned", "stop"]


def post(place: str, body: dict[str, Any]) -> Any:
    headers = {"content-type": "application/json"}
    data = json.dumps(body).encode()
    asked = urllib.request.Request(f"{place}/v1/chat/completions", data, headers)
    return urllib.request.urlopen(asked, timeout=20)


def refused(place: str, body: bytes) -> int:
    asked = urllib.request.Request(f"{place}/v1/chat/completions", body)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(asked, timeout=20)
    assert json.load(caught.value)["error"]["type"] == "invalid_request_error"
    return caught.value.code


def request(place: str, text: str, *, stream: bool) -> socket.socket:
    """Send a request and keep the line open without reading."""
    host, port = place.removeprefix("http://").split(":")
    messages = [{"role": "user", "content": text}]
    body = json.dumps({"model": "docs", "messages": messages, "stream": stream}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    line = socket.create_connection((host, int(port)))
    line.sendall(head.encode() + body)
    return line


@pytest.mark.parametrize(
    ("header", "sent", "names"),
    [
        ("X-Groups", {"X-Groups": "ann, sales,,"}, {"ann", "sales", "everyone"}),
        ("X-Groups", {}, {"everyone"}),
        ("", {"X-Groups": "ann"}, {"everyone"}),
    ],
)
def test_who_asks_is_what_the_gateway_says(
    header: str, sent: dict[str, str], names: set[str]
) -> None:
    raw = [(k.lower().encode(), v.encode()) for k, v in sent.items()]
    request = Request({"type": "http", "headers": raw})
    assert http._viewer(request, header) == names
