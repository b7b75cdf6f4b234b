"""Other phrasings, from a list and from a model."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted import Scripted

from luthier.core.errors import ConfigError
from luthier.rag.queries.language import read_language
from luthier.rag.queries.phrasings import Paraphrases, by_model, by_synonyms, read_synonyms

GROUPS = (("PTO", "paid time off", "holiday"), ("boss", "manager"))


def test_listed_words_are_exchanged() -> None:
    assert by_synonyms("How much pto does my boss get?", GROUPS) == [
        "How much paid time off does my boss get?",
        "How much holiday does my boss get?",
        "How much pto does my manager get?",
    ]
    assert by_synonyms("Is paid time off taxed?", GROUPS)[0] == "Is PTO taxed?"
    assert by_synonyms("embossed ptos", GROUPS) == []  # within words


def test_there_are_never_many() -> None:
    groups = tuple((f"w{n}", f"x{n}", f"y{n}") for n in range(9))
    assert len(by_synonyms(" ".join(f"w{n}" for n in range(9)), groups)) == 4


def test_marks_in_a_synonym_are_taken_as_they_are() -> None:
    assert by_synonyms("what is c++", (("c++", r"\1 g<0>"),)) == [r"what is \1 g<0>"]


def test_a_list_is_read(tmp_path: Path) -> None:
    file = tmp_path / "synonyms.txt"
    file.write_text("# ours\n\nPTO, paid time off\n boss,manager, \n", encoding="utf-8")
    assert read_synonyms(str(file)) == (("PTO", "paid time off"), ("boss", "manager"))


def test_a_list_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_synonyms(str(tmp_path / "none.txt"))
    file = tmp_path / "alone.txt"
    file.write_text("a, b\nlonely\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="only word") as caught:
        read_synonyms(str(file))
    assert caught.value.where == f"{file}:2"


def test_a_model_is_asked_with_seeds_and_checked() -> None:
    replies = iter(["Who erected the tower?", "No idea, sorry."])
    model = Scripted(lambda _: next(replies))
    told = by_model("Who built the tower?", Paraphrases(count=2), model, read_language("english"))
    assert [t.text for t in told] == ["Who erected the tower?", ""]
    assert "something else" in told[1].problem
    assert [s.seed for s in model.samplings] == [0, 1]
