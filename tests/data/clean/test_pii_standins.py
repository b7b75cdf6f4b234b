"""Stand-ins: always the same for a value, of its format, and nobody's own."""

from __future__ import annotations

import ipaddress
import re

import pytest
from hypothesis import given, settings, strategies as st

from luthier.data.clean._pii_find import FINDERS
from luthier.data.clean._pii_standins import standin
from luthier.data.clean.checksums import iban_remainder, luhn

VALUES = {
    "email": "Anna.Smith@mail.co.uk",
    "phone": "+44 20 7946 0958",
    "card": "4111-1111-1111-1111",
    "iban": "DE89 3704 0044 0532 0130 00",
    "ssn": "123-45-6789",
    "ip": "8.8.8.8",
    "credentials": "admin:s3cret!",
    "secret": "AKIAIOSFODNN7EXAMPLE",
    "name": "Anna Smith",
    "staff_number": "S-1234",
}


@pytest.mark.parametrize(("kind", "value"), VALUES.items())
def test_key_and_value_decide(kind: str, value: str) -> None:
    assert standin(kind, value, b"k") == standin(kind, value, b"k") != value
    assert standin(kind, value, b"other") != standin(kind, value, b"k")
    changed = (
        value.replace("1", "3")
        .replace("8", "9")
        .replace("n", "m")
        .replace("d", "e")
        .replace("A", "B")
    )
    assert standin(kind, changed, b"k") != standin(kind, value, b"k")


def test_ways_of_writing_make_no_difference() -> None:
    assert standin("email", "A@b.io", b"k") == standin("email", "a@B.io", b"k")
    one, other = standin("card", "4111 1111 1111 1111", b"k"), standin("card", "4" + "1" * 15, b"k")
    assert one.replace(" ", "") == other


def test_formats_are_kept() -> None:
    assert re.fullmatch(r"user-[0-9a-f]{10}@example\.com", standin("email", "a@b.io", b"k"))
    assert re.fullmatch(r"\+0\d \d\d \d{4} \d{4}", standin("phone", VALUES["phone"], b"k"))
    assert re.fullmatch(r"\(000\) \d{3}-\d{4}", standin("phone", "(415) 555-2671", b"k"))
    assert re.fullmatch(r"000-\d\d-\d{4}", standin("ssn", VALUES["ssn"], b"k"))
    card = standin("card", VALUES["card"], b"k")
    assert re.fullmatch(r"9999(-\d{4}){3}", card)
    assert luhn(card.replace("-", ""))
    iban = standin("iban", VALUES["iban"], b"k")
    assert [len(part) for part in iban.split(" ")] == [4, 4, 4, 4, 4, 2]
    assert iban[:2] == "ZZ"
    assert iban_remainder(iban.replace(" ", "")) == 1
    assert ipaddress.ip_address(standin("ip", "2606:2800::1", b"k")) in (
        ipaddress.ip_network("2001:db8::/32")
    )
    assert not ipaddress.ip_address(standin("ip", "8.8.8.8", b"k")).is_global
    assert standin("name", "Anna", b"k").startswith("name-")


@given(st.sampled_from(sorted(FINDERS)), st.binary(min_size=1, max_size=8))
@settings(deadline=None, max_examples=60)
def test_no_stand_in_is_found_again(kind: str, key: bytes) -> None:
    text = f"Write to {standin(kind, VALUES[kind], key)} today."
    assert list(FINDERS[kind](text)) == []
