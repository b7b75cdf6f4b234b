"""Whoever answers from documents, put together from the settings and an index."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from luthier.core.columns import to_records
from luthier.core.records import Passage
from luthier.models.generate import Generate
from luthier.rag.abstain import FILE_NAME, Abstention, Calibration
from luthier.rag.access import Slice
from luthier.rag.answer import RagAnswerer, special_tokens
from luthier.rag.audit import Audit
from luthier.rag.calibration import searched_with
from luthier.rag.extract import ExtractiveAnswerer
from luthier.rag.guard import Guard
from luthier.rag.guarding.care import Care
from luthier.rag.guarding.hidden import Fingerprints, fingerprints
from luthier.rag.index import Index, open_index
from luthier.rag.spec import RagSpec


def open_rag(
    model: Generate, folder: Path, spec: RagSpec, audit: Path | None = None
) -> RagAnswerer:
    """A model that answers with passages.

    Args:
        model: Who answers.
        folder: A built or a living index.
        spec: See `RagSpec`.
        audit: The file in which who saw what is logged, if ``spec.audit`` asks for it.

    Raises:
        LuthierError: As `luthier.rag.index.open_index`.
    """
    index = open_index(folder, spec, model)
    care = _care(index, special_tokens(model), audit)
    return RagAnswerer(model, index, spec, augment=spec.prompt, care=care, support=spec.support)


def open_extractive(folder: Path, spec: RagSpec, audit: Path | None = None) -> ExtractiveAnswerer:
    """Answers taken from passages, without a model; see `open_rag`."""
    return extractive(open_index(folder, spec), audit)


def extractive(index: Index, audit: Path | None = None) -> ExtractiveAnswerer:
    """`open_extractive` with an index that is open."""
    return ExtractiveAnswerer(index, index.spec.extract, care=_care(index, frozenset(), audit))


def _care(index: Index, tokens: frozenset[str], audit: Path | None) -> Care:
    spec = index.spec
    guard = None
    if spec.guard is not None:
        guard = Guard(spec.guard, tokens=tokens, hidden=_hidden(index))
    return Care(
        query=index.question if spec.query.fold else Care().query,
        guard=guard,
        abstention=_abstention(index),
        audit=None if spec.audit is None or audit is None else Audit(audit, spec.audit),
    )


def _hidden(index: Index) -> Fingerprints | None:
    """What closed passages look like, so that a model that learned them cannot tell them."""
    legs = index.legs
    if legs.size(Slice()) == legs.count:
        return None
    fields = [field.name for field in dataclasses.fields(Passage)]
    tables = (t.select([f for f in fields if f in t.column_names]) for t in legs.tables())
    return fingerprints(p for table in tables for p in to_records(table, Passage))


def _abstention(index: Index) -> Abstention | None:
    if index.spec.abstain.policy == "off":
        return None
    path = index.folder / FILE_NAME
    made = Calibration.read(path, searched_with(index.spec)) if path.is_file() else None
    return Abstention(index.spec.abstain, made, index_version=index.version)
