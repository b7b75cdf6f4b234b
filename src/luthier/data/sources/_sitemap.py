"""Sitemaps (sitemaps.org, protocol 0.9): the addresses they list, or the sitemaps they point to."""

from __future__ import annotations

import zlib
from typing import NamedTuple
from xml.etree import ElementTree as ET

MAX_BYTES = 50 * 1024 * 1024
"""Of one sitemap, unpacked; the protocol's own limit."""


class Sitemap(NamedTuple):
    """What a sitemap lists: either pages or other sitemaps."""

    pages: tuple[str, ...]
    sitemaps: tuple[str, ...]


def parse_sitemap(data: bytes) -> Sitemap:
    """Read a sitemap: XML (pages or an index) or plain text, each also packed with gzip.

    Args:
        data: The file.

    Raises:
        ValueError: It is not one, is damaged, or is over 50 MB.
    """
    data = _unpacked(data)
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start.startswith(b"<"):
        return Sitemap(_listed(start), ())
    try:
        root = ET.fromstring(data)
    except ET.ParseError as error:
        raise ValueError(f"not well-formed XML: {error}") from error
    found = tuple(
        text
        for entry in root
        for part in entry
        if _local(part.tag) == "loc" and (text := (part.text or "").strip())
    )
    match _local(root.tag):
        case "urlset":
            return Sitemap(found, ())
        case "sitemapindex":
            return Sitemap((), found)
        case other:
            raise ValueError(f"<{other}> is neither <urlset> nor <sitemapindex>")


def _listed(data: bytes) -> tuple[str, ...]:
    lines = [line.strip() for line in data.decode("utf-8").splitlines()]
    found = tuple(line for line in lines if line)
    if not all(line.startswith(("http://", "https://")) for line in found):
        raise ValueError("neither XML nor a list of addresses")
    return found


def _unpacked(data: bytes) -> bytes:
    if data.startswith(b"\x1f\x8b"):
        packed = zlib.decompressobj(wbits=31)
        try:
            data = packed.decompress(data, MAX_BYTES + 1)
        except zlib.error as error:
            raise ValueError(f"damaged gzip: {error}") from error
        if len(data) <= MAX_BYTES and not packed.eof:
            raise ValueError("damaged gzip: it ends too soon")
    if len(data) > MAX_BYTES:
        raise ValueError("over 50 MB")
    return data


def _local(tag: object) -> str:
    return str(tag).rpartition("}")[2]
