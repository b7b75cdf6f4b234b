"""Rows known by what a column of theirs says, not by the line they stand on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from luthier.core.errors import DataError
from luthier.core.records import Document, Example
from luthier.data.sources._turns import UnfitError, optional
from luthier.data.sources.raw import Raw

Record = TypeVar("Record", bound=Document | Example)


def placed(raw: Raw, field: str, taken: dict[str, str]) -> tuple[Raw, str]:
    """A row whose origin tells its id in place of its line, and the id.

    Args:
        raw: The row; an export of Label Studio may have the id under ``data``.
        field: Where the id stands.
        taken: Origins by id of the rows before; grows.

    Returns:
        The row as ``faq.csv#4711``, and ``4711``.

    Raises:
        UnfitError: It has no id.
        DataError: A row before has the same one.
    """
    inner = raw.values.get("data")
    values = {**inner, **raw.values} if isinstance(inner, Mapping) else raw.values
    told = optional(values, field)
    if not told:
        raise UnfitError("row without an id", field)
    if told in taken:
        raise DataError(
            f"two rows have the id '{told}': {taken[told]} and {raw.origin}",
            where=f"data.sources: id_field {field}",
            mend="Name a column under `id_field` whose values differ, or take one row out.",
        )
    taken[told] = raw.origin
    return Raw(raw.values, f"{raw.origin.rpartition(':')[0]}#{told}"), told


def named(found: Iterable[Record], origin: str, told: str) -> Iterator[Record]:
    """What a row holds, with its id where the origin stood: in names and groups.

    Args:
        found: What was made of the row.
        origin: The row's, as `placed` gives it.
        told: Its id.
    """

    def short(name: str) -> str:
        return told + name.removeprefix(origin) if name.startswith(origin) else name

    for record in found:
        more: dict[str, Any] = (
            {"document_id": short(record.document_id)} if isinstance(record, Example) else {}
        )
        yield dataclasses.replace(record, id=short(record.id), group=short(record.group), **more)
