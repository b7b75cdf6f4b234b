"""OpenAI's chat completions as JSON: requests checked and turned into ours, replies into theirs.

Every option is either heeded or refused with a plain message; none is ignored. An option that is
set to what happens anyway (``n: 1``, ``tools: []``) is let through.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping
from typing import Any

from luthier.core.journal import AnswerRecord
from luthier.core.records import Message
from luthier.models.generate import Sampling
from luthier.serve._messages import conversation_of, tools_of, whole
from luthier.serve._refusal import Refusal

# Options we do not offer, with the values that ask for nothing.
_NOT_OFFERED: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "parallel_tool_calls": (True,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "response_format": ({"type": "text"},),
    "store": (False,),
    "service_tier": ("auto", "default"),
    "modalities": (["text"],),
}
_OFFERED = frozenset(
    (
        *("model", "messages", "temperature", "top_p", "max_tokens", "max_completion_tokens"),
        *("stop", "seed", "stream", "stream_options", "user", "metadata", "tools", "tool_choice"),
    )
)
_MOST_STOPS = 4
ALIAS = "luthier"
"""A name that is always accepted, so that a client need not know which bundle is served."""


@dataclasses.dataclass(frozen=True, slots=True)
class ChatRequest:
    """A checked request.

    Attributes:
        conversation: All turns, the last of the user or of a tool.
        sampling: The bundle's, with what the request says otherwise.
        stream: Send pieces as they come.
        usage: Send a last piece with token counts.
        tools: Those on offer, a JSON list, or "".
    """

    conversation: tuple[Message, ...]
    sampling: Sampling
    stream: bool
    usage: bool
    tools: str = ""


def parse(body: bytes, served: str, usual: Sampling) -> ChatRequest:
    """Check a request.

    Args:
        body: The request's JSON.
        served: The model's name; any but this one and ``ALIAS`` is refused with 404.
        usual: Sampling where the request says nothing.

    Raises:
        Refusal: The request cannot be answered.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, f"the body is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise Refusal(400, "the body must be a JSON object")
    given = {name: value for name, value in data.items() if value is not None}
    _refuse_unsupported(given)
    model = given.get("model")
    if not isinstance(model, str):
        raise Refusal(400, "name a model", param="model")
    if model not in (served, ALIAS):
        what = f"the model '{model}' is not served here; '{served}' is"
        raise Refusal(404, what, code="model_not_found", param="model")
    stream = _boolean(given, "stream")
    options = given.get("stream_options", {})
    if not isinstance(options, dict) or not set(options) <= {"include_usage"}:
        raise Refusal(400, "only include_usage is offered", param="stream_options")
    if options and not stream:
        raise Refusal(400, "stream_options go with stream: true only", param="stream_options")
    return ChatRequest(
        conversation_of(given.get("messages")),
        _sampling(given, usual),
        stream,
        _boolean(options, "include_usage"),
        _tools(given),
    )


def completion(record: AnswerRecord) -> dict[str, Any]:
    """A whole answer."""
    message: dict[str, Any] = {"role": "assistant", "content": record.answer, "refusal": None}
    if record.tool_calls:
        message["content"] = record.answer or None
        message["tool_calls"] = json.loads(record.tool_calls)
    choice = {"index": 0, "message": message, "logprobs": None}
    choice["finish_reason"] = record.finish_reason
    return {
        "id": record.id,
        "object": "chat.completion",
        "created": int(time.time()),
        "model": record.model,
        "choices": [choice],
        "usage": _usage(record),
        "luthier": _sources(record),
    }


