"""Messages and tools of a request: checked, and turned into ours."""

from __future__ import annotations

import json
import re
from typing import Any

from luthier.core.records import Message, Role
from luthier.serve._refusal import Refusal

_ROLES: tuple[Role, ...] = ("system", "user", "assistant", "tool")
_FIELDS = {"assistant": {"tool_calls", "refusal"}, "tool": {"tool_call_id"}}
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def conversation_of(value: Any) -> tuple[Message, ...]:
    """The turns of a request, the last of a user or a tool.

    Raises:
        Refusal: They cannot be answered.
    """
    if not isinstance(value, list) or not value:
        raise Refusal(400, "messages must be a list with at least one message", param="messages")
    turns = tuple(_message(one, f"messages[{i}]") for i, one in enumerate(value))
    if turns[-1].role not in ("user", "tool"):
        raise Refusal(400, "the last message must be the user's or a tool's", param="messages")
    _check_answers(turns)
    return turns


def tools_of(value: Any) -> str:
    """The tools of a request as a JSON list, or "" if there are none.

    Raises:
        Refusal: They are not a list of functions.
    """
    if not isinstance(value, list):
        raise Refusal(400, "tools must be a list", param="tools")
    for number, tool in enumerate(value):
        place = f"tools[{number}]"
        if not isinstance(tool, dict) or tool.get("type") != "function":
            raise Refusal(400, "only tools of type function are offered", param=place)
        told = tool.get("function")
        function = told if isinstance(told, dict) else {}
        name = function.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            what = "a function has a name of up to 64 letters, digits, _, . and -"
            raise Refusal(400, what, param=f"{place}.function.name")
        if not isinstance(function.get("parameters", {}), dict):
            what = "parameters must be a JSON schema"
            raise Refusal(400, what, param=f"{place}.function.parameters")
    return whole(json.dumps(value, ensure_ascii=False), "tools") if value else ""


def _check_answers(turns: tuple[Message, ...]) -> None:
    """Each result must answer a call that was made before, as templates look them up."""
    called: set[str] = set()
    for number, turn in enumerate(turns):
        if turn.tool_calls:
            called |= {call["id"] for call in json.loads(turn.tool_calls)}
        if turn.role == "tool" and turn.tool_call_id not in called:
            what = f"no call before this message has the id {turn.tool_call_id!r}"
            raise Refusal(400, what, param=f"messages[{number}].tool_call_id")


def _message(value: Any, place: str) -> Message:
    if not isinstance(value, dict):
        raise Refusal(400, "a message is an object with role and content", param=place)
    if value.get("name") is not None:
        raise Refusal(400, "names of speakers are not offered", param=f"{place}.name")
    named = value.get("role")
    if named == "developer":  # OpenAI's newer word
        named = "system"
    role: Role | None = next((known for known in _ROLES if known == named), None)
    if role is None:
        what = f"unknown role {named!r}; known are system, developer, user, assistant and tool"
        raise Refusal(400, what, param=f"{place}.role")
    unknown = set(value) - {"role", "content", "name"} - _FIELDS.get(role, set())
    if given := sorted(name for name in unknown if value[name] is not None):
        raise Refusal(400, f"not offered here: {', '.join(given)}", param=place)
    calls = _calls(value.get("tool_calls"), f"{place}.tool_calls")
    answered = value.get("tool_call_id")
    if role == "tool" and (not isinstance(answered, str) or not answered):
        what = "a tool's message names the call it answers"
        raise Refusal(400, what, param=f"{place}.tool_call_id")
    content = value.get("content")
    text = "" if calls and content is None else _content(content, f"{place}.content")
    if role == "user" and not text.strip():
        raise Refusal(400, "a user's message must not be empty", param=f"{place}.content")
    return Message(role, text, calls, whole(answered or "", place))


def _calls(value: Any, place: str) -> str:
    """An assistant's calls as a JSON list, or "" if there are none."""
    if value is None:
        return ""
    if not isinstance(value, list) or not value:
        raise Refusal(400, "tool_calls must be a list of calls", param=place)
    for number, call in enumerate(value):
        function = call.get("function") if isinstance(call, dict) else None
        if (
            not isinstance(function, dict)
            or call.get("type", "function") != "function"
            or not isinstance(call.get("id"), str)
            or not isinstance(function.get("name"), str)
            or not _is_object(function.get("arguments"))
        ):
            what = (
                "a call has an id, the type function, and a function with a name and with "
                "arguments: a JSON object as text"
            )
            raise Refusal(400, what, param=f"{place}[{number}]")
    return whole(json.dumps(value, ensure_ascii=False), place)


def _is_object(text: Any) -> bool:
    try:
        return isinstance(text, str) and isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _content(value: Any, place: str) -> str:
    parts = [{"type": "text", "text": value}] if isinstance(value, str) else value
    if not isinstance(parts, list):
        raise Refusal(400, "content must be text", param=place)
    texts = []
    for part in parts:
        text = part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None
        if not isinstance(text, str):
            raise Refusal(400, "only parts of type text are offered", param=place)
        texts.append(whole(text, place))
    return "".join(texts)


def whole(text: str, place: str) -> str:
    """A text of whole characters.

    Raises:
        Refusal: Half of one stands in it.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        what = f"not valid Unicode: half a character at {error.start}"
        raise Refusal(400, what, param=place) from error
    return text
