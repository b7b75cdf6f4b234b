"""Groups are counted by text, and the words beside them are those that mark them."""

from __future__ import annotations

from luthier.data.clean.groups import represented

WOMEN = ["She is a gentle nurse and her hands are gentle."] * 10
MEN = ["He is a strong smith and his arms are strong."] * 40


def test_texts_are_counted_once_for_each_group() -> None:
    (gender,) = represented([*WOMEN, *MEN])
    assert gender["attribute"] == "gender"
    assert gender["groups"]["men"]["texts"] == 40
    assert gender["groups"]["women"]["texts"] == 10
    assert gender["ratio"] == 80.0  # non-binary people are never named
    assert gender["said"] == "men 40, women 10, non-binary people 0"


def test_words_beside_a_group() -> None:
    (gender,) = represented([*WOMEN, *MEN])
    assert "nurse" in gender["groups"]["women"]["words"]
    assert "smith" in gender["groups"]["men"]["words"]
    assert not {"nurse", "the", "is"} & set(gender["groups"]["men"]["words"])


def test_what_is_hardly_ever_named_is_not_compared() -> None:
    assert represented(["He is a smith."] * 19) == []
    assert represented(["The plate is arched."] * 100) == []


def test_parts_of_words_are_no_names() -> None:
    assert represented(["The theory of shells; his-torical, blackboard."] * 15) == []
