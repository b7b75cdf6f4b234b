"""A model behind an OpenAI-compatible endpoint, as ``Generate``.

Any server of ``/v1/chat/completions`` will do: a hosted service, vLLM, llama.cpp, Ollama, or
Luthier's own ``luthier serve``. Answers come several at a time; calls that fail in passing are
made again, with growing pauses.
"""

from __future__ import annotations

import dataclasses
import json
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from luthier.core.errors import LuthierError, ModelError, ResourceError
from luthier.core.records import Message
from luthier.core.secrets import Secret, redact
from luthier.core.spec import Spec, runtime
from luthier.models._endpoint import PASSING, asked_pause_s, client, pause_s
from luthier.models.generate import FinishReason, GenerateWhole, Reply, Sampling

if TYPE_CHECKING:
    import httpx2

CHARACTERS_PER_TOKEN = 4
_ABOUT_THE_REQUEST = frozenset([400, 413, 422])
_SIDES = ("prompt", "completion")


class RemoteSpec(Spec):
    """A model that answers over HTTP as OpenAI's API does."""

    kind: Literal["openai"] = "openai"
    base_url: str = Field(pattern=r"^https?://\S+$")
    """Up to and including ``/v1``."""
    model: str = Field(min_length=1)
    """The model's name there."""
    api_key: Secret | None = None
    """``${NAME}``: the environment variable that holds the key; none is sent without it."""
    context_length: int = Field(8192, ge=16)
    """Longest prompt plus answer, in tokens, that the model takes."""
    prompt_price: float = Field(0.0, ge=0)
    """Money for a million tokens of prompt."""
    completion_price: float = Field(0.0, ge=0)
    """Money for a million tokens of answer."""
    workers: int = runtime(default=4, ge=1, le=256)
    """Calls under way at once."""
    timeout_s: float = runtime(default=120.0, gt=0)
    """For one answer."""
    retries: int = runtime(default=4, ge=0, le=20)
    """How often a call that failed in passing is made again."""


class NoAnswerError(ModelError):
    """One call has no usable answer; the next one may have."""


