"""Courtesy goes, the question stays."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from luthier.rag.queries.language import read_language
from luthier.rag.queries.simplify import simplify

ENGLISH = read_language("english")


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        (
            "Hi there, can you please tell me what the capital of France is? Thanks in advance!",
            "what the capital of France is?",
        ),
        ("I would like to know more about the Panthers defense.", "the Panthers defense."),
        ("So, I was wondering if you know who won, please?", "who won?"),
        ("Hello! I have a quick question: where is Warsaw?", "where is Warsaw?"),
        ("I’d like to know who built it", "who built it"),
        ("What is a ledger? Any help would be appreciated", "What is a ledger?"),
        ("do you know if aspirin helps", "if aspirin helps"),
    ],
)
def test_courtesy_goes(asked: str, wanted: str) -> None:
    assert simplify(asked, ENGLISH) == wanted


@pytest.mark.parametrize(
    "asked",
    [
        "who recorded Please Please Me",
        "Tell Me Lies lyrics",
        "hello kitty history",
        "well water contamination",
        "right ventricular failure",
        "thank you for smoking",
        "please",
        "Can you tell me?",
        "thanks",
        "can birds tell time",
        "what does 'so long, and thanks for all the fish' mean",
        "",
    ],
)
def test_what_is_no_courtesy_stays(asked: str) -> None:
    assert simplify(asked, ENGLISH) == asked


def test_a_pasted_text_stays() -> None:
    pasted = "please " + "." * 100_000
    assert simplify(pasted, ENGLISH) == pasted


TOKENS = ["can", "you", "please", "tell", "me", "hi,", "thanks", "!", "?", "what"]


@given(st.lists(st.sampled_from(TOKENS), max_size=8))
def test_something_is_always_left(tokens: list[str]) -> None:
    text = " ".join([*tokens, "warsaw"])
    assert "warsaw" in simplify(text, ENGLISH)
