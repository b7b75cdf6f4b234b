"""A small web site on loopback, and a clock that does not wait, for the tests of web sources."""

from __future__ import annotations

import dataclasses
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Headers = dict[str, str]


@dataclasses.dataclass
class Reply:
    """What the site answers to one request."""

    body: bytes | str = b""
    status: int = 200
    headers: Headers = dataclasses.field(default_factory=dict)


Page = Reply | list[Reply] | Callable[[Headers], Reply]


@dataclasses.dataclass
class Site:
    """Pages by path: one reply, replies one after the other (the last stays), or a function."""

    url: str
    pages: dict[str, Page]
    asked: list[str] = dataclasses.field(default_factory=list)
    headers: list[Headers] = dataclasses.field(default_factory=list)

    def answer(self, path: str, headers: Headers) -> Reply:
        self.asked.append(path)
        self.headers.append(headers)
        page = self.pages.get(path, Reply("not here", 404))
        if isinstance(page, list):
            return page.pop(0) if len(page) > 1 else page[0]
        return page(headers) if callable(page) else page


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.time = 1_000_000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))
        self.time += seconds


@contextmanager
def web_site(certificate: Path | None = None, **pages: Page) -> Iterator[Site]:
    """Serve pages; keys are paths with ``_`` for the first slash, ``__`` for a dot.

    With a certificate (a PEM file with its key) the site speaks TLS.
    """
    site = Site("", {f"/{k.replace('__', '.').lstrip('_')}": page for k, page in pages.items()})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            told = {k.lower(): v for k, v in self.headers.items()}
            reply = site.answer(self.path, told)
            body = reply.body.encode() if isinstance(reply.body, str) else reply.body
            self.send_response(reply.status)
            headers = {"Content-Type": "text/html", "Content-Length": str(len(body))}
            for name, value in (headers | reply.headers).items():
                if value:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    site.url = f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_address[1]}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
