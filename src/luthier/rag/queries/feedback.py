"""Move a question's vector towards the passages it finds first.

Rocchio 1971, "Relevance feedback in information retrieval", with the first passages taken for
relevant; on dense vectors Li et al. 2023, "Pseudo relevance feedback with deep language models and
dense retrievers". It helps where the first passages are right and harms where they are wrong.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import Field

from luthier.core.spec import Spec
from luthier.rag.queries.hypothetical import unit


class FeedbackSpec(Spec):
    """How far the first passages pull a question."""

    passages: int = Field(1, ge=1, le=50)
    """First passages that are taken for relevant."""
    alpha: float = Field(1.0, gt=0)
    """Weight of the question itself."""
    beta: float = Field(0.1, gt=0)
    """Weight of the passages' mean."""


def rocchio(
    vector: npt.NDArray[np.float32],
    passages: npt.NDArray[np.float32],
    *,
    alpha: float,
    beta: float,
) -> npt.NDArray[np.float32]:
    """``alpha`` times a question's vector plus ``beta`` times the passages' mean, of length 1.

    Args:
        vector: Of the question, float32 [dimension].
        passages: Vectors of the passages it found, float32 [passages, dimension]; they must come
            from what the viewer may see, else their contents would shine through the ranking.
        alpha: Weight of the question.
        beta: Weight of the passages.

    Returns:
        float32 [dimension]; the question's own vector if it found nothing.
    """
    if not len(passages):
        return vector
    return unit(alpha * vector + beta * passages.mean(axis=0))
