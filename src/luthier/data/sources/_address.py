"""Addresses on the web: written one way, looked up, and told apart from what lies inside."""

from __future__ import annotations

import ipaddress
import socket
import urllib.parse

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class FetchError(Exception):
    """A page that cannot be had.

    Args:
        reason: A fixed phrase for the ledger.
        detail: What was seen.
        again: It may work another time.
    """

    def __init__(self, reason: str, detail: str = "", *, again: bool = False) -> None:
        super().__init__(reason, detail)
        self.reason, self.detail, self.again = reason, detail, again


def tidy_url(url: str) -> str:
    """An address in one way of writing: without fragment, host in lower case, a path.

    Raises:
        FetchError: It is not http(s), names no host, or carries a password.
    """
    import httpx2

    try:
        whole = httpx2.URL(url.strip())
        host = whole.raw_host.decode("ascii")
    except (httpx2.InvalidURL, ValueError) as error:
        raise FetchError("not a web address") from error
    if whole.scheme not in ("http", "https") or not host:
        raise FetchError("not a web address")
    if "%" in host or (whole.port or 1) > 65535:
        raise FetchError("not a web address")
    if whole.userinfo:
        raise FetchError("address carries a password", host)
    parts = urllib.parse.urlsplit(str(whole.copy_with(fragment=None)))
    return parts._replace(path=parts.path or "/").geturl()


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open Internet, also behind the IPv6 forms of IPv4."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, IPv4 first."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(a[4][0]) for a in sorted(found, key=lambda a: a[0])))


def is_address(host: str) -> bool:
    """Whether a host is an IP address and not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
