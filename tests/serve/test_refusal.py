"""Refusals have OpenAI's shape."""

from __future__ import annotations

import pytest

from luthier.serve._refusal import Refusal


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (404, "not_found_error"),
        (500, "server_error"),
    ],
)
def test_the_kind_follows_the_status(status: int, kind: str) -> None:
    body = Refusal(status, "no", code="c", param="p").body()
    assert body == {"error": {"message": "no", "type": kind, "param": "p", "code": "c"}}
