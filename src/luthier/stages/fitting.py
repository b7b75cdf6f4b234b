"""Ranking fitted on a project's questions: the work behind ``luthier rag fit``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from luthier.core.errors import StoreError
from luthier.stages import living, retrieval
from luthier.stages.work import Work

if TYPE_CHECKING:
    from luthier.rag.fitting import Fitted, Name
    from luthier.rag.measure import Sought
    from luthier.rag.measuring.measured import Compared, Measured
    from luthier.rag.spec import RagSpec

FOLDER = "fitted"
METRIC = "ndcg@10"


def fit(work: Work, questions: Sequence[Sought], said: str, parts: Sequence[Name]) -> Fitted:
    """Fit on questions, and write what helps beside the project file; see `luthier.rag.fitting`.

    Args:
        work: Its living index is searched, by what everyone may see.
        questions: None of the test side.
        said: Which they are, in words.
        parts: What is fitted.

    Raises:
        StoreError: There is no index, or it is searched in its store.
    """
    from luthier.models.embed import open_encoder
    from luthier.rag.fitting import Source, fit as fitted
    from luthier.rag.legs import Legs

    spec, index = living.settings(work), living.open_living(work)
    if not isinstance(index.legs, Legs):
        raise StoreError(
            "an index is fitted while it is held in memory, and this one is searched in its store",
            where="rag.store",
        )
    encoder = None if spec.retriever == "bm25" else open_encoder(spec.encoder)
    source = Source(
        index.legs,
        spec,
        questions,
        None if encoder is None else encoder.encode,
        index.encoder_digest,
        said,
        work.project.seed,
    )
    return fitted(source, work.base / FOLDER, FOLDER, parts)


def locked_texts(work: Work) -> list[str]:
    """The questions of the test side, which nothing is fitted on; none where nothing is split."""
    return [one.question for one in work.examples("test")] if "prepare" in work.made else []


def locked(work: Work, settings: Mapping[str, Any]) -> Compared | None:
    """What was fitted held against what is in use, on the test side.

    Args:
        work: Its living index is searched.
        settings: As `Fitted.settings` has them.

    Returns:
        None where nothing was taken.
    """
    from luthier.rag.measuring.measured import compare
    from luthier.rag.measuring.settings import applied
    from luthier.rag.spec import anchored

    if not settings:
        return None
    asked, base = living.sought(work, "test"), living.settings(work)
    new = anchored(applied(base, settings), work.base)
    first, second = (_measured(work, spec, asked) for spec in (base, new))
    return compare(second, first, [one.group or one.id for one in asked])


def _measured(work: Work, spec: RagSpec, asked: Sequence[Sought]) -> Measured:
    from luthier.rag.index import open_index
    from luthier.rag.measure import measure

    index = open_index(living.folder_of(work), spec)
    index.search(asked[0].text)  # what is loaded at the first question is no latency
    found = measure(
        asked, retrieval.searched(index), living.access(work), depth=100, metrics=(METRIC,)
    )
    return found.measured(METRIC)
