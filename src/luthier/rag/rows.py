"""Documents as rows of an index: cut into passages, embedded, and counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from luthier.core.errors import DataError, ResourceError
from luthier.core.ledger import Ledger
from luthier.core.progress import Progress, Quiet
from luthier.core.records import Document, Passage
from luthier.core.spec import digest_of
from luthier.data.batches import Embedded, map_batches
from luthier.models.embed import Worker, embed_resumably
from luthier.models.encode import Encodes, Vectors
from luthier.rag.chunk import chunk
from luthier.rag.spec import RagSpec, index_settings
from luthier.rag.sync import Made

_LARGE_CHARS = 5_000_000  # cutting takes seconds from here on


def passages_of(
    spec: RagSpec,
    documents: Sequence[Document],
    encoder: Encodes,
    ledger: Ledger,
    progress: Progress,
) -> list[Passage]:
    """All passages of some documents, in their order.

    Args:
        spec: How they are cut.
        documents: Those without text stand in the ledger and have none.
        encoder: Says how much it reads at once; a title takes room, but never more than half.
        ledger: Where refused documents are written.
        progress: Shows a bar.
    """
    readable = encoder.max_tokens - encoder.special_tokens
    made: list[Passage] = []
    with progress.task("cutting passages", len(documents)) as task:
        for one in documents:
            if len(one.text) > _LARGE_CHARS:
                task.advance(0, f"{one.origin} has {len(one.text) / 1e6:.0f} million characters")
            title = len(encoder.token_offsets(one.title))
            room = max(readable - title, readable // 2)
            pieces = chunk(one, spec.chunker, encoder.token_offsets, room, encoder.encode)
            if not pieces:
                ledger.refuse("empty document", one.origin, one.id)
            made += pieces
            task.advance()
    return made


def shortened(passages: Sequence[Passage], encoder: Encodes) -> int:
    """How many passages are, with their titles, longer than the encoder reads."""
    readable = encoder.max_tokens - encoder.special_tokens
    suspects = (p for p in passages if len(p.title) + len(p.text) > readable)  # a token has a sign
    return sum(len(encoder.token_offsets(encoded_text(p))) > readable for p in suspects)


def encoded_text(passage: Passage) -> str:
    """What the encoder reads of a passage."""
    return f"{passage.title}\n{passage.text}"


class PassageWorker:
    """Encodes passages; picklable, so that other processes open the encoder themselves.

    Args:
        worker: Encodes texts.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    def __call__(self, passages: Sequence[Passage]) -> Vectors:
        """Vectors of some passages."""
        return self.worker([encoded_text(p) for p in passages])


def embedder(spec: RagSpec, encoder: Encodes) -> Callable[[Sequence[Passage]], Vectors]:
    """What encodes passages where ``embed_on`` says."""
    if not isinstance(spec.embed_on, Embedded):
        return PassageWorker(Worker(spec.encoder))
    return lambda passages: encoder.encode([encoded_text(p) for p in passages])


def shared(spec: RagSpec) -> Callable[[Callable[[Any], Vectors], Iterable[Any]], Iterable[Vectors]]:
    """``map``, or what does the same on the workers that ``embed_on`` names, in order."""
    if isinstance(spec.embed_on, Embedded):
        return map

    def share(function: Callable[[Any], Vectors], parts: Iterable[Any]) -> Iterable[Vectors]:
        try:
            yield from map_batches(function, parts, runner=spec.embed_on, progress=Quiet())
        except ResourceError as error:
            error.where = error.where.replace("data.runner", "rag.embed_on")
            raise

    return share


def embed(
    spec: RagSpec, passages: Sequence[Passage], encoder: Encodes, draft: Path, progress: Progress
) -> Vectors:
    """A vector for each passage; what a killed call computed is not computed again.

    Args:
        spec: Says where, by ``embed_on``.
        passages: What to embed.
        encoder: By what.
        draft: A folder for what is done; the caller removes it in the end.
        progress: Shows a bar.
    """
    texts = [encoded_text(p) for p in passages]
    with progress.task("embedding passages", len(texts)) as task:
        worker = None if isinstance(spec.embed_on, Embedded) else Worker(spec.encoder)
        return embed_resumably(
            texts, encoder, draft, advance=task.advance, worker=worker, share=shared(spec)
        )


def made_with(spec: RagSpec, encoder: Encodes) -> Made:
    """The settings that decide an index's rows, as digests."""
    settings = index_settings(spec)
    vectors = settings.pop("vectors")
    return Made(digest_of(settings), encoder.digest if vectors else "")


def check_ids(documents: Sequence[Document]) -> None:
    """Refuse documents that cannot be told apart.

    Raises:
        DataError: There are none, or two have one id.
    """
    if not documents:
        raise DataError("there are no documents to index", mend="Check the sources under data.")
    seen: dict[str, Document] = {}
    for one in documents:
        if (first := seen.setdefault(one.id, one)) is not one:
            raise DataError(
                f"two documents have the id '{one.id}' (the other is from {first.origin})",
                where=one.origin,
            )
