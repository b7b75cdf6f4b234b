"""The ledger: a line for every row refused, changed, truncated or masked, with the reason.

Rows in = rows out + rows in the ledger; a stage fails when the ledger passes its limit.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from luthier.core.errors import LeakageError
from luthier.core.records import read_table, write_table

Action = Literal["refused", "changed"]
FILE_NAME = "ledger.parquet"


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One refused or changed row.

    Attributes:
        action: ``refused`` rows are not in the output; ``changed`` ones are.
        reason: A short fixed phrase, counted in reports (``empty answer``).
        origin: Where the row came from.
        detail: What was seen there (the offending text, shortened).
    """

    action: Action
    reason: str
    origin: str
    detail: str = ""


class Ledger:
    """Collects entries while a stage runs."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def refuse(self, reason: str, origin: str, detail: str = "") -> None:
        """Note that a row is left out."""
        self.entries.append(Entry("refused", reason, origin, detail[:200]))

    def change(self, reason: str, origin: str, detail: str = "") -> None:
        """Note that a row goes on, but not as it came."""
        self.entries.append(Entry("changed", reason, origin, detail[:200]))

    @property
    def refused(self) -> int:
        """How many rows were left out."""
        return sum(e.action == "refused" for e in self.entries)

    def reasons(self, action: Action = "refused") -> dict[str, int]:
        """Counts by reason, most frequent first."""
        return dict(Counter(e.reason for e in self.entries if e.action == action).most_common())

    def check(self, *, rows_in: int, rows_out: int, limit: float, stage: str) -> None:
        """Hold the books against the rows.

        Args:
            rows_in: Rows the stage was given.
            rows_out: Rows it passed on.
            limit: Largest share of refused rows, 0 to 1, that is not an error.
            stage: Named in messages.

        Raises:
            LeakageError: More rows were refused than the limit allows.
            AssertionError: Rows vanished without a line: a defect of Luthier.
        """
        first = next((e.origin for e in self.entries if e.action == "refused"), "")
        balance(
            rows_in, rows_out, self.refused, self.reasons(), first=first, limit=limit, stage=stage
        )

    def write(self, folder: Path) -> None:
        """Write ``ledger.parquet`` into a stage's folder."""
        write_table(folder / FILE_NAME, self.entries, Entry)


def read_ledger(folder: Path) -> Ledger:
    """Read a stage's ledger back."""
    ledger = Ledger()
    ledger.entries = read_table(folder / FILE_NAME, Entry)
    return ledger


def balance(
    rows_in: int,
    rows_out: int,
    refused: int,
    reasons: Mapping[str, int],
    *,
    first: str,
    limit: float,
    stage: str,
) -> None:
    """Hold a stage's books against its rows.

    Args:
        rows_in: Rows the stage was given.
        rows_out: Rows it passed on.
        refused: Rows it left out.
        reasons: Why, with counts.
        first: Origin of the first refused row.
        limit: Largest share of refused rows, 0 to 1, that is not an error.
        stage: Named in messages.

    Raises:
        LeakageError: More rows were refused than the limit allows.
        AssertionError: Rows vanished without a line: a defect of Luthier.
    """
    if rows_in != rows_out + refused:
        raise AssertionError(f"{stage}: {rows_in} rows in, {rows_out} out, {refused} in the ledger")
    if rows_in and refused / rows_in > limit:
        worst = ", ".join(f"{n} x {reason}" for reason, n in reasons.items())
        raise LeakageError(
            f"{stage} refused {refused} of {rows_in} rows, more than the limit of {limit:.0%} "
            f"({worst})",
            where=first,
            mend="Mend the rows, or raise the limit in the project file.",
        )
