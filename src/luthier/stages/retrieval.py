"""Retrieval tuned, and questions made to measure it: the work behind ``luthier rag tune``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from luthier.core.errors import DataError
from luthier.core.records import Passage
from luthier.core.spec import digest_of
from luthier.stages import living
from luthier.stages.work import Work

if TYPE_CHECKING:
    from luthier.core.ledger import Ledger
    from luthier.core.space import Value
    from luthier.rag.access import Slice
    from luthier.rag.index import Index
    from luthier.rag.measure import Search, Sought
    from luthier.rag.measuring.measured import Bench, Measured, Settings
    from luthier.rag.tuning import Locked, Tuned, TuningSpec

FOLDER = "retrieval"
DEPTH = 100
"""Passages that a measured search is asked for."""


def searched(index: Index) -> Search:
    """An index as what is measured."""

    def search(question: str, part: Slice, depth: int) -> Sequence[Passage]:
        return index.search(question, depth, part)

    return search


def made_questions(work: Work, most: int, ledger: Ledger) -> list[Sought]:
    """Questions made from the project's documents, asked for real."""
    from luthier.rag.questions import MadeSpec, make_questions

    index = living.open_living(work)
    found = make_questions(
        work.documents(),
        MadeSpec(most=most),
        ledger,
        search=searched(index),
        seed=work.project.seed,
    )
    if not found:
        raise DataError(
            f"no fair question can be made of these documents: {ledger.refused} were refused",
            mend="Ask those of the validation side, or index more documents.",
        )
    return [one.sought() for one in found]


def tune(work: Work, spec: TuningSpec) -> Tuned:
    """Search the settings of retrieval on the validation side; see `luthier.rag.tuning.tune`."""
    from luthier.rag import tuning
    from luthier.rag.measuring import settings

    base = living.settings(work)
    now = settings.values(base, spec.space)
    bench = _bench(work, living.sought(work, "validation"), spec)
    return tuning.tune(spec, now, bench, work.progress, settings.steps(base))


def locked(work: Work, spec: TuningSpec, tuned: Tuned) -> Locked:
    """The best held against the present settings on the locked test side, once."""
    from luthier.rag import tuning

    return tuning.report(tuned, spec, _bench(work, living.sought(work, "test"), spec))


def _bench(work: Work, questions: Sequence[Sought], spec: TuningSpec) -> Bench:
    from luthier.rag.index import build, open_index
    from luthier.rag.measure import measure
    from luthier.rag.measuring import settings
    from luthier.rag.measuring.measured import Bench
    from luthier.rag.spec import index_settings, named_files

    base, documents = living.settings(work), work.documents()
    access = {one.id: one.access for one in documents}

    def built(changes: Settings, folder: Path) -> None:
        build(settings.applied(base, changes), documents, folder, work.progress)

    def evaluated(changes: Settings, folder: Path) -> Measured:
        index = open_index(folder, settings.applied(base, changes))
        index.search(questions[0].text)  # what is loaded at the first question is no latency
        depth = max(DEPTH, base.top_k)
        found = measure(questions, searched(index), access, depth=depth, metrics=(spec.metric,))
        return found.measured(spec.metric)

    return Bench(
        evaluate=evaluated,
        folder=work.store.root / FOLDER / work.project.name,
        documents=digest_of([work.texts.name, index_settings(base)]),
        questions=digest_of(sorted(one.id for one in questions)),
        build=built,
        index_settings=settings.index_names(spec.space),
        groups=[one.group or one.id for one in questions],
        rest=digest_of([base, named_files(base)]),
    )


def tuning_spec(work: Work, trials: int | None, latency_limit_ms: float | None) -> TuningSpec:
    """The project's ``rag.tune``, or the usual search, with what a command overrides."""
    from luthier.rag.measuring.settings import default_space
    from luthier.rag.tuning import TuningSpec

    base = living.settings(work)
    spec = base.tune or TuningSpec(space=default_space(base), seed=work.project.seed)
    changes: dict[str, Value] = {}
    if trials is not None:
        changes["trials"] = trials
    if latency_limit_ms is not None:
        changes["latency_limit_ms"] = latency_limit_ms
    return spec.model_copy(update=changes)
