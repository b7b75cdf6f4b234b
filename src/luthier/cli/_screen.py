"""The results of a run on one screen of 100 columns.

Sections stand in the order of the stages. What a run did not make is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from luthier.cli._comparison import WIDTH, show_comparison
from luthier.cli._project import options_for, program

if TYPE_CHECKING:
    from luthier.core.store import Artifact
    from luthier.pipeline import RunResult

_MOST_REASONS = 4


def show(result: RunResult, console: Console, project: Path) -> None:
    """Print the results of a run.

    Args:
        result: From ``pipeline.run``.
        project: The project file, for the commands to go on with.
        console: Where to print; wide terminals are used up to 100 columns, files as if they had
            as many.
    """
    console.width = min(console.width, WIDTH) if console.is_terminal else WIDTH
    made = result.artifacts
    _data(console, made)
    _model(console, made, result.plan)
    _classifier(console, made.get("classify"))
    _tuning(console, made.get("tune"))
    _index(console, made.get("index"))
    if "compare" in made:
        _head(console, "Comparison", made["compare"])
        show_comparison(made["compare"].summary, console)
    _ends(console, made, project)
    again = sum(a.reused for a in made.values())
    console.print()
    console.print(
        f"{len(made)} stages in {duration(result.seconds_s)}: {len(made) - again} made, "
        f"{again} reused",
        style="dim",
        highlight=False,
    )


def show_learnt(result: RunResult, console: Console) -> None:
    """Print what the classifier and the language model have learnt, and where they lie.

    Args:
        result: From ``pipeline.run``.
        console: Where to print, as for ``show``.
    """
    console.width = min(console.width, WIDTH) if console.is_terminal else WIDTH
    for stage, section in (("classify", _classifier), ("tune", _tuning)):
        artifact = result.artifacts.get(stage)
        if artifact is not None:
            section(console, artifact)
            _path(console, "folder", artifact.path)


def duration(seconds: float) -> str:
    """``0.3 s``, ``48 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def count(number: float) -> str:
    """``1,234``; from a million on ``11.8 M``."""
    for unit, size in (("B", 1e9), ("M", 1e6)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number:,.0f}"


def _head(console: Console, title: str, *artifacts: Artifact | None) -> None:
    present = [a for a in artifacts if a is not None]
    seconds = sum(a.wall_s for a in present)
    if present and all(a.reused for a in present):
        note = f"reused (made in {duration(seconds)})"
    else:
        note = f"made in {duration(sum(a.wall_s for a in present if not a.reused))}"
    line = Text(title, style="bold")
    if present:
        line.append(" " * max(2, console.width - len(title) - len(note)), style="not bold")
        line.append(note, style="dim not bold")
    console.print()
    console.print(line, no_wrap=True, crop=True)


def _line(console: Console, label: str, *parts: str | None) -> None:
    """A label and the parts that are there, joined by middle dots."""
    kept = [part for part in parts if part]
    if not kept:
        return
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=13, style="dim", no_wrap=True)
    grid.add_column()
    grid.add_row(f"  {label}", Text(" · ".join(kept)))
    console.print(grid)


def _part(summary: Mapping[str, Any], key: str, form: str) -> str | None:
    """``form`` with the figure of a key, or None where the stage did not tell it."""
    value = summary.get(key)
    if value is None:
        return None
    if "{n}" in form:
        return form.replace("{n}", count(value))
    return form.format(value)


def _reasons(summary: Mapping[str, Any]) -> str | None:
    reasons = summary.get("reasons") or {}
    named = [f"{count(n)} {reason}" for reason, n in list(reasons.items())[:_MOST_REASONS]]
    rest = sum(list(reasons.values())[_MOST_REASONS:])
    if rest:
        named.append(f"{count(rest)} for other reasons")
    return ", ".join(named) or None


def _data(console: Console, made: Mapping[str, Artifact]) -> None:
    collected, prepared = made.get("collect"), made.get("prepare")
    if collected is None and prepared is None:
        return
    _head(console, "Data", collected, prepared)
    for label, artifact in (("collected", collected), ("questions", prepared)):
        if artifact is None:
            continue
        summary = artifact.summary
        refused = _part(summary, "refused", "{n} refused")
        why = _reasons(summary)
        _line(
            console,
            label,
            _part(summary, "documents", "{n} documents") if summary.get("documents") else None,
            _part(summary, "rows", "{n} rows") if summary.get("rows") else None,
            _part(summary, "examples", "{n} kept"),
            f"{refused}: {why}" if refused and why else refused,
        )
    if prepared is not None:
        summary = prepared.summary
        sizes = {side: sum(n.values()) for side, n in (summary.get("sides") or {}).items()}
        sides = [f"{count(n)} {side}" for side, n in sizes.items() if n]
        lock = summary.get("lock")
        _line(
            console,
            "split",
            ", ".join(sides),
            _part(summary, "groups", "{n} groups, none on two sides"),
            f"test side locked as {lock[:12]}" if isinstance(lock, str) and lock else None,
        )
    _leakage(console, made.values())


