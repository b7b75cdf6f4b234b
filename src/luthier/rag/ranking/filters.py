"""Filters that a user writes, as a slice of the index."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence

from luthier.core.errors import ConfigError
from luthier.rag.access import Slice, Viewer


def filtered(who: Viewer, filters: Sequence[str]) -> Slice:
    """The slice of ``key=value`` filters.

    One key given twice means either value; several keys must all fit. ``kind``, ``document`` and
    ``since`` (a day, 2026-01-31, UTC) are the passage's own, any other key is one of its metadata;
    ``meta.kind=...`` asks for metadata of those names.

    Args:
        who: Who asks; no filter widens what a viewer may see.
        filters: As written.

    Raises:
        ConfigError: A filter lacks its key or value, or the day is none.
    """
    where: dict[str, list[str]] = {}
    part = Slice(who)
    for text in filters:
        key, sign, value = (piece.strip() for piece in text.partition("="))
        if not (key and sign and value):
            raise ConfigError(
                f"the filter '{text}' is not of the form key=value",
                mend="Write it as in kind=table, or topic=refunds.",
            )
        match key:
            case "kind":
                part = dataclasses.replace(part, kinds=(*part.kinds, value))
            case "document":
                part = dataclasses.replace(part, documents=(*part.documents, value))
            case "since":
                part = dataclasses.replace(part, since_s=max(part.since_s, _day(text, value)))
            case _:
                where.setdefault(key.removeprefix("meta."), []).append(value)
    return dataclasses.replace(
        part, where={key: tuple(dict.fromkeys(v)) for key, v in where.items()}
    )


def _day(text: str, value: str) -> float:
    try:
        day = dt.date.fromisoformat(value)
    except ValueError:
        raise ConfigError(
            f"the filter '{text}' names no day", mend="Write the day as in since=2026-01-31."
        ) from None
    return dt.datetime.combine(day, dt.time(), dt.UTC).timestamp()
