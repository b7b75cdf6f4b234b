"""What reads the best passages again with the question, built from settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from luthier.core.errors import ConfigError
from luthier.rag.ranking.nearest_sentence import Encode, NearestSentence

SENTENCES = "sentences"
"""The reranker that needs no folder: `luthier.rag.ranking.nearest_sentence`."""


def reader(
    folder: str, rerank_top: int, encode: Encode | None = None, **how: Any
) -> Callable[[str, Sequence[str]], Any] | None:
    """What `luthier.rag.rank.rank` takes as ``score``.

    Args:
        folder: Of a cross-encoder, such as `tune` writes with the objective ``reranker``; or
            `SENTENCES`.
        rerank_top: Passages that it reads; with 0 none is loaded.
        encode: The index's encoder, for `SENTENCES`.
        **how: As `luthier.models.cross_encoder.load_cross_encoder` takes it.

    Returns:
        None where nothing is to be reranked.

    Raises:
        ConfigError: Passages are to be reranked, but no folder is named; or their sentences are to
            be compared, but the index has no vectors.
        ModelError: The folder holds no cross-encoder.
    """
    if not rerank_top:
        return None
    if not folder:
        raise ConfigError(
            f"{rerank_top} passages are to be reranked, but no reranker is named",
            where="rag.ranking.rerank_top",
            mend="Take `reranker: sentences`, or a cross-encoder's folder, or set rerank_top to 0.",
        )
    if folder == SENTENCES:
        if encode is None:
            raise ConfigError(
                "sentences are compared by their vectors, and this search has none",
                where="rag.ranking.reranker",
                mend="Use the retriever hybrid or dense, or a cross-encoder's folder.",
            )
        return NearestSentence(encode)
    from luthier.models.cross_encoder import load_cross_encoder

    return load_cross_encoder(Path(folder), **how).score