def _leakage(console: Console, artifacts: Iterable[Artifact]) -> None:
    found = next((a.summary["leakage"] for a in artifacts if a.summary.get("leakage")), None)
    if not isinstance(found, dict):
        return
    overlaps, groups = len(found.get("overlaps", ())), len(found.get("shared_groups", ()))
    corpus = len(found.get("questions_in_corpus", ()))
    if found.get("leaks"):
        text = (
            f"[bold red]leaks[/]: {overlaps} test questions are like training rows, {groups} "
            f"groups on two sides, {corpus} test questions stand in the corpus"
        )
    else:
        parties = [
            f"{count(found[key])} {words}"
            for key, words in (
                ("test_items", "test questions"),
                ("train_rows", "training rows"),
                ("documents", "documents"),
            )
            if found.get(key)
        ]
        text = f"[green]nothing leaks[/] between {', '.join(parties)}"
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=13, style="dim", no_wrap=True)
    grid.add_column()
    grid.add_row("  leakage", text)
    console.print(grid)


def _model(console: Console, made: Mapping[str, Artifact], plan: Mapping[str, Any]) -> None:
    model = made.get("model")
    if model is None and not plan:
        return
    _head(console, "Model and machine", model)
    if model is not None:
        summary = model.summary
        size = summary.get("bytes")
        _line(
            console,
            "model",
            _part(summary, "name", "{}") or _part(summary, "architecture", "{}"),
            _part(summary, "parameters", "{n} parameters"),
            f"{size / 1e6:.1f} MB" if size else None,
            _part(summary, "context_length", "context of {n} tokens"),
            _part(summary, "vocab_size", "vocabulary of {n}"),
        )
    needed, free = plan.get("memory_needed_bytes"), plan.get("memory_bytes")
    _line(
        console,
        "machine",
        _part(plan, "machine", "{}"),
        _part(plan, "threads", "{} threads") if plan.get("device") != "cuda" else "GPU",
        f"{free / 1e9:.1f} GB free" if free else None,
    )
    _line(
        console,
        "plan",
        _part(plan, "precision", "{}"),
        _part(plan, "micro_batch_tokens", "{n} tokens at once"),
        _part(plan, "accumulation", "{} passes to a step"),
        f"needs {needed / 1e9:.2f} GB" if needed else None,
    )


def _tuning(console: Console, tuned: Artifact | None) -> None:
    if tuned is None:
        return
    _head(console, "Tuning", tuned)
    summary = tuned.summary
    first, last = summary.get("loss_first"), summary.get("loss_last")
    before, after = summary.get("validation_loss_before"), summary.get("validation_loss")
    at_a_time = " at a time" if summary.get("method") == "half" else ""  # each round draws others
    _line(
        console,
        "steps",
        _part(summary, "steps", "{n} steps"),
        _part(summary, "rows", "{n} rows"),
        f"{count(summary['rows_refused'])} refused" if summary.get("rows_refused") else None,
        f"{count(summary['rows_changed'])} cut" if summary.get("rows_changed") else None,
        _part(summary, "tokens_left_out", "{n} tokens left out")
        if summary.get("tokens_left_out")
        else None,
        _part(summary, "trainable", "{n} weights tuned" + at_a_time),
        _part(summary, "method", "{}"),
    )
    _line(
        console,
        "loss",
        f"training {first:.2f} to {last:.2f}" if first is not None and last is not None else None,
        f"validation {before:.3f} to {after:.3f}" if before and after else None,
        _part(summary, "best_step", "best at step {}") if summary.get("best_step") else None,
        "stopped early" if summary.get("stopped_early") else None,
        _times("went back", summary.get("rollbacks")),
        _part(summary, "skipped", "{n} steps skipped") if summary.get("skipped") else None,
    )
    _line(console, "validation", *(_moved(summary, name) for name in ("accuracy", "margin")))
    _line(
        console,
        "speed",
        _part(summary, "tokens", "{n} tokens"),
        _seconds(summary),
        _part(summary, "tokens_per_s", "{n} tokens/s"),
        _part(summary, "operations", "{}"),
    )
    for found in summary.get("advice") or ():
        _line(console, "the curve", f"{found['sign']}: {found['why']}")
        if found["mend"]:
            _line(console, "", found["mend"])


