"""Settings of retrieval: how documents are indexed, and how passages are found and shown."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from luthier.core.spec import Spec


class RagSpec(Spec):
    """How documents are indexed and passages found."""

    chunk_size: int = Field(160, ge=16, le=2048)
    """Most tokens of a passage, as the encoder counts them; less where the encoder reads less."""
    chunk_overlap: int = Field(32, ge=0)
    """Tokens that a passage may repeat of the one before it; less than half of chunk_size."""
    retriever: Literal["hybrid", "bm25", "dense"] = "hybrid"
    """By words (bm25), by meaning (dense), or by both and by the titles a question names."""
    top_k: int = Field(3, ge=1, le=100)
    """Passages found for a question."""
    dense_weight: float = Field(0.5, ge=0.0, le=1.0)
    """Share of meaning against words in hybrid retrieval."""
    title_weight: float = Field(0.5, ge=0.0, le=10.0)
    """What a title named in the question adds in hybrid retrieval; words and meaning make 1."""
    encoder: str = "minilm"
    """'minilm', or the folder of a sentence-transformers model."""
    context_tokens: int = Field(400, ge=16)
    """Most tokens of passages in a prompt, as the answering model counts them."""

    @model_validator(mode="after")
    def _overlap_is_small(self) -> Self:
        if self.chunk_overlap * 2 >= self.chunk_size:
            raise ValueError(
                f"chunk_overlap {self.chunk_overlap} must be less than half of chunk_size "
                f"{self.chunk_size}"
            )
        return self


def index_settings(spec: RagSpec) -> dict[str, Any]:
    """The settings that decide what `build` writes; the others only decide how it is searched."""
    return {
        "chunk_size": spec.chunk_size,
        "chunk_overlap": spec.chunk_overlap,
        "encoder": spec.encoder,
        "vectors": spec.retriever != "bm25",
    }
