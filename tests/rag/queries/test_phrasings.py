"""Other phrasings, from a list and from a model."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted import Scripted

from luthier.core.errors import ConfigError
from luthier.rag.queries.language import read_language
from luthier.rag.queries.phrasings import (
    Paraphrases,
    Thesaurus,
    by_model,
    by_synonyms,
    read_synonyms,
)


def _list(folder: Path, text: str) -> Thesaurus:
    file = folder / "synonyms.txt"
    file.write_text(text, encoding="utf-8")
    read_synonyms.cache_clear()
    return read_synonyms(str(file))


def test_listed_words_are_exchanged(tmp_path: Path) -> None:
    ours = _list(tmp_path, "PTO, paid time off, holiday\nboss, manager\npaid, waged\n")
    assert by_synonyms("How much pto does my boss get?", ours) == [
        "How much paid time off does my boss get?",
        "How much holiday does my boss get?",
        "How much pto does my manager get?",
    ]
    assert by_synonyms("Is paid  time off, taxed?", ours)[0] == "Is PTO, taxed?"
    assert by_synonyms("embossed ptos", ours) == []  # within words


def test_there_are_never_many(tmp_path: Path) -> None:
    many = _list(tmp_path, "".join(f"w{n}, x{n}, y{n}\n" for n in range(9)))
    assert len(by_synonyms(" ".join(f"w{n}" for n in range(9)), many)) == 4


def test_marks_in_a_synonym_are_taken_as_they_are(tmp_path: Path) -> None:
    odd = _list(tmp_path, "c++, \\1 g<0>\nnode.js, node\n")
    assert by_synonyms("what is C++?", odd) == ["what is \\1 g<0>?"]
    assert by_synonyms("is node.js. good", odd) == ["is node. good"]


def test_a_list_is_read(tmp_path: Path) -> None:
    ours = _list(tmp_path, "# ours\n\nPTO, paid  time off\n boss,manager, \nboss, chief\n")
    assert ours.groups == (("PTO", "paid time off"), ("boss", "manager"), ("boss", "chief"))
    assert (ours.places["boss"], ours.places["chief"], ours.longest) == (1, 2, 3)
    assert by_synonyms("anything", _list(tmp_path, "# nothing\n")) == []


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
