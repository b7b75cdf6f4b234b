"""Finders: what people write as personal data is found, what only looks like it is not."""

from __future__ import annotations

import time

import pytest

from luthier.data.clean._pii_find import FINDERS
from luthier.data.clean._pii_screen import screen


def _found(kind: str, text: str) -> list[str]:
    return [text[a:b] for a, b in FINDERS[kind](text)] if kind in screen([text])[0] else []


FOUND = {
    "email": [
        "anna.smith@mail.co.uk",
        "x+tag@sub.domain.museum",
        "o_k-99@firm-name.de",
        "jürgen@web.de",
        "a@b.io",
    ],
    "phone": [
        "+44 20 7946 0958",
        "+1 (415) 555-2671",
        "+4915112345678",
        "+44 (0)20 7946 0958",
        "+33 6 12 34 56 78",
        "+91-98765-43210",
        "0049 30 1234567",
        "(415) 555-2671",
        "415-555-2671",
        "415.555.2671",
        "1-800-555-0199",
        "020 7946 0958",
        "(0151) 23 45 67 89",
        "0171/1234567",
        "06 12 34 56 78",
        "07734396839",
        "09061701461",
    ],
    "card": [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "3782 822463 10005",
        "6011000990139424",
    ],
    "iban": [
        "DE89370400440532013000",
        "DE89 3704 0044 0532 0130 00",
        "GB29 NWBK 6016 1331 9268 19",
        "MT84MALT011000012345MTLCAST001S",
    ],
    "ssn": ["123-45-6789", "123 45 6789"],
    "ip": [
        "8.8.8.8",
        "93.184.216.34",
        "2606:2800:220:1:248:1893:25c8:1946",
        "2001:4860:4860::8888",
    ],
    "credentials": ["admin:s3cret!"],
    "secret": [
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_" + "a1B2" * 9,
        "github_pat_11ABCDEFG0123456789_abcdef",
        "xoxb-123456789012-abcdefGHIJ",
        "AIza" + "Sy0-_" * 7,
        "sk-proj-abcDEF1234567890abcDEF12",
        "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
        "hf_" + "AbCd" * 9,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow+/=\n-----END RSA PRIVATE KEY-----",
    ],
}
SURROUNDED = [(kind, value) for kind, values in FOUND.items() for value in values]


@pytest.mark.parametrize(("kind", "value"), SURROUNDED)
@pytest.mark.parametrize("frame", ["{}", "Mine is {}, ok?", "In 2023 I wrote ({}).", "x\n{}\ny"])
def test_found_with_anything_around(kind: str, value: str, frame: str) -> None:
    value_in = f"https://{value}@host.org/x" if kind == "credentials" else value
    assert _found(kind, frame.format(value_in)) == [value]


NOT_FOUND = {
    "email": ["me@example.com", "a@sub.example.org", "x@y", "@handle", "10 @ 5.50 each", "a@b.c1"],
    "phone": [
        "in 1998-2004 and 2005",
        "10 000 000 people",
        "3.14159265358979",
        "01.02.2023",
        "2023-01-15 10:30",
        "ISBN 978-3-16-148410-0",
        "order #0123456789",
        "p = 0.00012345678",
        "v1.2.3-20230115",
        "1234567890123456789012",
        "$1,234,567.89",
        "000 1234 5678",
        "+0 415 555 2671",
        "txt STOP to 87121",
    ],
    "card": [
        "4111111111111112",
        "41 11 11 11 11 11 11 11",
        "1234567812345670",
        "94111111111111111",
        "4111111111111111a",
        "9999 1234 5678 9012",
    ],
    "iban": ["DE89370400440532013001", "XX89370400440532013000", "DE8937040044053201300"],
    "ssn": ["000-12-3456", "900-12-3456", "078-05-1120", "123-45-67890", "1123-45-6789"],
    "ip": [
        "192.168.0.1",
        "10.0.0.1",
        "127.0.0.1",
        "version 8.8.8.8",
        "256.1.1.1",
        "1.2.3",
        "12:30:45",
    ],
    "credentials": [
        "https://host.org:8080/x@y",
        "mailto:a@b.org",
        "https://[CREDENTIALS]@host.org",
    ],
    "secret": [
        "secretion of insulin",
        "the key is here",
        "token",
        "sk-learn",
        "password: [SECRET]",
    ],
}


@pytest.mark.parametrize(
    ("kind", "text"), [(kind, text) for kind, texts in NOT_FOUND.items() for text in texts]
)
def test_not_found(kind: str, text: str) -> None:
    assert _found(kind, text) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("password: hunter2!", ["hunter2!"]),
        ('API_KEY = "abc123def456"', ["abc123def456"]),
        ("my password is tr0ub4dor", ["tr0ub4dor"]),
        ("the password is strong", []),
    ],
)
def test_assigned_secrets(text: str, found: list[str]) -> None:
    assert _found("secret", text) == found


def test_numbers_that_are_called_are_phones() -> None:
    assert _found("phone", "pls call 5551234 now") == ["5551234"]
    assert _found("phone", "tel.: 555 1234") == ["555 1234"]
    assert _found("phone", "they sold 5551234 units") == []


def test_neighbours_don_t_hide_a_number() -> None:
    assert _found("card", "ref 12 4111111111111111 34") == ["4111111111111111"]
    assert _found("phone", "on 01.02.2023 020 7946 0958") == ["020 7946 0958"]
    assert _found("ssn", "SSN: 123456789") == ["123456789"]


@pytest.mark.parametrize(
    "piece", ["a", "1", "1 ", "a.", "@", "a@", "1.", ":", "a:", "://a:", "AB12", "eyJ", "sk-", "(0"]
)
def test_hostile_texts_take_time_in_proportion(piece: str) -> None:
    text = "password ssn call @:// 1234567890 1.1.1.1 :: " + piece * (20_000 // len(piece))
    started = time.process_time()
    for kind in FINDERS:
        list(FINDERS[kind](text))
    assert time.process_time() - started < 10
