"""Vectors of an endpoint are checked and in order; what fails in passing is asked for again."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import httpx2
import numpy as np
import pytest

from luthier.core.errors import ModelError, ResourceError
from luthier.models.embeddings_endpoint import EndpointEncoder, EndpointSpec

SPEC = EndpointSpec(base_url="http://here/v1", model="m", dimension=3, batch_texts=2, retries=2)


def encoder(answer: Callable[[httpx2.Request], httpx2.Response], **more: Any) -> EndpointEncoder:
    spec = SPEC.model_copy(update=more)
    transport = httpx2.MockTransport(answer)
    return EndpointEncoder(spec, pause=lambda _: None, transport=transport)


def vectors(request: httpx2.Request) -> httpx2.Response:
    """Each text's length and two more numbers; the last text first, as the API allows."""
    asked = json.loads(request.content)["input"]
    rows = [{"index": i, "embedding": [float(len(t)), 1.0, 0.0]} for i, t in enumerate(asked)]
    return httpx2.Response(200, json={"data": rows[::-1]})


def test_vectors_are_of_length_one_and_in_order() -> None:
    heard: list[int] = []
    found = encoder(vectors).encode(["a", "bbb", "cc", "", "e"], advance=heard.append)
    assert heard == [2, 2, 1]
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(found[:, 0] / found[:, 1], [1, 3, 2, 1, 1], rtol=1e-6)
    assert encoder(vectors).encode([]).shape == (0, 3)


def test_base64_is_read() -> None:
    raw = base64.b64encode(np.array([0, 3, 4], "<f4").tobytes()).decode()
    body = {"data": [{"index": 0, "embedding": raw}]}
    found = encoder(lambda _: httpx2.Response(200, json=body)).encode(["x"])
    np.testing.assert_allclose(found, [[0, 0.6, 0.8]], rtol=1e-6)


def test_a_busy_server_is_asked_again_and_then_given_up() -> None:
    calls: list[int] = []

    def busy_at_first(request: httpx2.Request) -> httpx2.Response:
        calls.append(1)
        return vectors(request) if len(calls) > 2 else httpx2.Response(503, text="busy")

    assert encoder(busy_at_first).encode(["x"]).shape == (1, 3)
    assert len(calls) == 3
    with pytest.raises(ResourceError, match=r"after 3 calls \(503: busy"):
        encoder(lambda _: httpx2.Response(503, text="busy")).encode(["x"])

    def gone(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused", request=request)

    with pytest.raises(ResourceError, match="ConnectError: refused"):
        encoder(gone).encode(["x"])


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (401, "who are you", "refuses: 401: who are you"),
        (200, "<html>", "holds no embeddings"),
        (200, '{"data": []}', "0 vectors for 1 texts"),
        (200, '{"data": [{"index": 0, "embedding": [1, 2]}]}', "have 2 numbers, not 3"),
        (200, '{"data": [{"index": 0, "embedding": [1, 2, NaN]}]}', "not numbers"),
    ],
)
def test_what_is_no_such_vector_is_refused(status: int, body: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        encoder(lambda _: httpx2.Response(status, text=body)).encode(["x"])


def test_the_key_goes_along_and_stays_out_of_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBED_KEY", "very-secret")
    spec = SPEC.model_validate_json(
        json.dumps({**json.loads(SPEC.model_dump_json()), "api_key": "${EMBED_KEY}"})
    )
    seen: list[str] = []

    def refuse(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers["authorization"])
        return httpx2.Response(403, text="not with very-secret")

    with pytest.raises(ModelError) as caught:
        EndpointEncoder(spec, transport=httpx2.MockTransport(refuse)).encode(["x"])
    assert seen == ["Bearer very-secret"]
    assert "very-secret" not in str(caught.value)


def test_tokens_are_estimated_and_digests_tell_models_apart() -> None:
    one = encoder(vectors)
    assert [("ab cdefg!")[a:b] for a, b in one.token_offsets("ab cdefg!")] == [
        "ab",
        "cdef",
        "g",
        "!",
    ]
    assert one.digest == encoder(vectors, base_url="http://there/v1").digest
    assert one.digest != encoder(vectors, model="n").digest
