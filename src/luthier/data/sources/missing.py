"""Missing values: what counts as one, and what is done about it, column by column.

The four policies are those of the data-preparation literature (deletion, constant and mode
imputation, indicator variable: Little and Rubin, Statistical Analysis with Missing Data, 3rd
edition, chapters 3 and 4). Each gap that is filled leaves a line in the ledger.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, assert_never

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.data.sources.raw import (
    ConstantMissing,
    DropMissing,
    FlagMissing,
    MostFrequentMissing,
    Raw,
    RowSource,
)

Read = Callable[[Ledger], Iterable[Raw]]


def is_missing(value: Any, markers: Iterable[str]) -> bool:
    """Whether a value is null, not a number, an empty or blank text, or one of the markers.

    Args:
        value: The value.
        markers: Texts that count as missing, compared without white space around them.
    """
    if value is None:
        return True
    if isinstance(value, float):
        return math.isnan(value)
    if isinstance(value, str):
        bare = value.strip()
        return not bare or bare in markers
    return False


def fill(read: Read, source: RowSource, ledger: Ledger) -> Iterator[Raw]:
    """Apply the policies of ``source.missing`` to all rows.

    Args:
        read: Reads the source from its start, with the ledger for rows it refuses. It is called
            twice if a column is filled with its most frequent value, else once.
        source: The policies, and the markers of missing values.
        ledger: Gets a line for each row that is dropped and each value that is filled.

    Yields:
        The rows, in order, without the dropped ones.

    Raises:
        DataError: A column has no value to fill with, or too many; or the column for a flag is
            already there.
    """
    if not source.missing:
        yield from read(ledger)
        return
    favourites = _favourites(read, source)
    for raw in read(ledger):
        values = dict(raw.values)
        filled: list[tuple[str, Any]] = []
        lacking = ""
        for column, policy in source.missing.items():
            gap = is_missing(values.get(column), source.missing_markers)
            if isinstance(policy, FlagMissing):
                _flag(values, column, gap, raw)
            if not gap:
                continue
            if isinstance(policy, DropMissing):
                lacking = column
                break
            values[column] = _filling(policy, favourites.get(column))
            filled.append((column, values[column]))
        if lacking:
            ledger.refuse("missing value", raw.origin, lacking)
            continue
        for column, value in filled:
            ledger.change("missing value filled", raw.origin, f"{column}: {value}")
        yield Raw(values, raw.origin)


def _filling(policy: ConstantMissing | FlagMissing | MostFrequentMissing, favourite: Any) -> Any:
    match policy:
        case ConstantMissing():
            return policy.value
        case FlagMissing():
            return policy.marker
        case MostFrequentMissing():
            return favourite
        case _:
            assert_never(policy)


def _flag(values: dict[str, Any], column: str, gap: bool, raw: Raw) -> None:
    name = f"{column}_missing"
    if name in values:
        raise DataError(
            f"there already is a column named '{name}'",
            where=raw.origin,
            mend=f"Rename it, or choose another policy for '{column}'.",
        )
    values[name] = gap


def _favourites(read: Read, source: RowSource) -> dict[str, Any]:
    """The most frequent value of each column that asks for it."""
    asked = {c: p for c, p in source.missing.items() if isinstance(p, MostFrequentMissing)}
    if not asked:
        return {}
    counts: dict[str, Counter[tuple[type, Any]]] = {column: Counter() for column in asked}
    for raw in read(Ledger()):
        for column, policy in asked.items():
            value = raw.values.get(column)
            if is_missing(value, source.missing_markers):
                continue
            if isinstance(value, str | int | float):
                counts[column][type(value), value] += 1
            if len(counts[column]) > policy.max_values:
                raise DataError(
                    f"column '{column}' holds more than {policy.max_values} different values",
                    where=raw.origin,
                    mend="Fill it with a constant, or raise `max_values`.",
                )
    for column, found in counts.items():
        if not found:
            raise DataError(
                f"column '{column}' holds no value, so none is the most frequent",
                where=f"data.sources: missing.{column}",
                mend="Check the column's name, or fill it with a constant.",
            )
    return {column: max(found, key=found.__getitem__)[1] for column, found in counts.items()}
