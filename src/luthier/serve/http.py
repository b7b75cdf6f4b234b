"""The HTTP face of a service: OpenAI's chat completions, the model list, a health check.

One answer is made at a time; others wait in line, in order, and leave it when their client does.
All steps of the model are taken in one thread of its own, because PyTorch keeps some of its state
by thread. A client that leaves stops its answer within one token.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import anyio
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Message as Event, Receive, Scope, Send

from luthier.core.errors import LuthierError
from luthier.core.journal import AnswerRecord
from luthier.models.render import ConversationError
from luthier.rag.access import Viewer, viewer
from luthier.serve._openai import ChatRequest, Chunks, completion, event, parse
from luthier.serve._refusal import Refusal
from luthier.serve.service import Service, new_id

API_KEY = "LUTHIER_API_KEY"
MOST_BYTES = 4 * 2**20  # of a request's body

Item = TypeVar("Item")
logger = logging.getLogger(__name__)


def make_app(service: Service, api_key: str | None = None, *, viewer_header: str = "") -> FastAPI:
    """The application.

    Args:
        service: What answers.
        api_key: If given, every request but ``/health`` must carry it as a bearer token.
        viewer_header: The header in which a gateway names who asks; "" to ask as everyone.
    """
    line = _Line()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        line.thread.shutdown()

    app = FastAPI(title=service.bundle.name, lifespan=lifespan, openapi_url=None)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _http_error)

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Answers as soon as the model is loaded, also while it is busy."""
        bundle = service.bundle
        return {"status": "ok", "model": bundle.name, "bundle": bundle.digest}

    @app.get("/v1/models")
    async def models(request: Request) -> dict[str, object]:
        """The one model served here; its alias is not listed, so that no client shows it twice."""
        _check_key(request, api_key)
        bundle = service.bundle
        model = {
            "id": bundle.name,
            "object": "model",
            "created": 0,
            "owned_by": "luthier",
            "luthier": {"bundle": bundle.digest, "route": bundle.route, "made_at": bundle.made_at},
        }
        return {"object": "list", "data": [model]}

    @app.post("/v1/chat/completions", response_class=JSONResponse)
    async def chat(request: Request) -> Response:
        """Answers a conversation, whole or piece by piece."""
        _check_key(request, api_key)
        usual = service.bundle.info.sampling
        asked = parse(await _body(request), service.bundle.name, usual)
        return _Answering(service, asked, line, _viewer(request, viewer_header))

    return app


class _Line:
    """Where requests wait for the model, and the one thread it works in."""

    def __init__(self) -> None:
        self.turn = anyio.Lock()
        self.thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")

    async def call(self, step: Callable[[], Item]) -> Item:
        return await asyncio.get_running_loop().run_in_executor(self.thread, step)


class _Answering(Response):
    """The answer while it is made: waiting, generating and sending, ended by a lost client.

    It is a response of its own, because the status is known only after the first step (a prompt
    may not fit), and the model must be let go however the request ends.
    """

    def __init__(self, service: Service, asked: ChatRequest, line: _Line, who: Viewer) -> None:
        super().__init__()
        self._service, self._asked, self._line = service, asked, line
        self._who = who

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as group:

            async def leave_with_client() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                group.cancel_scope.cancel()

            group.start_soon(leave_with_client)
            async with self._line.turn:
                sender = _Sender(scope, receive, send)
                try:
                    await self._answer(sender)
                except Exception as error:  # noqa: BLE001 - the client must hear of it
                    await sender.fail(_as_refusal(error))
            group.cancel_scope.cancel()

    async def _answer(self, sender: _Sender) -> None:
        asked, answer_id = self._asked, new_id()
        items = self._service.stream(
            asked.conversation, asked.sampling, answer_id, tools=asked.tools, viewer=self._who
        )
        chunks = Chunks(answer_id, self._service.bundle.name, usage=asked.usage)
        try:
            while (item := await self._line.call(lambda: next(items, None))) is not None:
                if isinstance(item, AnswerRecord):
                    _check_fit(item)
                    if asked.stream:
                        await sender.chunk(chunks.opening(), only_first=True)
                        await sender.chunk(chunks.ending(item))
                    else:
                        await sender.whole(JSONResponse(completion(item)))
                elif asked.stream:
                    await sender.chunk(chunks.opening(), only_first=True)
                    await sender.chunk(chunks.text(item))
            await sender.end()
        finally:
            with anyio.CancelScope(shield=True):  # the model stops before the next has its turn
                await self._line.call(items.close)


class _Sender:
    """Sends either one whole response or a stream of events, and errors in either's shape."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._begun = False
        self._done = False

    async def whole(self, response: Response) -> None:
        """Send a response that is complete."""
        self._begun = self._done = True
        await response(self._scope, self._receive, self._send)

    async def chunk(self, data: bytes, *, only_first: bool = False) -> None:
        """Send a piece of the stream; with ``only_first`` unless something was sent before."""
        if self._begun and only_first:
            return
        if not self._begun:
            self._begun = True
            headers = [
                (b"content-type", b"text/event-stream; charset=utf-8"),
                (b"cache-control", b"no-cache"),
            ]
            start: Event = {"type": "http.response.start", "status": 200, "headers": headers}
            await self._send(start)
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        """End the stream, if there is one."""
        if self._begun and not self._done:
            self._done = True
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def fail(self, refusal: Refusal) -> None:
        """Tell the client of an error: as a response, or as an event if pieces were sent."""
        if not self._begun:
            await self.whole(JSONResponse(refusal.body(), refusal.status))
        else:
            await self.chunk(event(refusal.body()))
            await self.end()


def _check_fit(record: AnswerRecord) -> None:
    if record.finish_reason == "context":
        raise Refusal(
            400,
            "the conversation is longer than the model's context; shorten it "
            f"(logged as {record.id})",
            code="context_length_exceeded",
            param="messages",
        )


def _as_refusal(error: Exception) -> Refusal:
    if isinstance(error, Refusal):
        return error
    if isinstance(error, ConversationError):
        return Refusal(400, error.what, code="unsupported_conversation", param="messages")
    logger.error("an answer failed", exc_info=error)
    if isinstance(error, LuthierError):
        return Refusal(500, error.what)
    return Refusal(500, f"the answer failed inside the server ({type(error).__name__})")


def _viewer(request: Request, header: str) -> Viewer:
    """Who asks, as the gateway says; without a header, or its value, somebody unknown."""
    return viewer((request.headers.get(header, "") if header else "").split(","))


def _check_key(request: Request, api_key: str | None) -> None:
    if not api_key:
        return
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), api_key.encode()):
        what = "a valid API key is needed: send it as `Authorization: Bearer ...`"
        raise Refusal(401, what, code="invalid_api_key")


async def _body(request: Request) -> bytes:
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > MOST_BYTES:
                raise Refusal(413, f"the body is longer than {MOST_BYTES} bytes")
    except ClientDisconnect as error:
        raise Refusal(400, "the client left before its request was whole") from error
    return bytes(body)


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, Refusal):
        raise AssertionError(f"not a refusal: {error!r}")
    headers = {"www-authenticate": "Bearer"} if error.status == 401 else None
    return JSONResponse(error.body(), error.status, headers)


async def _http_error(request: Request, error: Exception) -> Response:
    """Unknown paths and methods, in the same shape as all other errors."""
    if not isinstance(error, HTTPException):
        raise AssertionError(f"not an HTTP error: {error!r}")
    refusal = Refusal(error.status_code, f"{error.detail}: {request.method} {request.url.path}")
    return JSONResponse(refusal.body(), error.status_code, error.headers)
