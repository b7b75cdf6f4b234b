"""The living index of a project: made, brought up to date and asked by ``luthier rag``.

It lies in the store at ``index/<project>`` and is no artifact: it changes in place, by versions,
while a bundle holds an index of its own that never does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from luthier.core.errors import ConfigError, DataError
from luthier.core.records import Example, Side
from luthier.stages.work import Work

if TYPE_CHECKING:
    from luthier.rag.health import Health
    from luthier.rag.index import Index
    from luthier.rag.measure import Sought
    from luthier.rag.spec import RagSpec
    from luthier.rag.stores.store import PassageStore
    from luthier.rag.sync import Look, Synced

FOLDER = "index"


def folder_of(work: Work) -> Path:
    """Where the project's living index is, or would be."""
    return work.store.root / FOLDER / work.project.name


def settings(work: Work) -> RagSpec:
    """The settings of retrieval.

    Raises:
        ConfigError: The project has none.
    """
    spec = work.rag
    if spec is None:
        raise ConfigError(
            "this project retrieves nothing", where="rag", mend="Add a section `rag: {}`."
        )
    return spec


def sync(work: Work, *, most_gone: float) -> Synced:
    """Bring the index up to date with the project's documents; see `luthier.rag.live.sync`."""
    from luthier.rag import live

    spec, folder = settings(work), folder_of(work)
    return live.sync(spec, work.documents(), folder, work.progress, most_gone=most_gone)


def look(work: Work) -> Look:
    """What `sync` would do."""
    from luthier.rag import live

    return live.look(settings(work), work.documents(), folder_of(work))


def health(work: Work) -> Health:
    """How the index fares, held against the project's documents."""
    from luthier.rag import live

    return live.health(settings(work), work.documents(), folder_of(work))


def store_of(work: Work) -> PassageStore:
    """Where the index keeps its passages."""
    from luthier.rag.index import STORE
    from luthier.rag.stores.open import open_store

    return open_store(settings(work).store, folder_of(work) / STORE)


def optimize(work: Work) -> Mapping[str, Any]:
    """Put the store in order, and choose how its vectors are searched by the recall it measures."""
    from luthier.rag.stores.recall import index_vectors

    store = store_of(work)
    store.optimize()
    return index_vectors(store)


def open_living(work: Work) -> Index:
    """The index, opened for searching.

    Raises:
        StoreError: It was never made, or cannot be read.
    """
    from luthier.rag.index import open_index

    return open_index(folder_of(work), settings(work))


def sought(work: Work, side: Side) -> list[Sought]:
    """The questions of a side whose answers stand in a document.

    Raises:
        DataError: There are none.
    """
    made = as_sought(work.examples(side))
    if not made:
        raise DataError(
            f"no question of the {side} side says in which document its answer stands",
            mend="Measure with questions made from the corpus: --made 200.",
        )
    return made


def access(work: Work) -> dict[str, tuple[str, ...]]:
    """The access list of each document."""
    return {one.id: one.access for one in work.documents()}


def as_sought(examples: Sequence[Example]) -> list[Sought]:
    """Those examples whose answer stands in a known document, as measures take them."""
    from luthier.rag.measure import Sought

    return [
        Sought(
            one.id,
            one.question,
            {one.document_id: 1.0},
            one.kind,
            group=one.group,
            answers=(one.answer,),
        )
        for one in examples
        if one.document_id
    ]