def _times(what: str, count: int | None) -> str | None:
    return f"{what} {'once' if count == 1 else f'{count} times'}" if count else None


def _moved(summary: Mapping[str, Any], name: str) -> str | None:
    """A figure of the validation rows before and after, if it was measured."""
    before, after = (summary.get(f"validation_{name}{when}") for when in ("_before", ""))
    return None if before is None or after is None else f"{name} {before:.3f} to {after:.3f}"


def _classifier(console: Console, classifier: Artifact | None) -> None:
    if classifier is None:
        return
    _head(console, "Classifier", classifier)
    summary = classifier.summary
    epoch = summary.get("best_epoch")
    _line(
        console,
        "learnt",
        _part(summary, "kind", "{}"),
        _part(summary, "labels", "{n} labels"),
        _part(summary, "trained_on", "{n} rows"),
        f"best after {epoch} of {summary['epochs']} passes" if epoch else None,
        _seconds(summary),
    )
    for side in ("validation", "test"):
        found = summary.get(side) or {}
        _line(
            console,
            side,
            _part(found, "macro_f1", "macro-F1 {:.3f}"),
            _hits(found, "accuracy", "accuracy", "right", "rows"),
            _hits(found, "minority_recall", "rare recall", "rare_right", "rare_rows"),
            _part(found, "calibration_error", "calibration error {:.3f}"),
        )
    rare = [(label, summary["classes"][label]) for label in summary.get("rare") or ()]
    rare.sort(key=lambda one: one[1].get("test_right", 0) / (one[1].get("test_rows") or 1))
    named = [_rare(label, told) for label, told in rare[:_MOST_REASONS]]
    others = len(rare) - len(named)
    _line(console, "rare labels", *named, f"and {others} more" if others else None)


def _hits(found: Mapping[str, Any], key: str, name: str, right: str, rows: str) -> str | None:
    if found.get(key) is None:
        return None
    return f"{name} {found[key]:.3f} ({count(found[right])} of {count(found[rows])})"


def _rare(label: str, told: Mapping[str, int]) -> str:
    """``refund: 25 of 30 after 6 rows``, found on the test side and learnt from."""
    found = f"{told.get('test_right', 0)} of {told.get('test_rows', 0)}"
    return f"{label}: {found} after {count(told['train_rows'])} rows"


def _seconds(summary: Mapping[str, Any]) -> str | None:
    seconds = summary.get("seconds")
    return None if seconds is None else f"in {duration(seconds)}"


def _index(console: Console, index: Artifact | None) -> None:
    if index is None:
        return
    _head(console, "Index", index)
    summary = index.summary
    _line(
        console,
        "passages",
        _part(summary, "passages", "{n} passages"),
        _part(summary, "documents", "of {n} documents"),
        _seconds(summary),
    )


def _ends(console: Console, made: Mapping[str, Artifact], project: Path) -> None:
    report, bundle = made.get("report"), made.get("bundle")
    if report is None and bundle is None:
        return
    _head(console, "Results", report, bundle)
    if report is not None:
        _path(console, "report", next(iter(sorted(report.path.glob("*.html"))), report.path))
    if bundle is None:
        return
    _path(console, "bundle", bundle.path)
    _line(console, "answers by", _part(bundle.summary, "route", "{}"))
    called, options = program(), options_for(project, bundle.path.parents[1])
    commands = {
        f"{called} chat{options}": "talk to it",
        f"{called} serve{options}": "serve it to any OpenAI client",
        f"{called} trace last{options}": "from an answer to the file and line it rests on",
    }
    console.print()
    longest = max(map(len, commands))
    for command, words in commands.items():
        line = Text(f"  {command:<{longest}}", style="cyan")
        console.print(line.append(f"   {words}", style="dim"), soft_wrap=True)


def _path(console: Console, label: str, path: Path) -> None:
    line = Text(f"  {label:<12}", style="dim")
    line.append(str(path), style="not dim")
    console.print(line, soft_wrap=True)
