"""Calls to an endpoint: the key goes with them, and pauses grow up to a limit."""

from __future__ import annotations

import httpx2
import pytest

from luthier.core.secrets import Secret
from luthier.models._endpoint import asked_pause_s, client, pause_s


def test_the_key_is_sent_below_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200)

    monkeypatch.setenv("A_KEY", "sesame")
    for key in (Secret("${A_KEY}"), None):
        with client("http://there/v1", key, 1.0, httpx2.MockTransport(answer)) as one:
            one.post("embeddings", json={})
    assert [str(request.url) for request in seen] == ["http://there/v1/embeddings"] * 2
    assert seen[0].headers["authorization"] == "Bearer sesame"
    assert "authorization" not in seen[1].headers


def test_pauses_grow_heed_what_is_asked_and_end_at_a_minute() -> None:
    assert 0.5 <= pause_s(1, 0.0) <= 1.0
    assert 2.0 <= pause_s(3, 0.0) <= 4.0
    assert pause_s(1, 7.5) == 7.5
    assert pause_s(1, 3600.0) == pause_s(12, 0.0) == 60.0


@pytest.mark.parametrize(
    ("header", "seconds"), [("3", 3.0), ("0.5", 0.5), ("-1", 0.0), ("", 0.0), ("Mon, 1 Jan", 0.0)]
)
def test_what_an_endpoint_asks_for(header: str, seconds: float) -> None:
    assert asked_pause_s(header) == seconds
