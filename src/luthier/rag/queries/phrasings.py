"""Ask in several phrasings, so that one unlucky word does not decide.

Results of several phrasings joined are better than those of the best single one (Belkin et al.
1995, "Combining the evidence of multiple query representations"; with language models Rackauckas
2024, "RAG-Fusion"). Synonyms come from a list of the user's: what a firm calls its things stands in
no dictionary.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from luthier.core.errors import ConfigError
from luthier.core.spec import Spec
from luthier.models.generate import Generate
from luthier.rag.queries._model import Told, one_line, tell
from luthier.rag.queries.language import Language, plain

_PROMPT = (
    "Write the question in other words, keeping its meaning, its names and its language. Answer "
    "with the question only.\n\nQuestion: {question}\n\nIn other words:"
)
_MOST_PHRASINGS = 4  # a question full of listed words would make hundreds
_TOKEN = re.compile(r"[^\s.,;:!?\"()]+(?:[.,:][^\s.,;:!?\"()]+)*")


class Synonyms(Spec):
    """Words are exchanged by a list of what means the same."""

    kind: Literal["synonyms"] = "synonyms"
    """Tag."""
    file: str
    """Text file; on each line words or phrases that mean the same, parted by commas."""
    weight: float = Field(0.5, gt=0, le=1)
    """Of each phrasing; the question itself has 1."""


class Paraphrases(Spec):
    """A language model writes the question in other words."""

    kind: Literal["model"] = "model"
    """Tag."""
    count: int = Field(2, ge=1, le=8)
    """Phrasings asked for, each a call of the model."""
    weight: float = Field(0.5, gt=0, le=1)
    """Of each phrasing; the question itself has 1."""
    temperature: float = Field(0.7, gt=0, le=2)
    """Above 0, else all phrasings are one."""
    max_new_tokens: int = Field(64, ge=8)
    """Longest reply, in tokens."""


@dataclasses.dataclass(frozen=True, slots=True)
class Thesaurus:
    """A list of synonyms, made to be looked up in.

    Attributes:
        groups: Words and phrases that mean the same.
        places: The group of each, in lower case.
        longest: Most words of a phrase.
    """

    groups: tuple[tuple[str, ...], ...]
    places: Mapping[str, int]
    longest: int


@functools.lru_cache(maxsize=8)
def read_synonyms(file: str) -> Thesaurus:
    """Read a list of synonyms.

    Args:
        file: One group on each line, parted by commas; lines with # in front are skipped. A word
            of two lines belongs to the first.

    Raises:
        ConfigError: The file cannot be read, or a line has fewer than two.
    """
    try:
        lines = Path(file).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the list of synonyms cannot be read: {error}", where="rag.query.phrasings.file"
        ) from error
    groups: list[tuple[str, ...]] = []
    places: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        group = tuple(" ".join(word.split()) for word in line.split(",") if word.strip())
        if len(group) < 2:
            raise ConfigError(
                f"'{line.strip()[:40]}' is the only word of its line",
                where=f"{file}:{number}",
                mend="Write words that mean the same on one line, parted by commas.",
            )
        for word in group:
            places.setdefault(plain(word), len(groups))
        groups.append(group)
    longest = max((len(word.split()) for word in places), default=0)
    return Thesaurus(tuple(groups), places, longest)


def by_synonyms(question: str, synonyms: Thesaurus) -> list[str]:
    """The question with one listed word exchanged, each way; at most four phrasings."""
    tokens = [found.span() for found in _TOKEN.finditer(question)]
    made: list[str] = []
    for at, (start, _) in enumerate(tokens):
        for count in range(min(synonyms.longest, len(tokens) - at), 0, -1):
            end = tokens[at + count - 1][1]
            word = plain(" ".join(question[start:end].split()))
            if (place := synonyms.places.get(word)) is not None:
                made += [
                    question[:start] + other + question[end:]
                    for other in synonyms.groups[place]
                    if plain(other) != word
                ]
                break
        if len(made) >= _MOST_PHRASINGS:
            break
    return list(dict.fromkeys(made))[:_MOST_PHRASINGS]


def by_model(question: str, spec: Paraphrases, model: Generate, language: Language) -> list[Told]:
    """What a language model says instead, each reply checked or with its problem."""
    return [
        one_line(
            tell(
                model,
                _PROMPT.format(question=question),
                max_new_tokens=spec.max_new_tokens,
                temperature=spec.temperature,
                seed=seed,
            ),
            about=question,
            most_characters=2 * len(question) + 100,
            language=language,
        )
        for seed in range(spec.count)
    ]
