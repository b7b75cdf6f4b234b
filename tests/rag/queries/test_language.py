"""Words of a language: the English that ships, a file of one's own, and files that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from luthier.core.errors import ConfigError
from luthier.rag.queries.language import plain, read_language, words

GERMAN = """
[start]
können sie mir [bitte] sagen|erklären,
[end]
danke [im voraus]
[stop words]
der die das ist wo
"""


def test_words_keep_their_apostrophes() -> None:
    assert words("What's Müller’s 3rd_name?") == ["What's", "Müller’s", "3rd", "name"]
    assert plain("Müller’s") == "müller's"


def test_english_has_every_section() -> None:
    english = read_language("english")
    assert all(getattr(english, field) for field in english.__dataclass_fields__)
    assert english.content("What is the capital of France?") == ["capital", "France"]


def test_no_stop_word_is_lost_to_another_case() -> None:
    assert all(word == plain(word) for word in read_language("english").stop_words)


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "german.txt"
    file.write_text(GERMAN, encoding="utf-8")
    german = read_language(str(file))
    assert german.content("Wo ist die Burg") == ["Burg"]
    assert german.start[0].match("Können Sie mir bitte sagen, wo die Burg ist")
    assert not german.start[0].match("Können Sie mir sagen wo die Burg ist")  # it has no comma
    assert german.pronouns == frozenset()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[start]\ncan [you\n", "cannot be used"),
        ("[start]\ncan you]\n", "cannot be used"),
        ("hello\n[start]\n", "before the first section"),
    ],
)
def test_a_file_that_cannot_be_used_names_its_line(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "odd.txt"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=told) as caught:
        read_language(str(file))
    assert caught.value.where.startswith(f"{file}:")


def test_a_language_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither a language"):
        read_language("klingon")
    (tmp_path / "latin1.txt").write_bytes("[end]\nmerci à tous".encode("latin-1"))
    with pytest.raises(ConfigError, match="neither a language"):
        read_language(str(tmp_path / "latin1.txt"))
