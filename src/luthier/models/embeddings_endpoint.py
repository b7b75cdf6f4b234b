"""An encoder behind an OpenAI-compatible endpoint (``/v1/embeddings``).

Any server of that path will do: a hosted service, vLLM, llama.cpp, Ollama.
Texts go several at a time; calls that fail in passing are made again, with growing pauses.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from luthier.core.errors import ModelError, ResourceError
from luthier.core.secrets import Secret, redact
from luthier.core.spec import Spec, runtime
from luthier.models._body import Vectors
from luthier.models._endpoint import PASSING, asked_pause_s, client, pause_s

if TYPE_CHECKING:
    import httpx2

_PIECES = re.compile(r"\w{1,4}|[^\w\s]")


class EndpointSpec(Spec):
    """An encoder that is asked over HTTP as OpenAI's embeddings are."""

    kind: Literal["openai"] = "openai"
    """Tag."""
    base_url: str = Field(pattern=r"^https?://\S+$")
    """Up to and including ``/v1``."""
    model: str = Field(min_length=1)
    """The encoder's name there."""
    dimension: int = Field(ge=1)
    """Length of its vectors; an answer of another length is an error."""
    api_key: Secret | None = None
    """``${NAME}``: the environment variable that holds the key; none is sent without it."""
    max_tokens: int = Field(512, ge=16)
    """Longest text that it reads, in tokens; passages are cut to fit it."""
    batch_texts: int = runtime(default=64, ge=1, le=2048)
    """Texts in one call."""
    workers: int = runtime(default=4, ge=1, le=256)
    """Calls under way at once."""
    timeout_s: float = runtime(default=60.0, gt=0)
    """For one call."""
    retries: int = runtime(default=4, ge=0, le=20)
    """How often a call that failed in passing is made again."""


class EndpointEncoder:
    """An endpoint that turns texts into vectors; it takes the place of `encode.Encoder`.

    Args:
        spec: Where it is.
        pause: Waits so many seconds; a test passes its own.
        transport: Carries the requests; by default the network.

    Attributes:
        dimension: As the settings say.
        max_tokens: As the settings say.
        special_tokens: 0; an endpoint does not tell.
    """

    def __init__(
        self,
        spec: EndpointSpec,
        *,
        pause: Callable[[float], None] = time.sleep,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self.spec = spec
        self.dimension, self.max_tokens, self.special_tokens = spec.dimension, spec.max_tokens, 0
        self._pause = pause
        self._client = client(spec.base_url, spec.api_key, spec.timeout_s, transport)
        weakref.finalize(self, self._client.close)

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the model's name and dimension; its weights nobody can see."""
        told = ["openai", self.spec.model, str(self.spec.dimension)]
        return hashlib.sha256("\0".join(told).encode()).hexdigest()

    @property
    def told(self) -> str:
        """What computes, for people."""
        return f"{self.spec.model} at {self.spec.base_url}"

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """An estimate: its tokenizer is not known; four letters, or one other sign, are a token."""
        return [found.span() for found in _PIECES.finditer(text)]

    def encode(
        self,
        texts: Sequence[str],
        batch_size: int | None = None,
        advance: Callable[[int], None] | None = None,
    ) -> Vectors:
        """Vectors of length 1, one for each text, in the order of the texts.

        Args:
            texts: What to encode; empty ones are sent as a space, which endpoints take.
            batch_size: Texts in one call; by default as the settings say.
            advance: Called after each call with the number of texts done in it.

        Raises:
            ModelError: The endpoint refuses, or what it answers is no list of such vectors.
            ResourceError: It cannot be reached, or stays busy.
        """
        size = batch_size or self.spec.batch_texts
        parts = [list(texts[i : i + size]) for i in range(0, len(texts), size)]
        found = np.zeros((len(texts), self.dimension), dtype=np.float32)
        with ThreadPoolExecutor(self.spec.workers) as pool:
            for number, vectors in enumerate(pool.map(self._ask, parts)):
                found[number * size : number * size + len(vectors)] = vectors
                if advance is not None:
                    advance(len(vectors))
        return found

    def _ask(self, texts: list[str]) -> Vectors:
        """Vectors of one call's texts, asked for until they come."""
        asked = {"model": self.spec.model, "input": [text or " " for text in texts]}
        problem, wait = "", 0.0
        for attempt in range(self.spec.retries + 1):
            if attempt:
                self._pause(pause_s(attempt, wait))
            told = self._once(asked)
            if not isinstance(told, tuple):
                return self._vectors(told, len(texts))
            problem, wait = told
        raise ResourceError(
            f"no vectors after {self.spec.retries + 1} calls ({redact(problem)})",
            where=self.spec.base_url,
            mend="Check that the server runs; run again to go on.",
        )

    def _once(self, asked: dict[str, Any]) -> str | tuple[str, float]:
        """The body of an answer, or what failed in passing and how long to wait."""
        import httpx2

        try:
            response = self._client.post("embeddings", json=asked)
        except httpx2.TransportError as error:
            return f"{type(error).__name__}: {error}", 0.0
        if response.status_code == 200:
            return response.text
        problem = f"{response.status_code}: {redact(response.text[:300])}"
        if response.status_code in PASSING:
            return problem, asked_pause_s(response.headers.get("retry-after", ""))
        raise ModelError(
            f"the endpoint refuses: {problem}",
            where=self.spec.base_url,
            mend="Check `model`, `api_key`, and that `base_url` ends in /v1.",
        )

    def _vectors(self, body: str, wanted: int) -> Vectors:
        """What an answer holds, made of length 1; refused if it is not what was asked for."""
        try:
            rows = sorted(json.loads(body)["data"], key=lambda row: int(row["index"]))
            vectors = [_numbers(row["embedding"]) for row in rows]
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"the endpoint's answer holds no embeddings: {body[:80]!r}",
                where=self.spec.base_url,
                mend="Is this an OpenAI-compatible server, and does `base_url` end in /v1?",
            ) from error
        if len(vectors) != wanted:
            raise ModelError(
                f"the endpoint gave {len(vectors)} vectors for {wanted} texts",
                where=self.spec.base_url,
            )
        lengths = {len(vector) for vector in vectors}
        if lengths != {self.dimension}:
            raise ModelError(
                f"the endpoint's vectors have {', '.join(map(str, sorted(lengths)))} numbers, "
                f"not {self.dimension}",
                where="encoder.dimension",
                mend=f"Set dimension: {max(lengths)}, if `model` is the right one.",
            )
        found = np.stack(vectors)
        if not np.isfinite(found).all():
            raise ModelError("the endpoint's vectors are not numbers", where=self.spec.base_url)
        unit: Vectors = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
        return unit


def _numbers(told: Any) -> Vectors:
    """A vector as a list of numbers, or as base64 of float32."""
    if isinstance(told, str):
        return np.frombuffer(base64.b64decode(told, validate=True), dtype="<f4")
    return np.asarray(told, dtype=np.float32)
