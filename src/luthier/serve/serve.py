"""Serving a bundle: the settings, and the server that runs until it is told to stop."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Literal

from pydantic import Field

from luthier.core.errors import ServeError
from luthier.core.journal import Journal
from luthier.core.progress import Progress
from luthier.core.spec import Spec, runtime
from luthier.evaluate.routes import Route


class ServeSpec(Spec):
    """How answers are served."""

    host: str = runtime("127.0.0.1")
    """Address to listen on. Anything but the own machine's should have an API key."""
    port: int = runtime(8000, ge=0, le=65535)
    """Port to listen on; 0 for any free one."""
    viewer_header: str = runtime("")
    """HTTP header in which a gateway that you trust names the user and groups who ask, separated by
    commas; without it everything is asked as everyone. Nobody else may reach the server then."""
    route: Literal["best", Route] = "best"
    """Which route goes into the bundle; ``best`` is the one the comparison puts first."""
    max_new_tokens: int = Field(default=64, ge=1)
    """Most tokens of an answer where a request does not say (bundled with the model)."""


def serve(
    bundle_path: Path,
    spec: ServeSpec,
    *,
    journal: Path,
    progress: Progress,
    index: Path | None = None,
) -> None:
    """Serve a bundle until SIGTERM or Ctrl-C; answers that are running are finished first.

    Args:
        bundle_path: The bundle's folder.
        spec: Host and port are read; the rest is in the bundle.
        journal: The answer log's file.
        progress: Told the address as soon as it answers.
        index: A living index in place of the bundle's own.

    Raises:
        ServeError: The bundle is refused or the port is taken.
        ModelError: The model cannot be loaded.
    """
    import uvicorn

    from luthier.serve.bundle import open_bundle
    from luthier.serve.http import API_KEY, make_app
    from luthier.serve.service import open_service

    with _listen(spec.host, spec.port) as listener:  # before the model is loaded for nothing
        bundle = open_bundle(bundle_path)
        service = open_service(bundle, Journal(journal), index=index)
        key = os.environ.get(API_KEY)
        app = make_app(service, key, viewer_header=spec.viewer_header)
        host, port = listener.getsockname()[:2]
        place = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        progress.say(f"{bundle.name} ({bundle.route}) answers at {place}/v1")
        if told := service.abstention:
            progress.say(told)
        if not key and host not in ("127.0.0.1", "::1"):
            progress.say(f"Anyone who reaches {host} may ask: set {API_KEY} to demand a key.")
        config = uvicorn.Config(app, log_level="warning", access_log=False)
        try:
            uvicorn.Server(config).run(sockets=[listener])
        except KeyboardInterrupt:  # uvicorn raises it again after a clean end
            progress.say("Stopped.")


def _listen(host: str, port: int) -> socket.socket:
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = infos[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ServeError(
            f"cannot listen on '{host}': {error.strerror}", mend="Name another host."
        ) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)  # taken from here on: a second server is refused at once
    except OSError as error:
        listener.close()
        raise ServeError(
            f"cannot listen on {host}:{port}: {error.strerror}",
            mend="Another program has the port? Name another one with --port.",
        ) from error
    return listener
