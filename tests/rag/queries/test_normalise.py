"""Plain characters, and nothing else changed."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from luthier.rag.queries.normalise import normalise


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("What is a ledger?", "What is a ledger?"),
        ("  What\tis \n a\u00a0ledger? ", "What is a ledger?"),
        ("ｗｈａｔ　ｉｓ ﬁne", "what is fine"),
        ("‘so’ “said” l’eau", "'so' \"said\" l'eau"),
        ("zero\u200bwidth so\u00adft \ufeffmark", "zerowidth soft mark"),
        ("cafe\u0301", "café"),
        ("6½ sacks of 10² m™ at 5㎏", "6½ sacks of 10² m™ at 5㎏"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("a\x00b\x1bc", "a b c"),
        ("", ""),
        ("\u200b \u00ad", ""),
    ],
)
def test_characters_and_spaces(asked: str, wanted: str) -> None:
    assert normalise(asked) == wanted


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("WHO BUILT THE TOWER?", "who built the tower?"),
        ("NASA ESA", "NASA ESA"),  # may be names
        ("WHAT IS F_CPU HERE NOW", "WHAT IS F_CPU HERE NOW"),  # code keeps its case
        ("Who built the TOWER?", "Who built the TOWER?"),
        ("東京 大阪 京都", "東京 大阪 京都"),
    ],
)
def test_only_what_is_shouted_is_quietened(asked: str, wanted: str) -> None:
    assert normalise(asked) == wanted


@given(st.text(max_size=60))
def test_once_is_enough(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert once == once.strip()
    assert "  " not in once
