"""A model behind an OpenAI-compatible endpoint, as ``Generate``.

Any server of ``/v1/chat/completions`` will do: a hosted service, vLLM, llama.cpp, Ollama, or
Luthier's own ``luthier serve``. Answers come several at a time; calls that fail in passing are
made again, with growing pauses.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from luthier.core.errors import ModelError, ResourceError
from luthier.core.records import Message
from luthier.core.secrets import Secret, redact, reveal
from luthier.core.spec import Spec, runtime
from luthier.models.generate import FinishReason, Reply, Sampling, Score

if TYPE_CHECKING:
    import httpx2

CHARACTERS_PER_TOKEN = 4
_PASSING = frozenset([408, 409, 425, 429, 500, 502, 503, 504, 529])
_LONGEST_PAUSE_S = 60.0


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


class RemoteModel:
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
        import httpx2

        self.spec = spec
        self._pause = pause
        key = reveal(spec.api_key) if spec.api_key else ""
        self._client = httpx2.Client(
            base_url=spec.base_url.rstrip("/") + "/",
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=spec.timeout_s,
            transport=transport,
        )

    @property
    def context_length(self) -> int:
        """Longest prompt plus answer, in tokens, as the settings say."""
        return self.spec.context_length

    def count_tokens(self, text: str) -> int:
        """An estimate: the endpoint's tokenizer is not known; four characters make a token."""
        return -(-len(text) // CHARACTERS_PER_TOKEN)

    def cost(self, reply: Reply) -> float:
        """What an answer cost, in the currency of the prices."""
        spec = self.spec
        prompt = reply.prompt_tokens * spec.prompt_price
        return (prompt + reply.completion_tokens * spec.completion_price) / 1e6

    def generate(
        self, conversations: Sequence[Sequence[Message]], sampling: Sampling
    ) -> list[Reply]:
        """Answer several conversations, up to ``workers`` at once.

        Raises:
            ModelError: The endpoint refuses a request, or answers what is not an answer.
            ResourceError: It cannot be reached, or stays busy.
        """
        with ThreadPoolExecutor(self.spec.workers) as pool:
            return list(pool.map(lambda c: self._answer(c, sampling), conversations))

    def stream(self, conversation: Sequence[Message], sampling: Sampling) -> Iterator[str | Reply]:
        """Answer one conversation; it comes in one piece."""
        reply = self._answer(conversation, sampling)
        if reply.text:
            yield reply.text
        yield reply

    def score(
        self, conversations: Sequence[Sequence[Message]], references: Sequence[str]
    ) -> list[Score | None]:
        """None for each: chat endpoints don't tell how likely a given answer is."""
        return [None] * len(conversations)

    def _answer(self, conversation: Sequence[Message], sampling: Sampling) -> Reply:
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
        started = time.perf_counter()
        told = self._post(asked)
        return _reply(told, time.perf_counter() - started, self.spec.base_url)

    def _post(self, asked: dict[str, Any]) -> Any:
        import httpx2

        problem = ""
        for attempt in range(self.spec.retries + 1):
            try:
                response = self._client.post("chat/completions", json=asked)
            except httpx2.TransportError as error:
                problem, wait_s = f"{type(error).__name__}: {error}", 0.0
            else:
                if response.status_code == 200:
                    return _json(response.text, self.spec.base_url)
                problem = f"{response.status_code}: {_said(response.text)}"
                if response.status_code not in _PASSING:
                    raise ModelError(
                        f"the endpoint refuses: {redact(problem)}",
                        where=self.spec.base_url,
                        mend="Check `model`, `api_key` and the settings of the request.",
                    )
                wait_s = _seconds(response.headers.get("retry-after", ""))
            if attempt < self.spec.retries:
                growing = 2.0**attempt * random.uniform(0.5, 1.0)
                self._pause(min(max(wait_s, growing), _LONGEST_PAUSE_S))
        raise ResourceError(
            f"no answer after {self.spec.retries + 1} calls ({redact(problem)})",
            where=self.spec.base_url,
            mend="Check that the server runs and `base_url` ends in /v1; run again to go on.",
        )


def as_openai(message: Message) -> dict[str, Any]:
    """A message as OpenAI's API writes it."""
    plain: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        plain["tool_calls"] = json.loads(message.tool_calls)
    if message.tool_call_id:
        plain["tool_call_id"] = message.tool_call_id
    return plain


def _reply(told: Any, latency_s: float, where: str) -> Reply:
    try:
        choice = told["choices"][0]
        text = choice["message"].get("content") or ""
        usage = told.get("usage") or {}
        counts = int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0))
        reason: FinishReason = "length" if choice.get("finish_reason") == "length" else "stop"
        if not isinstance(text, str):
            raise TypeError("content is not text")
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise ModelError(
            f"the endpoint's answer is not a chat completion ({type(error).__name__}: {error})",
            where=where,
            mend="Is this an OpenAI-compatible server?",
        ) from error
    return Reply(text.strip(), *counts, latency_s, reason)


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ModelError(
            f"the endpoint's answer is not JSON: {text[:80]!r}",
            where=where,
            mend="Does `base_url` end in /v1?",
        ) from error


def _said(text: str) -> str:
    """The message of an error as OpenAI's API writes it, or the beginning of the body."""
    try:
        return str(json.loads(text)["error"]["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return text[:300]


def _seconds(header: str) -> float:
    try:
        return max(0.0, float(header))
    except ValueError:
        return 0.0
