"""The first look never misses what a finder finds, and passes over plain texts."""

from __future__ import annotations

import re
import sys
import time

import pytest
from hypothesis import given, settings, strategies as st

from luthier.data.clean._pii_find import FINDERS
from luthier.data.clean._pii_screen import KINDS, screen
from luthier.data.clean.pii import PiiSpec, plan_pii, treat

SPACES = [chr(sign) for sign in range(sys.maxunicode + 1) if re.match(r"\s", chr(sign))]
PIECES = [
    *("anna.smith@mail.co.uk", "jürgen@web.de", "x+tag@a-b.c9.museum", "a@b.io", "me@example.com"),
    *("+44 20 7946 0958", "+1 (415) 555-2671", "0049 30 1234567", "(0151) 23 45 67 89"),
    *("020 7946 0958", "415.555.2671", "0171/1234567", "07734396839", "5551234", "555 1234"),
    *("4111111111111111", "4111-1111-1111-1111", "3782 822463 10005", "6011 0009 9013 9424"),
    *("DE89370400440532013000", "GB29 NWBK 6016 1331 9268 19", "NO93 8601 1117 947"),
    *("MT84MALT011000012345MTLCAST001S", "123-45-6789", "123 45 6789", "123456789"),
    *("8.8.8.8", "93.184.216.34", "192.168.0.1", "2606:2800:220:1:248:1893:25c8:1946"),
    *("2001:4860:4860::8888", "2001::", "::ffff", "2a00:1450:4001:81b::200e", "01.02.2023"),
    *("https://admin:s3cret!@host.org/x", "ftp://u:p@h", "://a:b@[", "AKIAIOSFODNN7EXAMPLE"),
    *("ghp_" + "a1B2" * 9, "github_pat_11ABCDEFG0123456789_abcdef", "glpat-" + "x1Y2z" * 4),
    *("xoxb-123456789012-abcdefGHIJ", "AIza" + "Sy0-_" * 7, "hf_" + "AbCd" * 9),
    *("sk-proj-abcDEF1234567890abcDEF12", "sk_live_4eC39HqLyjWDarjtT1zdp7dc"),
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
    "-----BEGIN PRIVATE KEY-----\nMIIEow+/=\n-----END PRIVATE KEY-----",
]
WORDS = [
    *("password", "passwort", "passwd", "pwd", "token", "secret", "api key", "API_KEY", "api-key"),
    *("access key", "is", "İS", "ıs", "hunter22", "tr0ub4dor", "ssn", "social security", "number"),
    *("no.", "socıal securİty", "call", "tel.:", "paſſword", "toKen", "v", "ver. ", "and"),
]
SIGNS = [
    *":=@.-_/+#()[]\"'$€,",
    "::",
    "://",
    "0",
    "1",
    "9",
    "a",
    "F",
    "Z",
    "é",
    "ß",
    "٣",
    "３",
    "二",
]
PIECE = st.sampled_from(PIECES) | st.sampled_from(WORDS)
TURNED = st.sampled_from([str, str, str.upper, str.lower, str.title, str.swapcase])
BETWEEN = st.sampled_from(["", "", " ", " ", ": ", " is ", "\n", *SPACES, "\u200b", "\ud800", "\0"])


@st.composite
def mended(draw: st.DrawFn) -> str:
    """A piece with one sign put in, taken out or replaced: a near miss, or still a hit."""
    piece = draw(PIECE)
    place = draw(st.integers(0, len(piece)))
    sign = draw(st.sampled_from(SIGNS + SPACES) | st.characters())
    return piece[:place] + sign * draw(st.booleans()) + piece[place + draw(st.integers(0, 1)) :]


PART = st.one_of(PIECE, PIECE, mended(), st.sampled_from(SIGNS), st.text(max_size=3))
TEXTS = st.lists(
    st.tuples(PART, TURNED, BETWEEN).map(lambda one: one[1](one[0]) + one[2]), max_size=6
).map("".join)


def assert_nothing_is_missed(texts: list[str]) -> None:
    for text, kinds in zip(texts, screen(texts), strict=True):
        found = {kind for kind, finder in FINDERS.items() if list(finder(text))}
        assert found <= set(kinds), ascii(text)


def test_kinds_stand_in_the_order_of_precedence() -> None:
    assert tuple(FINDERS) == KINDS
    everything = " ".join(PIECES)
    assert screen([everything]) == [KINDS]
    assert screen([]) == []


@given(st.lists(TEXTS, min_size=12, max_size=12))
@settings(max_examples=60, deadline=None)
def test_whatever_a_finder_finds_is_screened(texts: list[str]) -> None:
    assert_nothing_is_missed(texts)


def test_each_piece_is_screened_in_any_surroundings() -> None:
    around = ["", *SPACES, *SIGNS, "\u200b", "\ud800", "ssn ", "call ", "password: "]
    framed = [(one, other) for one in around for other in {"", one}]
    framed += [("", sign) for sign in around]
    assert_nothing_is_missed([a + piece + b for piece in PIECES for a, b in framed])


@pytest.mark.parametrize("turned", [str, str.upper, str.title])
def test_named_values_are_screened_in_any_capitals_and_spaces(turned: type[str]) -> None:
    names = [turned(word) for word in WORDS if len(word) > 2]
    joints = [f"{a}{mid}{b}" for a in SPACES for mid in ("=", "is", "IS") for b in {" ", a}]
    values = ["s3cret99", "123456789"]
    texts = [f"{name}{joint}{value}" for name in names for joint in joints for value in values]
    assert_nothing_is_missed(texts)
    assert len([kinds for kinds in screen(texts) if "secret" in kinds]) > len(texts) / 4


@given(TEXTS)
@settings(max_examples=80, deadline=None)
def test_a_screened_text_is_treated_like_any_other(text: str) -> None:
    plan = plan_pii(PiiSpec(phone="pseudonymise", ip="report", card="refuse"), (), 0)
    assert treat(text, plan, screen([text])[0]) == treat(text, plan)


@given(st.lists(TEXTS, max_size=5), st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_each_text_is_screened_by_itself(texts: list[str], cut: int) -> None:
    assert screen(texts) == screen(texts[:cut]) + screen(texts[cut:])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Nothing to see in 1998, at 10:30 or on page 12.",
        "The token of my love: no secret is safe with the keynote speaker.",
        "1,234,567 people, 12:30:45, 3.14, @handle and 10 @ 5.50",
        "٠١٢٣٤٥٦٧٨٩ 二十 \ud800",
    ],
)
def test_plain_texts_need_no_finder(text: str) -> None:
    kinds = set(screen([text])[0])
    assert kinds <= ({"secret"} if "token" in text else set())


@pytest.mark.parametrize(
    "piece", ["a", "1", "1 ", "a.", "@", "a@", "1.", ":", "a:", "://a:", "AB12", "eyJ", "sk-", "(0"]
)
def test_hostile_texts_take_time_in_proportion(piece: str) -> None:
    text = "password ssn call @:// 1.1.1 :: " + piece * (500_000 // len(piece))
    started = time.process_time()
    screen([text])
    assert time.process_time() - started < 5
