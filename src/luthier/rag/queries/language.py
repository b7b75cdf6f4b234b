"""The words of a language that the steps of a query go by: courtesy, pronouns, stop words.

English comes with Luthier. For another language the user writes a file with the same sections.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from importlib import resources
from pathlib import Path

from luthier.core.errors import ConfigError

SHIPPED = ("english",)
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_LETTERS = re.compile(r"[A-C]")
_SECTIONS = {
    "start": "start",
    "end": "end",
    "stop words": "stop_words",
    "pronouns": "pronouns",
    "openings": "openings",
    "question words": "question_words",
    "joins": "joins",
    "comparisons": "comparisons",
    "heads": "heads",
}
_PHRASES = {"start", "end", "openings", "joins", "comparisons"}


@dataclasses.dataclass(frozen=True, slots=True)
class Language:
    """What a file of words says; each field is a section of that name.

    Attributes:
        start: Courtesy that a question may begin with.
        end: Courtesy that it may end with.
        stop_words: Words that mean nothing alone, in lower case.
        pronouns: Words that lean on what was said before.
        openings: How a question begins that lacks its first half.
        question_words: Who, what, when ...
        joins: What stands between two questions in one sentence.
        comparisons: Whole questions with the groups ``A``, ``B`` and perhaps ``C``.
        heads: Words after which the sides of a comparison may share what stands before.
    """

    start: tuple[re.Pattern[str], ...] = ()
    end: tuple[re.Pattern[str], ...] = ()
    stop_words: frozenset[str] = frozenset()
    pronouns: frozenset[str] = frozenset()
    openings: tuple[re.Pattern[str], ...] = ()
    question_words: frozenset[str] = frozenset()
    joins: tuple[re.Pattern[str], ...] = ()
    comparisons: tuple[re.Pattern[str], ...] = ()
    heads: frozenset[str] = frozenset()

    def content(self, text: str) -> list[str]:
        """The words of a text that mean something, as they are written and in their order."""
        return [word for word in words(text) if plain(word) not in self.stop_words]


def words(text: str) -> list[str]:
    """The words of a text, apostrophes within them included."""
    return _WORD.findall(text)


def plain(word: str) -> str:
    """A word as the lists have it: lower case, straight apostrophes."""
    return word.lower().replace("’", "'")


@functools.lru_cache(maxsize=8)
def read_language(name: str) -> Language:
    """The words of a language.

    Args:
        name: ``english``, or the path of a text file with sections such as ``[start]``, see
            ``english.txt`` beside this module.

    Raises:
        ConfigError: There is no such language or file, or the file cannot be used.
    """
    if name in SHIPPED:
        text = resources.files("luthier.rag.queries").joinpath(f"{name}.txt").read_text("utf-8")
        return _parse(text, name)
    try:
        return _parse(Path(name).read_text("utf-8"), name)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"'{name}' is neither a language that Luthier brings nor a file that can be read: "
            f"{error}",
            where="rag.query.language",
            mend=f"Name one of {', '.join(SHIPPED)}, or a text file with its words.",
        ) from error


def _parse(text: str, name: str) -> Language:
    found: dict[str, list[str]] = {field: [] for field in _SECTIONS.values()}
    at: list[str] | None = None
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if (title := re.fullmatch(r"\[([a-z ]+)\]", line)) and title[1] in _SECTIONS:
            at = found[_SECTIONS[title[1]]]
        elif at is None:
            raise ConfigError(
                f"'{line[:40]}' stands before the first section",
                where=f"{name}:{number}",
                mend=f"Begin with one of {', '.join(f'[{s}]' for s in _SECTIONS)}.",
            )
        elif any(at is found[field] for field in _PHRASES):
            _try(line, f"{name}:{number}")
            at.append(line)
        else:
            at += plain(line).split()
    patterns = {field: _patterns(found[field], field) for field in _PHRASES}
    sets = {f: frozenset(lines) for f, lines in found.items() if f not in _PHRASES}
    return Language(**patterns, **sets)  # type: ignore[arg-type]


def _try(line: str, where: str) -> None:
    try:
        re.compile(_source(line))
    except re.error as error:
        raise ConfigError(
            f"the phrase '{line[:60]}' cannot be used: {error}",
            where=where,
            mend="Each [ needs its ], and each | a word on both sides.",
        ) from error


def _patterns(lines: list[str], field: str) -> tuple[re.Pattern[str], ...]:
    made = []
    for line in lines:
        source = _source(line)
        if field == "comparisons":
            source = rf"\W*{source}[\s.?!]*"
        elif field == "end":
            source = rf"[\s,.;!?-]+{source}(?P<close>[\s.!?,;]*)$"
        elif field == "joins":
            source = rf"[\s,;]+{source}"
        made.append(re.compile(source, re.IGNORECASE | re.DOTALL))
    return tuple(made)


def _source(phrase: str) -> str:
    """A phrase as a regular expression; a comma in it must be there, others may be."""
    parts = re.findall(r"\[|\]|[^\s\[\]]+", phrase)
    made = []
    for part in parts:
        if part == "[":
            made.append("(?:")
        elif part == "]":
            made.append(")?")
        elif _LETTERS.fullmatch(part):
            made.append(rf"(?P<{part}>\S(?:.*?\S)??)[\s,]*")
        else:
            either = "|".join(_spelt(word) for word in part.rstrip(",").split("|"))
            gap = r"\s*[,:!.][\s,:!.]*" if part.endswith(",") else r"(?:[\s,:]+|(?=\W)|$)"
            made.append(rf"(?:{either})(?!\w){gap}")
    return r"(?<!\w)" + "".join(made)


def _spelt(word: str) -> str:
    return re.escape(word).replace("'", "['’]")
