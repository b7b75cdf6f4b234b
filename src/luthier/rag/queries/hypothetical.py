"""Search with answers that a model makes up: they look more like passages than questions do.

HyDE (Gao et al. 2023, "Precise zero-shot dense retrieval without relevance labels"): the vector of
a question is the mean of its own and those of the answers. What the answers claim may be false; it
only says where to look, and never stands in a prompt or an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from pydantic import Field

from luthier.core.spec import Spec
from luthier.models.generate import Generate
from luthier.rag.queries._model import Told, on_topic, tell
from luthier.rag.queries.language import Language

Vectors = npt.NDArray[np.float32]

_PROMPT = "Write a short passage that answers the question.\n\nQuestion: {question}\n\nPassage:"


class HypotheticalSpec(Spec):
    """How answers are made up."""

    answers: int = Field(2, ge=1, le=16)
    """How many, each a call of the model."""
    max_new_tokens: int = Field(96, ge=16)
    """Longest answer, in tokens."""
    temperature: float = Field(0.7, gt=0, le=2)
    """Above 0, else all answers are one."""


def make_up(
    question: str, spec: HypotheticalSpec, model: Generate, language: Language
) -> list[Told]:
    """Answers to a question, or why there are none; each must share a word of content with it."""
    prompt = _PROMPT.format(question=question)
    told = [
        tell(
            model,
            prompt,
            max_new_tokens=spec.max_new_tokens,
            temperature=spec.temperature,
            seed=seed,
        )
        for seed in range(spec.answers)
    ]
    return [on_topic(one, about=question, language=language) for one in told]


def towards(
    vector: npt.NDArray[np.float32],
    answers: Sequence[str],
    encode: Callable[[Sequence[str]], Vectors],
) -> npt.NDArray[np.float32]:
    """The mean of a question's vector and its answers', of length 1.

    Args:
        vector: Of the question, float32 [dimension].
        answers: Made up; at least one.
        encode: As passages are encoded; float32 [texts, dimension].
    """
    return unit(np.vstack([vector[None], encode(answers)]).mean(axis=0))


def unit(vector: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """A vector brought to length 1, along its last axis; a vector of zeros stays."""
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    return (vector / np.where(length == 0, 1, length)).astype(np.float32)
