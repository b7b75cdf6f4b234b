"""Stages talk to a Progress and never print."""

from __future__ import annotations

import io

from rich.console import Console

from luthier.core.progress import Progress, Quiet, Terminal, track


def work(progress: Progress) -> list[int]:
    progress.say("indexing [draft] 3 documents")
    return list(track(progress, [1, 2, 3], "Index", 3))


def test_quiet_shows_nothing_and_remembers() -> None:
    quiet = Quiet()
    assert work(quiet) == [1, 2, 3]
    assert quiet.lines == ["indexing [draft] 3 documents"]


def test_terminal_draws_bars_with_title_count_and_note() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    terminal = Terminal(console)
    assert work(terminal) == [1, 2, 3]
    with terminal.task("Tuning", 10) as bar:
        bar.advance(9)
        bar.advance(note="loss 2.31")
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "indexing [draft] 3 documents" in text
    assert "3/3" in text
    assert "10/10" in text
    assert "loss 2.31" in text


def test_an_unknown_total_is_shown_as_such() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    with Terminal(console).task("Reading") as bar:
        bar.advance(7)
    assert "7/?" in console.file.getvalue()  # type: ignore[attr-defined]


def test_brackets_in_notes_are_text() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    with Terminal(console).task("Rows [a]", 1) as bar:
        bar.advance(note="[bold]x[/nope]")
    assert "[bold]x[/nope]" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_bar_inside_a_bar() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    terminal = Terminal(console)
    with terminal.task("Outer", 1) as outer:
        assert work(terminal) == [1, 2, 3]
        outer.advance()
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "1/1" in text
    assert "3/3" in text


def test_off_a_terminal_each_bar_is_one_line_at_its_end() -> None:
    console = Console(file=io.StringIO(), width=100)
    work(Terminal(console))
    assert [line.split()[0] for line in console.file.getvalue().splitlines()] == [  # type: ignore[attr-defined]
        "indexing",
        "Index",
    ]
