"""Requests that are answered with an error, in OpenAI's shape."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):  # noqa: N818 - it is an answer to the client, not a failure of ours
    """A request that is answered with an error.

    Args:
        status: HTTP status.
        message: What is wrong, for the client's user.
        code: OpenAI's machine-readable code, or None.
        param: The option at fault, or None.
    """

    def __init__(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param

    def body(self) -> dict[str, Any]:
        """OpenAI's error shape."""
        kinds = {401: "authentication_error", 404: "not_found_error"}
        usual = "invalid_request_error" if self.status < 500 else "server_error"
        kind = kinds.get(self.status, usual)
        error = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return {"error": error}
