"""Calls are read back in the form in which each family's template writes them, and in no other."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chat_templates import CHATML, IM, WITH_TOOLS, of, renderer

from luthier.core.records import Message
from luthier.models._calls import CallForm, in_openais_shape

TOOLS = json.dumps([{"type": "function", "function": {"name": "count_strings", "parameters": {}}}])
ASK = Message("user", "How many strings?")
PLAIN = CallForm("<call>", "</call><call>", "</call>", (), "name", "arguments")


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}}


def learned(family: str, answer: Message) -> str:
    """What a model of the family learns to write for an answer, without its stop token."""
    own = of(WITH_TOOLS[family])
    row = own.render([ASK, answer], TOOLS)
    kept = [i for i, keep in zip(row.ids, row.mask, strict=True) if keep]
    text: str = own.tokenizer.decode([i for i in kept if i not in own.stop_ids])
    return text


@pytest.mark.parametrize("family", sorted(WITH_TOOLS))
def test_what_is_learned_is_read_back(family: str) -> None:
    form = of(WITH_TOOLS[family]).call_form
    assert form is not None
    calls = [call("count_strings", of="a {viol}", deep=[1, {"é": None}]), call("tune", to="A")]
    for some in (calls[:1],) if family == "llama3.2" else (calls[:1], calls):
        written = learned(family, Message("assistant", "", tool_calls=json.dumps(some)))
        read = form.read(written)
        assert read is not None, written
        assert read[0] == ""
        wanted = [c["function"] for c in some]
        assert [{"name": n, "arguments": json.loads(a)} for n, a in read[1]] == wanted


@pytest.mark.parametrize("family", ["default", "hermes", "qwen3"])
def test_what_is_said_before_a_call_is_kept(family: str) -> None:
    form = of(WITH_TOOLS[family]).call_form
    assert form is not None
    calls = json.dumps([call("count_strings", of="lute")])
    written = learned(family, Message("assistant", "Let me count.", tool_calls=calls))
    assert form.read(written) == ("Let me count.", [("count_strings", '{"of": "lute"}')])


@pytest.mark.parametrize("family", sorted(WITH_TOOLS))
def test_plain_answers_are_no_calls(family: str) -> None:
    form = of(WITH_TOOLS[family]).call_form
    assert form is not None
    for text in (
        "",
        "Four.",
        "A list: [4]",
        "As {braces}.",
        learned(family, Message("assistant", "4")),
    ):
        assert form.read(text) is None, text


@pytest.mark.parametrize(
    "text",
    [
        '<call>{"name": "f", "arguments": {}}',  # cut
        '<call>{"name": "f", "argum',
        '<call>{"name": "f", "arguments": {}}</call> and more',
        '<call>{"name": "f", "arguments": [1]}</call>',
        '<call>{"name": "f"}</call>',
        '<call>{"name": "", "arguments": {}}</call>',
        '<call>["f"]</call>',
        '<call>{"name": "f", "arguments": {}}</call><call></call>',
        "<call>" + "[" * 100_000,
    ],
)
def test_what_is_not_whole_is_text(text: str) -> None:
    assert PLAIN.read(text) is None


def test_white_space_does_not_matter() -> None:
    first, second = '{"name":"f","arguments":{}}', '{"name":"g","arguments":{"a":1}}'
    text = f"\n <call>\n{first} </call>\n<call> {second}</call>\n"
    assert PLAIN.read(text) == ("", [("f", "{}"), ("g", '{"a": 1}')])


def test_nothing_is_shown_from_where_a_call_may_begin() -> None:
    text = 'Yes <call>{"name"'
    shown = [text[: PLAIN.begin(text[:n])][:n].rstrip() for n in range(len(text) + 1)]
    assert set(shown) == {"", "Y", "Ye", "Yes"}
    assert PLAIN.begin("a < b") == 5
    bare = CallForm("", None, "", (), "name", "parameters")
    assert [bare.begin(t) for t in ('{"na', "So {", "")] == [0, 4, 0]


def test_templates_without_calls_in_json_have_no_form() -> None:
    assert renderer(CHATML, IM).call_form is None
    pythonic = (
        "{{ tools | tojson }}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
        "{% for c in m.tool_calls or [] %}{{ c.function.name }}({{ c.function.arguments.place }})"
        "{% endfor %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    assert renderer(pythonic, IM).call_form is None


def test_ids_go_on_where_the_conversation_ends() -> None:
    before = Message("assistant", "", tool_calls=in_openais_shape([("f", "{}"), ("g", "{}")], []))
    told = json.loads(in_openais_shape([("h", '{"a": 1}')], [ASK, before]))
    assert [c["id"] for c in json.loads(before.tool_calls)] == ["call00000", "call00001"]
    assert told == [
        {
            "id": "call00002",
            "type": "function",
            "function": {"name": "h", "arguments": '{"a": 1}'},
        }
    ]
