"""The routes that are measured and served: a model and what stands around it, or a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, assert_never

from luthier.core.records import Example

if TYPE_CHECKING:
    from luthier.models.generate import Generate
    from luthier.rag.spec import RagSpec

Route = Literal["base", "few-shot", "rag", "fine-tuned", "rag+fine-tuned", "classifier"]


def answerer(
    route: Route,
    model: Generate,
    *,
    shots: Sequence[Example] = (),
    index_folder: Path | None = None,
    rag: RagSpec | None = None,
) -> Generate:
    """Whoever answers for a route.

    Args:
        route: Which.
        model: The base or the tuned model, or the classifier, as the route asks for.
        shots: Worked examples, for ``few-shot``.
        index_folder: A built index, for the routes with ``rag``.
        rag: How it is searched.
    """
    match route:
        case "base" | "fine-tuned" | "classifier":
            return model
        case "few-shot":
            from luthier.evaluate.few_shot import FewShotAnswerer

            return FewShotAnswerer(model, shots)
        case "rag" | "rag+fine-tuned":
            from luthier.rag.answer import RagAnswerer
            from luthier.rag.index import open_index

            if rag is None or index_folder is None:
                raise AssertionError(f"the route {route} retrieves without an index")
            return RagAnswerer(model, open_index(index_folder, rag), rag)
        case never:
            assert_never(never)
