"""Who may see what a source yields, when it was last changed, and what else is known of it.

Closed by default: where a source names the column of the access lists, a row without a list is seen
by nobody, and the ledger says so.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import email.utils
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, TypeVar

from pydantic import Field, model_validator

from luthier.core.ledger import Ledger
from luthier.core.records import EVERYONE, Document, Example
from luthier.core.spec import Spec
from luthier.data.sources._plain import as_text, plain

Told = TypeVar("Told", bound=Document | Example)

NO_LIST = "no access list, so nobody sees it"
NO_TIME = "no readable time of change"
_MILLISECONDS = 1e11  # larger numbers are no seconds: they would lie after the year 5000


class Guarded(Spec):
    """What every source can be told of who may see its documents."""

    access: tuple[str, ...] = Field(default=(EVERYONE,), min_length=1)
    """Users and groups that may see what comes from here; ``everyone`` for all."""

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if not all(name.strip() for name in self.access):
            raise ValueError("`access` holds an empty name")
        return self


class Described(Guarded):
    """What a source can be told of columns, keys or front matter that say more of a document."""

    access_field: str | None = Field(default=None, min_length=1)
    """Column, key or front matter that holds each document's own list: a list, or names separated
    by commas. What lacks one is seen by nobody, and stands in the ledger."""
    modified_field: str | None = Field(default=None, min_length=1)
    """Column, key or front matter that says when a document was last changed: a date, or seconds
    since 1970. Times without a zone are UTC."""
    meta_fields: tuple[str, ...] = ()
    """Columns, keys or front matter that are kept with each document, for filters."""

    @model_validator(mode="after")
    def _one_list(self) -> Self:
        if self.access_field is not None and self.access != (EVERYONE,):
            raise ValueError("`access` and `access_field` exclude each other")
        return self

    @property
    def told_by(self) -> tuple[str, ...]:
        """All columns, keys or front matter that are named."""
        named = (self.access_field, self.modified_field, *self.meta_fields)
        return tuple(dict.fromkeys(name for name in named if name is not None))


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a document besides its text; see `Document`."""

    access: tuple[str, ...] = (EVERYONE,)
    modified_s: float = 0.0
    meta: Mapping[str, str] = dataclasses.field(default_factory=dict)


def facts_of(values: Mapping[str, Any], source: Described, origin: str, ledger: Ledger) -> Facts:
    """What the named columns of a row, or the front matter of a file, say.

    Args:
        values: The row or front matter.
        source: The settings.
        origin: Where it stands.
        ledger: Gets a line for each row that nobody sees and each time that cannot be read.
    """
    access = tuple(dict.fromkeys(source.access))
    if source.access_field is not None:
        access = names_in(values.get(source.access_field))
        if not access:
            ledger.change(NO_LIST, origin, source.access_field)
    modified_s = 0.0
    if source.modified_field is not None:
        told = values.get(source.modified_field)
        read = seconds_in(told)
        if read is None:
            ledger.change(NO_TIME, origin, f"{source.modified_field}: {told}")
        modified_s = read or 0.0
    meta = {name: told for name in source.meta_fields if (told := _text(values.get(name)))}
    return Facts(access, modified_s, meta)


def with_facts(record: Told, facts: Facts) -> Told:
    """A record with what is known of it; a row that not all may see is a closed one."""
    changes: dict[str, Any]
    if isinstance(record, Example):
        closed = EVERYONE not in facts.access
        changes = {"closed": True} if closed else {}
    else:
        changes = {
            "access": facts.access,
            "modified_s": facts.modified_s or record.modified_s,
            "meta": {**record.meta, **facts.meta},
        }
    return dataclasses.replace(record, **changes) if changes else record


def guarded(records: Iterable[Told], source: Guarded) -> Iterator[Told]:
    """The records of a source that has one list for all."""
    if source.access == (EVERYONE,):
        yield from records
        return
    facts = Facts(tuple(dict.fromkeys(source.access)))
    for record in records:
        yield with_facts(record, facts)


def names_in(value: Any) -> tuple[str, ...]:
    """The names of users and groups in a value; none if it is no list of names.

    Args:
        value: A list of texts or whole numbers; a text with names separated by commas, or that
            is such a list in JSON.
    """
    if isinstance(value, str):
        if value.lstrip().startswith("["):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                return ()
        else:
            value = value.split(",")
    elif isinstance(value, int) and not isinstance(value, bool):
        value = [value]
    if not isinstance(value, list | tuple | set | frozenset):
        return ()
    if not all(isinstance(n, str | int) and not isinstance(n, bool) for n in value):
        return ()
    return tuple(dict.fromkeys(name for n in value if (name := str(n).strip())))


def seconds_in(value: Any) -> float | None:
    """Seconds since 1970 of a time; None if it is none.

    Args:
        value: A date or time as Python has it, as ISO 8601 or as e-mail writes it, or a number of
            seconds or milliseconds since 1970.
    """
    try:
        if isinstance(value, bool) or value is None:
            return None
        if isinstance(value, int | float):
            return _seconds(float(value))
        if isinstance(value, dt.datetime):
            return _in_utc(value).timestamp()
        if isinstance(value, dt.date):
            return dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC).timestamp()
        if isinstance(value, str):
            return _written(value.strip())
    except (ValueError, OverflowError, OSError):
        return None
    return None


def _written(text: str) -> float | None:
    try:
        return _seconds(float(text))
    except ValueError:
        pass
    try:
        return _in_utc(dt.datetime.fromisoformat(text)).timestamp()
    except ValueError:
        return _in_utc(email.utils.parsedate_to_datetime(text)).timestamp()


def _seconds(number: float) -> float | None:
    if not math.isfinite(number) or number <= 0:
        return None
    return number / 1000 if number > _MILLISECONDS else number


def _in_utc(time: dt.datetime) -> dt.datetime:
    return time if time.tzinfo is not None else time.replace(tzinfo=dt.UTC)


def _text(value: Any) -> str:
    """A value as metadata; "" for nothing."""
    return (as_text(plain(value)) or "").strip()
