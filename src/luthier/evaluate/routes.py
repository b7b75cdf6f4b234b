"""The routes that are measured and served: a model and what stands around it, or a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, assert_never

from luthier.core.records import Example

if TYPE_CHECKING:
    from luthier.models.generate import Generate
    from luthier.rag.spec import RagSpec

Route = Literal[
    "base", "few-shot", "rag", "fine-tuned", "rag+fine-tuned", "classifier", "extractive"
]
RETRIEVE: tuple[Route, ...] = ("rag", "rag+fine-tuned", "extractive")
"""Routes that look into an index."""


def answerer(
    route: Route,
    model: Generate | None,
    *,
    shots: Sequence[Example] = (),
    index_folder: Path | None = None,
    rag: RagSpec | None = None,
    audit: Path | None = None,
) -> Generate:
    """Whoever answers for a route.

    Args:
        route: Which.
        model: The base or the tuned model, or the classifier, as the route asks for; None for the
            route ``extractive``, which asks none.
        shots: Worked examples, for ``few-shot``.
        index_folder: A built index, for the routes with ``rag``.
        rag: How it is searched.
        audit: The file in which who saw what is logged, if ``rag.audit`` asks for it.
    """
    if route in RETRIEVE and (rag is None or index_folder is None):
        raise AssertionError(f"the route {route} retrieves without an index")
    if route == "extractive":
        from luthier.rag.routes import open_extractive

        assert rag is not None
        assert index_folder is not None
        return open_extractive(index_folder, rag, audit)
    if model is None:
        raise AssertionError(f"the route {route} asks a model")
    match route:
        case "base" | "fine-tuned" | "classifier":
            return model
        case "few-shot":
            from luthier.evaluate.few_shot import FewShotAnswerer

            return FewShotAnswerer(model, shots)
        case "rag" | "rag+fine-tuned":
            from luthier.rag.routes import open_rag

            assert rag is not None
            assert index_folder is not None
            return open_rag(model, index_folder, rag, audit)
        case never:
            assert_never(never)
