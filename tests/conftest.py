"""What holds for every test: fixed threads, no model hub, and no network beyond this machine."""

from __future__ import annotations

import os
import sys
from typing import Any

# One thread: sums are added in the same order everywhere, so seeded losses repeat. This must be
# set before numpy or torch is imported, hence here and not in a fixture.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

_LOCAL_NAMES = {"", "localhost", "::1", "::", "0.0.0.0"}


def _is_local(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    return name is None or (
        isinstance(name, str) and (name in _LOCAL_NAMES or name.startswith("127."))
    )


def _refuse_network(event: str, args: tuple[Any, ...]) -> None:
    """Fail on any address or name that is not this machine's own."""
    if event in {"socket.connect", "socket.sendto"}:
        address = args[1]
        host = address[0] if isinstance(address, tuple) else None  # else a Unix socket's path
    elif event == "socket.getaddrinfo":
        host = args[0]
    else:
        return
    if not _is_local(host):
        raise AssertionError(f"a test reached for the network: {event} {args!r}")


sys.addaudithook(_refuse_network)