class RemoteModel(GenerateWhole):
    """An endpoint that answers.

    Args:
        spec: Where it is.
        pause: Waits so many seconds; a test passes its own.
        transport: Carries the requests; by default the network.
    """

    def __init__(
        self,
        spec: RemoteSpec,
        *,
        pause: Callable[[float], None] = time.sleep,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self.spec = spec
        self._pause = pause
        self._client = client(spec.base_url, spec.api_key, spec.timeout_s, transport)
        weakref.finalize(self, self._client.close)

    @property
    def context_length(self) -> int:
        """Longest prompt plus answer, in tokens, as the settings say."""
        return self.spec.context_length

    def count_tokens(self, text: str) -> int:
        """An estimate: the endpoint's tokenizer is not known; four characters make a token."""
        return -(-len(text) // CHARACTERS_PER_TOKEN)

    def generate(
        self,
        conversations: Sequence[Sequence[Message]],
        sampling: Sampling,
        *,
        tools: Sequence[str] = (),
    ) -> list[Reply]:
        """Answer several conversations, up to ``workers`` at once.

        Raises:
            NoAnswerError: The endpoint refuses this request, or keeps answering what is no answer.
            ModelError: It refuses every request: the key, the model or the address is wrong.
            ResourceError: It cannot be reached, or stays busy.
        """
        with ThreadPoolExecutor(self.spec.workers) as pool:
            offered = tools or [""] * len(conversations)
            return list(pool.map(lambda c, t: self._answer(c, sampling, t), conversations, offered))

    def _answer(self, conversation: Sequence[Message], sampling: Sampling, tools: str) -> Reply:
        asked: dict[str, Any] = {
            "model": self.spec.model,
            "messages": [as_openai(m) for m in conversation],
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
        }
        if sampling.stop:
            asked["stop"] = list(sampling.stop)
        if tools:
            asked["tools"] = json.loads(tools)
        failure = _Failure("", 0)
        for attempt in range(self.spec.retries + 1):
            if attempt:
                self._pause(pause_s(attempt, failure.wait_s))
            told = self._once(asked)
            if isinstance(told, Reply):
                return told
            failure = told
        raise self._given_up(failure)

    def _once(self, asked: dict[str, Any]) -> Reply | _Failure:
        """One call: its answer, or what failed in passing."""
        import httpx2

        started = time.perf_counter()
        try:
            response = self._client.post("chat/completions", json=asked)
        except httpx2.TransportError as error:
            return _Failure(f"{type(error).__name__}: {error}", 0)
        status = response.status_code
        if status == 200:
            return _reply(response.text, time.perf_counter() - started)
        problem = f"{status}: {redact(_said(response.text))}"
        if status not in PASSING:
            kind = NoAnswerError if status in _ABOUT_THE_REQUEST else ModelError
            raise kind(
                f"the endpoint refuses: {problem}", where=self.spec.base_url, mend=_mend(status)
            )
        return _Failure(problem, status, asked_pause_s(response.headers.get("retry-after", "")))

    def _given_up(self, failure: _Failure) -> LuthierError:
        calls, where = self.spec.retries + 1, self.spec.base_url
        problem, mend = redact(failure.what), _mend(failure.status)
        if failure.status == 200:
            return NoAnswerError(
                f"no usable answer in {calls} calls: {problem}", where=where, mend=mend
            )
        return ResourceError(f"no answer after {calls} calls ({problem})", where=where, mend=mend)


@dataclasses.dataclass(frozen=True, slots=True)
class _Failure:
    """A call that may be made again: what was wrong, the status (0: none came), the wait asked."""

    what: str
    status: int
    wait_s: float = 0.0


def _mend(status: int) -> str:
    """What the user can do about a status; 0 if none came."""
    match status:
        case 0:
            return "Check that the server runs and `base_url` ends in /v1; run again to go on."
        case 200:
            return "Is this an OpenAI-compatible server, and does `base_url` end in /v1?"
        case 401 | 403:
            return "Check `api_key`, and what the key may do."
        case 402:
            return "The account has no money left; run again to go on."
        case 404:
            return "Check `model`, and that `base_url` ends in /v1."
        case 408 | 429:
            return "It is asked too much: lower `workers`, raise `retries`, or run again later."
        case status if status >= 500:
            return "The server is in trouble; run again later to go on."
        case _:
            return "Check `model` and the settings of the request."


def as_openai(message: Message) -> dict[str, Any]:
    """A message as OpenAI's API writes it."""
    plain: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        plain["tool_calls"] = json.loads(message.tool_calls)
    if message.tool_call_id:
        plain["tool_call_id"] = message.tool_call_id
    return plain


def _reply(body: str, latency_s: float) -> Reply | _Failure:
    """A chat completion, or what is wrong with what came in its place."""
    try:
        told = json.loads(body)
    except ValueError:
        return _Failure(f"the endpoint's answer is not JSON: {body[:80]!r}", 200)
    try:
        choice = told["choices"][0]
        text = choice["message"].get("content") or ""
        usage = told.get("usage") or {}
        prompt, completion = (max(0, int(usage.get(f"{of}_tokens") or 0)) for of in _SIDES)
        reason: FinishReason = "length" if choice.get("finish_reason") == "length" else "stop"
        calls = choice["message"].get("tool_calls") or []
        if not isinstance(text, str) or not isinstance(calls, list):
            raise TypeError("content is not text, or calls are no list")
    except (KeyError, IndexError, TypeError, AttributeError, ValueError):
        return _Failure(f"the endpoint's answer is not a chat completion: {_said(body)!r}", 200)
    written = json.dumps(calls, ensure_ascii=False) if calls else ""
    return Reply(text.strip(), prompt, completion, latency_s, reason, tool_calls=written)


def _said(text: str) -> str:
    """The message of an error as OpenAI's API writes it, or the beginning of the body."""
    try:
        return str(json.loads(text)["error"]["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return text[:300]
