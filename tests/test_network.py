"""The guard in conftest.py really stops what would leave this machine."""

from __future__ import annotations

import socket

import pytest


def test_a_name_cannot_be_looked_up() -> None:
    with pytest.raises(AssertionError, match="reached for the network"):
        socket.getaddrinfo("example.com", 443)


def test_an_address_cannot_be_connected_to() -> None:
    with (
        socket.socket() as client,
        pytest.raises(AssertionError, match="reached for the network"),
    ):
        client.connect(("192.0.2.1", 443))


def test_loopback_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        client.close()
