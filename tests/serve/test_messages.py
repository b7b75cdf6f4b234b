"""Messages and tools of requests: taken as OpenAI's API has them, or refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from luthier.serve._messages import conversation_of, tools_of
from luthier.serve._refusal import Refusal

ASK = {"role": "user", "content": "How many strings?"}
CALL = {
    "id": "call00000",
    "type": "function",
    "function": {"name": "count", "arguments": '{"of": "lute"}'},
}
TOOL = {"type": "function", "function": {"name": "count", "parameters": {"type": "object"}}}


def called(*calls: Any, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": list(calls), **more}


def result(name: Any = "call00000", **more: Any) -> dict[str, Any]:
    return {"role": "tool", "content": "13", "tool_call_id": name, **more}


def test_a_conversation_with_calls_and_results() -> None:
    asked, call, told = conversation_of([ASK, called(CALL), result()])
    assert (call.role, call.content, json.loads(call.tool_calls)) == ("assistant", "", [CALL])
    assert (told.role, told.content, told.tool_call_id) == ("tool", "13", "call00000")
    assert asked.tool_calls == told.tool_calls == ""
    both = conversation_of([ASK, called(CALL, content="I count."), result(), ASK])
    assert both[1].content == "I count."


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([ASK, called()], "messages[1].tool_calls"),
        ([ASK, called("count")], "messages[1].tool_calls[0]"),
        ([ASK, called(CALL, {**CALL, "id": 3})], "messages[1].tool_calls[1]"),
        ([ASK, called({**CALL, "type": "custom"})], "messages[1].tool_calls[0]"),
        ([ASK, called({**CALL, "function": {"name": "f", "arguments": {}}})],
         "messages[1].tool_calls[0]"),
        ([ASK, called({**CALL, "function": {"name": "f", "arguments": "{"}})],
         "messages[1].tool_calls[0]"),
        ([ASK, called(CALL)], "messages"),
        ([ASK, result()], "messages[1].tool_call_id"),
        ([ASK, called(CALL), result("other")], "messages[2].tool_call_id"),
        ([ASK, called(CALL), result(None)], "messages[2].tool_call_id"),
        ([ASK, called(CALL), result(content=None)], "messages[2].content"),
        ([ASK, {**result(), "tool_calls": [CALL]}], "messages[1]"),
        ([{**ASK, "tool_calls": [CALL]}], "messages[0]"),
        ([{**ASK, "tool_call_id": "call00000"}], "messages[0]"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(messages: list[Any], param: str) -> None:
    with pytest.raises(Refusal) as caught:
        conversation_of(messages)
    assert (caught.value.status, caught.value.param) == (400, param)


def test_tools_are_json_text() -> None:
    assert json.loads(tools_of([TOOL])) == [TOOL]
    assert tools_of([]) == ""


@pytest.mark.parametrize(
    ("tools", "param"),
    [
        ("count", "tools"),
        (["count"], "tools[0]"),
        ([{"type": "custom", "custom": {"name": "count"}}], "tools[0]"),
        ([TOOL, {"type": "function"}], "tools[1].function.name"),
        ([{"type": "function", "function": {"name": "a b"}}], "tools[0].function.name"),
        ([{"type": "function", "function": {"name": "a", "parameters": 1}}],
         "tools[0].function.parameters"),
    ],
)  # fmt: skip
def test_other_tools_are_refused(tools: Any, param: str) -> None:
    with pytest.raises(Refusal) as caught:
        tools_of(tools)
    assert caught.value.param == param
