"""Which option an answer in words names."""

from __future__ import annotations

import pytest

from luthier.core.records import Message
from luthier.evaluate.scorers.options import picked
from luthier.evaluate.suite import Item


@pytest.mark.parametrize(
    ("said", "option"),
    [("green", "green"), ("B", "green"), ("(b) because", "green"), ("Answer: A", "red"),
     ("It is red.", "red"), ("a red one", "red"), ("red or green", None), ("Z", None), ("", None)],
)  # fmt: skip
def test_an_option_is_named_by_letter_or_text(said: str, option: str | None) -> None:
    item = Item("a", "choice", (Message("user", "?"),), ("red",), ("red", "green"))
    assert picked(item, said) == option