class Chunks:
    """Makes the events of one streamed answer, all with the same id and time.

    Args:
        answer_id: The id under which the answer will be logged.
        model: The name under which the bundle is served.
        usage: Whether token counts were asked for.
    """

    def __init__(self, answer_id: str, model: str, *, usage: bool) -> None:
        self._head: dict[str, Any] = {
            "id": answer_id,
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": model,
        }
        self._usage = usage

    def opening(self) -> bytes:
        """The role, before the first text."""
        return self._chunk({"role": "assistant", "content": ""})

    def text(self, piece: str) -> bytes:
        """A piece of the answer."""
        return self._chunk({"content": piece})

    def ending(self, record: AnswerRecord) -> bytes:
        """Calls, finish reason and sources, the counts if asked for, and the end of the stream."""
        last = b""
        if record.tool_calls:
            calls = json.loads(record.tool_calls)
            last = self._chunk({"tool_calls": [{"index": i, **c} for i, c in enumerate(calls)]})
        last += self._chunk({}, record.finish_reason, luthier=_sources(record))
        if self._usage:
            last += event({**self._head, "choices": [], "usage": _usage(record)})
        return last + b"data: [DONE]\n\n"

    def _chunk(self, delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        counts = {"usage": None} if self._usage else {}
        return event({**self._head, "choices": [choice], **counts, **more})


def event(data: Mapping[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"


def _usage(record: AnswerRecord) -> dict[str, int]:
    return {
        "prompt_tokens": record.prompt_tokens,
        "completion_tokens": record.completion_tokens,
        "total_tokens": record.prompt_tokens + record.completion_tokens,
    }


def _sources(record: AnswerRecord) -> dict[str, Any]:
    return {
        "answer_id": record.id,
        "passages": [dataclasses.asdict(p) for p in record.passages],
        "citations": list(record.citations),
    }


def _refuse_unsupported(given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if name in _NOT_OFFERED:
            if not any(type(value) is type(v) and value == v for v in _neutral(name)):
                what = f"'{name}' is not offered by this server; leave it out"
                raise Refusal(400, what, code="unsupported_parameter", param=name)
        elif name not in _OFFERED:
            what = f"unknown option '{name}'"
            raise Refusal(400, what, code="unknown_parameter", param=name)


def _neutral(name: str) -> list[Any]:
    values = list(_NOT_OFFERED[name])
    return values + [float(v) for v in values if type(v) is int]


def _tools(given: Mapping[str, Any]) -> str:
    """The tools to be shown to the model, "" for none."""
    choice = given.get("tool_choice", "auto")
    if choice not in ("none", "auto"):
        what = "only 'none' and 'auto' are offered: a model is not forced to call"
        raise Refusal(400, what, code="unsupported_parameter", param="tool_choice")
    offered = tools_of(given.get("tools", []))
    return "" if choice == "none" else offered


def _sampling(given: Mapping[str, Any], usual: Sampling) -> Sampling:
    changes: dict[str, Any] = {}
    if "temperature" in given:
        changes["temperature"] = _number(given, "temperature", 0.0, 2.0)
    if "top_p" in given:
        changes["top_p"] = _number(given, "top_p", 1e-6, 1.0)
    for name in ("max_tokens", "max_completion_tokens"):
        if name in given:
            changes["max_new_tokens"] = _integer(given, name, 1)
    if "max_tokens" in given and "max_completion_tokens" in given:
        raise Refusal(400, "give max_tokens or max_completion_tokens", param="max_tokens")
    if "seed" in given:
        changes["seed"] = _integer(given, "seed", 0, 2**63)
    if "stop" in given:
        changes["stop"] = _stops(given["stop"])
    return usual.model_copy(update=changes)


def _stops(value: Any) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else value
    if (
        not isinstance(stops, list)
        or len(stops) > _MOST_STOPS
        or not all(isinstance(s, str) and s for s in stops)
    ):
        raise Refusal(400, f"stop is a text or up to {_MOST_STOPS} of them", param="stop")
    return tuple(whole(stop, "stop") for stop in stops)


def _number(given: Mapping[str, Any], name: str, low: float, high: float) -> float:
    value = given[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise Refusal(400, f"{name} must be a number from {low:g} to {high:g}", param=name)
    return float(value)


def _integer(given: Mapping[str, Any], name: str, low: int, end: int = 2**31) -> int:
    value = given[name]
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value < end:
        raise Refusal(400, f"{name} must be a whole number, at least {low}", param=name)
    return value


def _boolean(given: Mapping[str, Any], name: str) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise Refusal(400, f"{name} must be true or false", param=name)
    return value
