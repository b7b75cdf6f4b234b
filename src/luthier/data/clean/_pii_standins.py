"""Stand-ins for personal data: the same value always gets the same one, and nobody's own.

A stand-in is computed from a keyed hash (HMAC-SHA-256, RFC 2104) of kind and value, so it cannot
be turned back without the key, and needs no table that would have to be kept secret. It keeps the
format, but lies where no real value is: example.com (RFC 2606), phone numbers that start with
000, cards of the unissued prefix 9999, IBANs of the unassigned country ZZ, SSNs of area 000,
IPv4 240.0.0.0/4 (RFC 1112) and IPv6 2001:db8::/32 (RFC 3849).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re

from luthier.data.clean.checksums import iban_remainder, luhn

_DIGIT = re.compile(r"[0-9]")


def standin(kind: str, value: str, key: bytes) -> str:
    """What stands in the place of a value.

    Args:
        kind: ``email``, ``phone``, ..., or the name of a project's own pattern.
        value: As it is written; spaces, hyphens and (but for names) capitals make no difference.
        key: Another key, other stand-ins.
    """
    plain = value if kind in ("secret", "name", "credentials") else value.lower()
    if kind in ("phone", "card", "iban", "ssn"):
        plain = re.sub(r"[^0-9a-z+]", "", plain)
    number = int.from_bytes(hmac.digest(key, f"{kind}\x1f{plain}".encode(), hashlib.sha256), "big")
    short = f"{number:064x}"[:10]
    match kind:
        case "email":
            return f"user-{short}@example.com"
        case "phone":
            start = "0" if value.startswith("+") else "000"
            return _written(value, start, number)
        case "card":
            return _card(value, number)
        case "ssn":
            return _written(value, "000", number)
        case "iban":
            return _iban(value, number)
        case "ip":
            return _address(value, number)
        case "credentials":
            return f"user-{short}:***"
        case _:
            return f"{kind}-{short}"


def _written(value: str, start: str, number: int) -> str:
    """Digits in the places of a value's digits: some fixed ones, then those of a number."""
    digits = iter(start + str(number)[::-1])
    return _DIGIT.sub(lambda _: next(digits), value)


def _card(value: str, number: int) -> str:
    count = len(_DIGIT.findall(value))
    body = ("9999" + str(number)[::-1])[: count - 1]
    check = next(d for d in "0123456789" if luhn(body + d))
    return _written(value, body + check, 0)


def _iban(value: str, number: int) -> str:
    length = len(value.replace(" ", "")) - 4
    body = str(number)[::-1][:length]
    check = 98 - iban_remainder(f"ZZ00{body}")
    signs = iter(f"ZZ{check:02d}{body}")
    return "".join(" " if sign == " " else next(signs) for sign in value)


def _address(value: str, number: int) -> str:
    if ":" in value:
        return str(ipaddress.IPv6Address((0x20010DB8 << 96) | number % (1 << 96)))
    return str(ipaddress.IPv4Address((240 << 24) | number % (1 << 28)))
