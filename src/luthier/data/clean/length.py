"""The length rule: how short and how long a text may be, in characters, words or tokens."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from luthier.core.spec import Spec
from luthier.data.clean.facts import Facts, Rows, Verdict


class LengthSpec(Spec):
    """Limits of length; null is no limit. All limits that are set must hold."""

    judges: Rows = "all"
    """Which rows are judged: ``all``, ``documents`` or ``rows``."""
    min_chars: int | None = Field(default=None, ge=1)
    """Fewest characters."""
    max_chars: int | None = Field(default=None, ge=1)
    """Most characters."""
    min_words: int | None = Field(default=None, ge=1)
    """Fewest words (what stands between white space)."""
    max_words: int | None = Field(default=None, ge=1)
    """Most words."""
    min_tokens: int | None = Field(default=None, ge=1)
    """Fewest tokens; needs ``tokenizer``."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Most tokens; needs ``tokenizer``."""
    tokenizer: str | None = None
    """A model's folder whose tokenizer counts, relative to the project file."""

    @model_validator(mode="after")
    def _counts_tokens(self) -> LengthSpec:
        if (self.min_tokens or self.max_tokens) and self.tokenizer is None:
            raise ValueError("`min_tokens` and `max_tokens` need `tokenizer`: a model's folder")
        return self


def check_length(facts: Facts, spec: LengthSpec) -> Verdict:
    """Whether a text's length lies within the limits.

    Args:
        facts: The text.
        spec: Limits; ``tokenizer`` an absolute path.

    Raises:
        ModelError: The tokenizer cannot be loaded.
    """
    verdict = _within(len(facts.text), spec.min_chars, spec.max_chars, "characters")
    verdict = verdict or _within(len(facts.words), spec.min_words, spec.max_words, "words")
    if verdict is None and spec.tokenizer and (spec.min_tokens or spec.max_tokens):
        tokens = len(_tokenizer(spec.tokenizer).encode(facts.text, add_special_tokens=False))
        verdict = _within(tokens, spec.min_tokens, spec.max_tokens, "tokens")
    return verdict


def _within(count: int, least: int | None, most: int | None, unit: str) -> Verdict:
    if least is not None and count < least:
        return f"too few {unit}", str(count)
    return (f"too many {unit}", str(count)) if most is not None and count > most else None


@functools.cache
def _tokenizer(folder: str) -> Any:
    from luthier.models.load import load_tokenizer

    return load_tokenizer(Path(folder))
