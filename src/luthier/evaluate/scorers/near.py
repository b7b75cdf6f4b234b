"""How near an answer's meaning is to the reference's, by a sentence encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Encode = Callable[[Sequence[str]], npt.NDArray[np.float32]]
"""Vectors of length 1 of some texts."""


def similarity(
    said: Sequence[str], references: Sequence[Sequence[str]], encode: Encode
) -> list[float]:
    """Cosine of answer and nearest reference, 0 where it is below.

    An empty answer has 0. A sentence that denies the reference may be very near to it.

    Args:
        said: Answers.
        references: Of each answer, at least one.
        encode: A sentence encoder.
    """
    texts = list(dict.fromkeys([*said, *(r for own in references for r in own)]))
    vectors = np.asarray(encode(texts), dtype=np.float64)
    place = {text: i for i, text in enumerate(texts)}
    return [
        max(0.0, *(float(vectors[place[one]] @ vectors[place[r]]) for r in own))
        if one.strip()
        else 0.0
        for one, own in zip(said, references, strict=True)
    ]
