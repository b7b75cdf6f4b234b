"""Addresses on the web, and which of them lie inside."""

from __future__ import annotations

import pytest

from luthier.data.sources._address import FetchError, is_address, is_public, resolve, tidy_url


@pytest.mark.parametrize(
    ("written", "tidy"),
    [
        (" HTTP://Example.COM ", "http://example.com/"),
        ("https://example.com:443/a#part", "https://example.com/a"),
        ("http://example.com?x=1", "http://example.com/?x=1"),
        ("http://exämple.com/ä b", "http://xn--exmple-cua.com/%C3%A4%20b"),
        ("http://[::1]:8000/", "http://[::1]:8000/"),
    ],
)
def test_one_way_of_writing(written: str, tidy: str) -> None:
    assert tidy_url(written) == tidy
    assert tidy_url(tidy) == tidy


@pytest.mark.parametrize(
    "written",
    [
        "",
        "no address",
        "ftp://example.com/a",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://",
        "http://a b/",
        "http://[::1",
        "http://x:99999/",
        "http://user:secret@example.com/",
        "http://user:sec/ret@example.com/",
    ],
)
def test_what_is_no_address_is_refused_without_telling_it(written: str) -> None:
    with pytest.raises(FetchError) as caught:
        tidy_url(written)
    assert caught.value.reason in ("not a web address", "address carries a password")
    assert "sec" not in caught.value.detail


@pytest.mark.parametrize(
    "inside",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0",
        "100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1",
        "ff02::1", "::ffff:10.0.0.1", "2002:0a00:0001::", "64:ff9b::7f00:1",
    ],
)  # fmt: skip
def test_addresses_inside(inside: str) -> None:
    assert not is_public(inside)


@pytest.mark.parametrize("outside", ["93.184.216.34", "2606:4700::1111", "::ffff:93.184.216.34"])
def test_addresses_outside(outside: str) -> None:
    assert is_public(outside)


def test_looking_up_this_machine() -> None:
    assert "127.0.0.1" in resolve("localhost", 80)
    assert is_address("::1")
    assert not is_address("localhost")
