"""Requests: each option is heeded or refused, none is ignored."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from luthier.core.records import Message
from luthier.models.generate import Sampling
from luthier.serve._openai import ALIAS, ChatRequest, parse
from luthier.serve._refusal import Refusal

USUAL = Sampling(max_new_tokens=12, temperature=0.5)
ASK = [{"role": "user", "content": "Why?"}]


def read(**options: Any) -> ChatRequest:
    body = {"model": "docs", "messages": ASK, **options}
    return parse(json.dumps(body).encode(), "docs", USUAL)


def refusal(**options: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        read(**options)
    return caught.value


def test_what_a_request_leaves_out_is_the_bundles() -> None:
    asked = read(temperature=None, max_tokens=None)
    assert asked == ChatRequest((Message("user", "Why?"),), USUAL, stream=False, usage=False)


def test_the_alias_is_accepted_whatever_is_served() -> None:
    assert read(model=ALIAS) == read()
    assert refusal(model="luthiers").code == "model_not_found"
    assert "'docs' is" in refusal(model="").message


def test_what_a_request_says_is_heeded() -> None:
    asked = read(
        temperature=0, top_p=0.25, max_completion_tokens=3, seed=2**40, stop=["\n", "."],
        stream=True, stream_options={"include_usage": True}, user="me", metadata={"a": "b"},
    )  # fmt: skip
    expected = Sampling(max_new_tokens=3, temperature=0.0, top_p=0.25, seed=2**40, stop=("\n", "."))
    assert asked.sampling == expected
    assert isinstance(asked.sampling.temperature, float)
    assert (asked.stream, asked.usage) == (True, True)
    assert read(stop="x").sampling.stop == ("x",)
    assert read(max_tokens=5).sampling.max_new_tokens == 5


def test_roles_and_parts() -> None:
    messages = [
        {"role": "developer", "content": "Be short."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "Wh"}, {"type": "text", "text": "y"}],
        },
        {"role": "assistant", "content": "", "refusal": None},
        {"role": "user", "content": "So?"},
    ]
    assert read(messages=messages).conversation == (
        Message("system", "Be short."),
        Message("user", "Why"),
        Message("assistant", ""),
        Message("user", "So?"),
    )


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": "1"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"max_tokens": 1, "max_completion_tokens": 1}, "max_tokens"),
        ({"seed": "1"}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"stop": [""]}, "stop"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": "\ud800"}, "stop"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": {"chunked": 1}}, "stream_options"),
        ({"model": None}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": ["hello"]}, "messages[0]"),
        ({"messages": [{"role": "robot", "content": "a"}]}, "messages[0].role"),
        ({"messages": [{"role": ["user"], "content": "a"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": " "}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "a", "name": "b"}]}, "messages[0].name"),
        ({"messages": [{"role": "user", "content": "a", "tool_calls": []}]}, "messages[0]"),
        ({"messages": [*ASK, {"role": "assistant", "content": "a"}]}, "messages"),
        ({"messages": [*ASK, {"role": "user", "content": [{"type": "image_url"}]}]},
         "messages[1].content"),
    ],
)  # fmt: skip
def test_wrong_values_name_the_option(options: dict[str, Any], param: str) -> None:
    found = refusal(**options)
    assert (found.status, found.param) == (400, param)
    assert found.body()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("name", "harmless", "asked"),
    [
        ("n", [1, None], [2, 0, True]),
        ("logprobs", [False], [True, 0]),
        ("top_logprobs", [0], [5]),
        ("logit_bias", [{}], [{"50256": -100}]),
        ("presence_penalty", [0, 0.0], [0.1]),
        ("response_format", [{"type": "text"}], [{"type": "json_object"}]),
        ("tool_choice", ["none", "auto", None], ["required", {"type": "function"}]),
        ("parallel_tool_calls", [True], [False]),
    ],
)
def test_options_not_offered(name: str, harmless: list[Any], asked: list[Any]) -> None:
    for value in harmless:
        assert read(**{name: value}).sampling == USUAL
    for value in asked:
        found = refusal(**{name: value})
        assert (found.code, found.param, found.status) == ("unsupported_parameter", name, 400)


def test_tools_are_kept_unless_the_choice_is_none() -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    assert json.loads(read(tools=tools).tools) == tools
    assert read(tools=tools, tool_choice="none").tools == read(tools=[]).tools == ""
    assert refusal(tools=[{"type": "function"}]).param == "tools[0].function.name"


def test_an_unknown_option_is_refused() -> None:
    assert (refusal(temprature=1).code, refusal(temprature=1).param) == (
        "unknown_parameter",
        "temprature",
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["model", "messages", "temperature", "stop", "n", "stream", "stream_options", "seed", "tools"]
)


@given(st.dictionaries(NAMES, JSON))
def test_no_json_does_more_than_be_refused(options: dict[str, Any]) -> None:
    with contextlib.suppress(Refusal):
        read(**options)
