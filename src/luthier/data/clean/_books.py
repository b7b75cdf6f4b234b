"""The books of a stage that does not fit in memory: ledger lines go to disk as they come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from luthier.core.ledger import FILE_NAME, Action, Entry, balance
from luthier.core.records import TableWriter


class Books:
    """Writes a ledger batch by batch and keeps only its counts. Use it as a context manager.

    Args:
        folder: The stage's folder; ``ledger.parquet`` in it is whole when the block ends.
    """

    def __init__(self, folder: Path) -> None:
        self.counts: dict[Action, Counter[str]] = {"refused": Counter(), "changed": Counter()}
        self._first: dict[str, str] = {}
        self._writer = TableWriter(folder / FILE_NAME, Entry)

    def add(self, entries: Sequence[Entry]) -> None:
        """Write lines and count them."""
        for entry in entries:
            self.counts[entry.action][entry.reason] += 1
            if entry.action == "refused":
                self._first.setdefault(entry.reason, entry.origin)
        self._writer.write(entries)

    @property
    def refused(self) -> int:
        """How many rows were left out."""
        return self.counts["refused"].total()

    def reasons(self, action: Action = "refused") -> dict[str, int]:
        """Counts by reason, most frequent first."""
        return dict(self.counts[action].most_common())

    def check(self, *, rows_in: int, rows_out: int, limit: float, stage: str) -> None:
        """Hold the books against the rows, as ``Ledger.check`` does.

        Args:
            rows_in: Rows the stage was given.
            rows_out: Rows it passed on.
            limit: Largest share of refused rows, 0 to 1, that is not an error.
            stage: Named in messages.

        Raises:
            LeakageError: More rows were refused than the limit allows.
            AssertionError: Rows vanished without a line: a defect of Luthier.
        """
        told = self.reasons()
        balance(rows_in, rows_out, told, first=self._first, limit=limit, stage=stage)

    def __enter__(self) -> Books:
        """The books themselves."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._writer.__exit__()
