"""Progress as the stages report it, and as a terminal shows it.

Stages get a ``Progress`` and call ``track`` or ``task``; they never print. ``Quiet`` is for
programs and tests; ``Terminal`` draws rich bars.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress as Bars,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Item = TypeVar("Item")


class Task(Protocol):
    """One bar."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Move on by ``steps``; ``note`` is shown beside the bar (a loss, a count)."""


class Progress(Protocol):
    """What a stage may say while it works."""

    def task(self, title: str, total: int | None = None) -> AbstractContextManager[Task]:
        """A bar that lives as long as the context; ``total`` None when unknown."""

    def say(self, line: str) -> None:
        """A line that stays on the screen."""


def track(progress: Progress, items: Iterable[Item], title: str, total: int) -> Iterator[Item]:
    """Iterate with a bar."""
    with progress.task(title, total) as task:
        for item in items:
            yield item
            task.advance()


class _Silent:
    def advance(self, steps: int = 1, note: str = "") -> None:
        pass


class Quiet:
    """Shows nothing; remembers what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextlib.contextmanager
    def task(self, title: str, total: int | None = None) -> Iterator[Task]:
        """A bar nobody sees."""
        yield _Silent()

    def say(self, line: str) -> None:
        """Remember the line."""
        self.lines.append(line)


class _Bar:
    def __init__(self, bars: Bars, task: TaskID) -> None:
        self._bars, self._task = bars, task

    def advance(self, steps: int = 1, note: str = "") -> None:
        if note:
            self._bars.update(self._task, advance=steps, note=note)
        else:
            self._bars.advance(self._task, steps)


class Terminal:
    """Rich bars on a console (standard error by default, so that ``--json`` stays clean)."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)

    @contextlib.contextmanager
    def task(self, title: str, total: int | None = None) -> Iterator[Task]:
        """A bar; it stays on screen with its last note when done."""
        columns = (
            TextColumn("  {task.description:<28}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        with Bars(*columns, console=self.console, refresh_per_second=4) as bars:
            yield _Bar(bars, bars.add_task(title, total=total, note=""))

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        self.console.print(line, highlight=False, markup=False, emoji=False)
