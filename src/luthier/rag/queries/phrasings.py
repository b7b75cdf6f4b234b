"""Ask in several phrasings, so that one unlucky word does not decide.

Results of several phrasings joined are better than those of the best single one (Belkin et al.
1995, "Combining the evidence of multiple query representations"; with language models Rackauckas
2024, "RAG-Fusion"). Synonyms come from a list of the user's: what a firm calls its things stands in
no dictionary.
"""

from __future__ import annotations

import functools
import re
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
_MOST_SYNONYMS = 4  # phrasings by synonyms; a question full of listed words would make hundreds


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


@functools.lru_cache(maxsize=8)
def read_synonyms(file: str) -> tuple[tuple[str, ...], ...]:
    """The groups of a list of synonyms.

    Args:
        file: One group on each line, parted by commas; lines with # in front are skipped.

    Raises:
        ConfigError: The file cannot be read, or a line has fewer than two.
    """
    try:
        lines = Path(file).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the list of synonyms cannot be read: {error}", where="rag.query.phrasings.file"
        ) from error
    groups = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        group = tuple(word.strip() for word in line.split(",") if word.strip())
        if len(group) < 2:
            raise ConfigError(
                f"'{line.strip()[:40]}' is the only word of its line",
                where=f"{file}:{number}",
                mend="Write words that mean the same on one line, parted by commas.",
            )
        groups.append(group)
    return tuple(groups)


def by_synonyms(question: str, groups: tuple[tuple[str, ...], ...]) -> list[str]:
    """The question with one listed word exchanged, each way; at most four phrasings."""
    made: list[str] = []
    for group in groups:
        for word in group:
            pattern = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)
            if pattern.search(question):
                made += [
                    pattern.sub(lambda _, other=other: other, question)  # type: ignore[misc]
                    for other in group
                    if plain(other) != plain(word)
                ]
                break
    return list(dict.fromkeys(made))[:_MOST_SYNONYMS]


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
