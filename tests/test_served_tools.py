"""Tools over HTTP, as the official client has them: prompts as trained, calls in OpenAI's shape."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from chat_templates import CHATML, IM, WITH_TOOLS, of, renderer
from speaking import speaking

sys.path.insert(0, str(Path(__file__).parent / "serve"))
from serving_fakes import bundle, serving

from luthier.core.journal import Journal
from luthier.core.records import Message
from luthier.models.generate import LocalModel
from luthier.models.render import Renderer
from luthier.serve.service import Service

TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "count_strings",
            "description": "Counts the strings of an instrument.",
            "parameters": {"type": "object", "properties": {"of": {"type": "string"}}},
        },
    }
]
CALLS = json.dumps([{"function": {"name": "count_strings", "arguments": {"of": "lute"}}}])
ASK = {"role": "user", "content": "How many strings has a lute?"}


class Place:
    """A server of a model that always says the same, and what it was shown."""

    def __init__(self, renderer: Renderer, says: str, tmp_path: Path) -> None:
        self.model = speaking(renderer, says)
        journal = Journal(tmp_path / "answers.sqlite")
        info = bundle(tmp_path)
        self.service = Service(info, LocalModel(self.model), journal)

    def ask(self, address: str, messages: list[Any], **options: Any) -> Any:
        with openai.OpenAI(
            base_url=f"{address}/v1", api_key="none", max_retries=0, timeout=20
        ) as client:
            told = client.chat.completions.create(
                model="docs", messages=messages, max_tokens=200, **options
            )
            return list(told) if options.get("stream") else told


def trained(own: Renderer) -> tuple[str, list[int], list[int]]:
    """A conversation with a call and its result as it is trained.

    Returns:
        The call as text, the prompt before it, and the prompt before the answer to its result.
    """
    turns = [
        Message("user", ASK["content"]),
        Message("assistant", "", tool_calls=CALLS),
        Message("tool", "13"),
        Message("assistant", "Thirteen."),
    ]
    first = own.rows(turns[:2], json.dumps(TOOLS))[0]
    last = own.rows(turns, json.dumps(TOOLS))[-1]
    begin = first.mask.index(True)
    said = [i for i in first.ids[begin:] if i not in own.stop_ids]
    end = max(i for i, keep in enumerate(last.mask) if not keep) + 1
    return own.tokenizer.decode(said), first.ids[:begin], last.ids[:end]


@pytest.fixture(params=sorted(WITH_TOOLS))
def own(request: pytest.FixtureRequest) -> Iterator[Renderer]:
    return of(WITH_TOOLS[request.param])


def test_prompts_are_those_trained_and_calls_come_in_openais_shape(
    own: Renderer, tmp_path: Path
) -> None:
    written, before_call, before_answer = trained(own)
    place = Place(own, written, tmp_path)
    with serving(place.service) as address:
        reply = place.ask(address, [ASK], tools=TOOLS, tool_choice="auto")
        (choice,) = reply.choices
        assert choice.finish_reason == "tool_calls"
        assert choice.message.content is None
        (call,) = choice.message.tool_calls
        assert (call.type, call.function.name) == ("function", "count_strings")
        assert json.loads(call.function.arguments) == {"of": "lute"}
        assert place.model.network.prompts[-1] == before_call
        again = [
            ASK,
            choice.message.model_dump(exclude_none=True),
            {"role": "tool", "content": "13", "tool_call_id": call.id},
        ]
        place.ask(address, again, tools=TOOLS)
        assert place.model.network.prompts[-1] == before_answer
        logged = place.service.journal.get(reply.id)
    assert (logged.finish_reason, logged.answer) == ("tool_calls", "")
    assert json.loads(logged.tool_calls)[0]["id"] == call.id
    assert json.loads(logged.tools) == TOOLS


def test_a_stream_shows_no_half_call(own: Renderer, tmp_path: Path) -> None:
    place = Place(own, trained(own)[0], tmp_path)
    with serving(place.service) as address:
        chunks = place.ask(address, [ASK], tools=TOOLS, stream=True)
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == ""
    (told,) = [c.choices[0].delta.tool_calls for c in chunks if c.choices[0].delta.tool_calls]
    assert [(c.index, c.function.name) for c in told] == [(0, "count_strings")]
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("says", ["A lute has <b>13</b>.", '{"strings": 13}', "<call>{"])
def test_what_is_no_call_is_text(says: str, stream: bool, own: Renderer, tmp_path: Path) -> None:
    place = Place(own, says, tmp_path)
    with serving(place.service) as address:
        told = place.ask(address, [ASK], tools=TOOLS, stream=stream)
    if stream:
        assert "".join(c.choices[0].delta.content or "" for c in told) == says
        assert told[-1].choices[0].finish_reason == "stop"
    else:
        assert (told.choices[0].message.content, told.choices[0].message.tool_calls) == (says, None)


def test_what_is_said_before_a_call(tmp_path: Path) -> None:
    calls = ('{"name": "f", "arguments": {}}', '{"name": "g", "arguments": {}}')
    says = "I count." + "".join(f"<call>{one}</call>" for one in calls)
    place = Place(of(WITH_TOOLS["default"]), says, tmp_path)
    with serving(place.service) as address:
        whole = place.ask(address, [ASK], tools=TOOLS).choices[0]
        chunks = place.ask(address, [ASK], tools=TOOLS, stream=True)
    assert whole.message.content == "I count."
    assert [c.function.name for c in whole.message.tool_calls] == ["f", "g"]
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "I count."


def test_without_tools_nothing_is_a_call(tmp_path: Path) -> None:
    own = of(WITH_TOOLS["default"])
    says = trained(own)[0]
    place = Place(own, says, tmp_path)
    with serving(place.service) as address:
        plain = place.ask(address, [ASK]).choices[0]
        none = place.ask(address, [ASK], tools=TOOLS, tool_choice="none").choices[0]
    for choice in (plain, none):
        assert (choice.finish_reason, choice.message.content) == ("stop", says)
    assert place.model.network.prompts[0] == place.model.network.prompts[1]


@pytest.mark.parametrize("stream", [False, True])
def test_a_template_without_tools_is_a_clear_refusal(stream: bool, tmp_path: Path) -> None:
    place = Place(renderer(CHATML, IM), "Four.", tmp_path)
    with serving(place.service) as address:
        with pytest.raises(openai.BadRequestError, match="leaves out the tools") as caught:
            place.ask(address, [ASK], tools=TOOLS, stream=stream)
        assert caught.value.code == "unsupported_conversation"
        with pytest.raises(openai.BadRequestError, match="not forced"):
            place.ask(address, [ASK], tools=TOOLS, tool_choice="required")
        assert place.ask(address, [ASK]).choices[0].message.content == "Four."
