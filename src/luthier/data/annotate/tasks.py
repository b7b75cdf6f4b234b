"""Labels by people: who labels what, files for them to fill, and what they filled in.

All functions are plain and keep no state but the label table, so that a web page can call
``next_task`` and ``labels.save_label`` just as files are written and read here.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Literal, assert_never

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.data.annotate import _exchange, _sheets
from luthier.data.annotate._filled import Filled, Scheme, Task
from luthier.data.annotate.items import Item
from luthier.data.annotate.labels import Label, current, when

Format = Literal["xlsx", "csv", "label-studio", "prodigy"]
ENDINGS: dict[Format, str] = {
    "xlsx": ".xlsx",
    "csv": ".csv",
    "label-studio": ".json",
    "prodigy": ".jsonl",
}
NAME = r"^[\w][\w.@+-]*$"  # of an annotator: it becomes a file's name


@dataclasses.dataclass(frozen=True, slots=True)
class Imported:
    """What a filled file held.

    Attributes:
        labels: Usable labels, in the file's order; "" where the annotator passed a row over.
        rows: Answers in the file, filled in or not.
        open: How many are not filled in yet.
    """

    labels: tuple[Label, ...]
    rows: int
    open: int


def open_tasks(
    items: Iterable[Item],
    labels: Iterable[Label],
    annotators: Sequence[str],
    *,
    overlap: int = 1,
    seed: int = 0,
) -> dict[str, list[Task]]:
    """What each annotator still has to label, in the order of the items.

    Each row is for ``overlap`` annotators: those that come first in a hash of row and name
    (rendezvous hashing, Thaler and Ravishankar 1998), so that new rows or another order move
    nobody's rows. Whoever labelled a row already counts; whoever passed it over is replaced.

    Args:
        items: What to label; those that their source labelled are left out.
        labels: What was said before; those of another scheme left out (``labels.in_scheme``).
        annotators: Names, each once.
        overlap: How many labels each row is to get.
        seed: Another seed, another assignment.

    Raises:
        DataError: There are fewer annotators than ``overlap``, or a name cannot be a file's name.
    """
    _check_people(annotators, overlap)
    said: dict[str, dict[str, str]] = {}
    for (row, who), one in current(labels).items():
        said.setdefault(row, {})[who] = one.label
    tasks: dict[str, list[Task]] = {who: [] for who in annotators}
    for item in items:
        if item.label:
            continue
        before = said.get(item.id, {})
        wanted = overlap - sum(bool(label) for label in before.values())
        free = (w for w in _ranked(item.id, annotators, seed) if w not in before)
        for who, _ in zip(free, range(wanted), strict=False):
            tasks[who].append(Task(item.id, item.text, item.origin, who))
    return tasks


def next_task(
    items: Iterable[Item],
    labels: Iterable[Label],
    annotator: str,
    annotators: Sequence[str],
    *,
    overlap: int = 1,
    seed: int = 0,
) -> Task | None:
    """The first row that this annotator still has to label; None when all is done.

    Args:
        items: In the order in which they are to be labelled (a queue's, for instance).
        labels: What was said before (``labels.read_labels``).
        annotator: Who asks.
        annotators: All of them.
        overlap: How many labels each row is to get.
        seed: As for ``open_tasks``.

    Raises:
        DataError: The annotator is none of them; and as ``open_tasks``.
    """
    if annotator not in annotators:
        raise DataError(f"no annotator is called {annotator!r}", mend="; ".join(annotators))
    tasks = open_tasks(items, labels, annotators, overlap=overlap, seed=seed)
    return next(iter(tasks[annotator]), None)


def export_tasks(
    tasks: Sequence[Task], scheme: Scheme, to: Format, folder: Path, name: str, ledger: Ledger
) -> list[Path]:
    """Write one annotator's tasks and the guidelines.

    Args:
        tasks: From ``open_tasks``.
        scheme: Labels and guidelines; they travel with the tasks (a sheet, a file, the labelling
            page of Label Studio, the instructions of Prodigy).
        to: Kind of file.
        folder: Made if need be.
        name: The file's name without ending, usually the annotator's.
        ledger: Gets a line for each task the format cannot hold.

    Returns:
        The files written, the tasks first; none if there is nothing to do.

    Raises:
        DataError: The file is there already: what is filled in there would be lost.
        ResourceError: Excel is asked for and openpyxl is not installed.
    """
    if not tasks:
        return []
    path = folder / f"{name}{ENDINGS[to]}"
    if path.exists():
        raise DataError(
            "this file is there already, perhaps half filled in",
            where=str(path),
            mend="Import it and move it away, or export into another folder.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    match to:
        case "xlsx":
            return _sheets.write_xlsx(path, tasks, scheme, ledger)
        case "csv":
            return _sheets.write_csv(path, tasks, scheme)
        case "label-studio":
            return _exchange.write_label_studio(path, tasks, scheme)
        case "prodigy":
            return _exchange.write_prodigy(path, tasks, scheme)
        case _:
            assert_never(to)


def import_tasks(
    path: Path,
    items: Iterable[Item],
    scheme: Scheme,
    ledger: Ledger,
    *,
    annotator: str = "",
    annotators: Collection[str] | None = None,
) -> Imported:
    """Read a file back, however much of it is filled in.

    Args:
        path: An .xlsx, .csv or .tsv file, Label Studio's .json or Prodigy's .jsonl export.
        items: The rows that may be labelled.
        scheme: The labels that may be given; a difference in case or white space is mended.
        ledger: Gets a line for each answer that cannot be used: unknown row, changed text, unknown
            label, several labels, the same row twice, an unknown annotator.
        annotator: Whose labels these are, if the file doesn't say or says it wrongly.
        annotators: Who may label; answers of others are refused. Anybody if None.

    Returns:
        The usable labels; rows = labels + open + refused.

    Raises:
        DataError: The file cannot be read at all.
    """
    known = {item.id: item for item in items}
    spelled = {_folded(label): label for label in scheme.labels}
    modified = when(_modified(path))
    taken: dict[tuple[str, str], Label] = {}
    rows = still_open = refused = 0
    for one in _read(path):
        rows += 1
        who = annotator or one.annotator
        if problem := _problem(one, who, known, spelled, taken, annotators):
            ledger.refuse(problem[0], one.origin, problem[1])
            refused += 1
        elif not one.label and not one.skipped:
            still_open += 1
        else:
            label = spelled[_folded(one.label)] if one.label else ""
            if label != one.label:
                ledger.change("label spelled otherwise", one.origin, one.label)
            at = one.at or modified
            taken[one.row_id, who] = Label(one.row_id, who, label, at, one.seconds, one.note)
    if rows != len(taken) + still_open + refused:
        raise AssertionError(f"{path}: {rows} answers in, not all accounted for")
    return Imported(tuple(taken.values()), rows, still_open)


def _problem(
    one: Filled,
    who: str,
    known: dict[str, Item],
    spelled: dict[str, str],
    taken: dict[tuple[str, str], Label],
    annotators: Collection[str] | None,
) -> tuple[str, str] | None:
    """Why an answer cannot be used, if it cannot: (reason, detail)."""
    if one.problem:
        return one.problem
    if one.row_id not in known:
        return "unknown row", one.row_id
    if seen_as(one.text) != seen_as(known[one.row_id].text):
        return "changed text", one.text
    if one.label and _folded(one.label) not in spelled:
        return "unknown label", one.label
    if not one.label and not one.skipped:
        return None
    if not who:
        return "no annotator named", one.row_id
    if not re.match(NAME, who) or (annotators is not None and who not in annotators):
        return "unknown annotator", who
    if (one.row_id, who) in taken:
        return "row comes twice", one.row_id
    return None


def _read(path: Path) -> Iterable[Filled]:
    match path.suffix.lower():
        case ".xlsx":
            return _sheets.read_xlsx(path)
        case ".csv" | ".tsv":
            return _sheets.read_csv(path)
        case ".json":
            return _exchange.read_label_studio(path)
        case ".jsonl":
            return _exchange.read_prodigy(path)
        case other:
            raise DataError(
                f"labels cannot be read from {other or 'a file without ending'}",
                where=str(path),
                mend="Give an .xlsx, .csv, .json (Label Studio) or .jsonl (Prodigy) file.",
            )


def seen_as(text: str) -> str:
    """A text as it survives a spreadsheet: control characters and white space don't count."""
    return " ".join(_sheets.CONTROL.sub(" ", text).split())


def _folded(label: str) -> str:
    return " ".join(label.split()).casefold()


def _ranked(row: str, annotators: Sequence[str], seed: int) -> list[str]:
    def place(who: str) -> bytes:
        return hashlib.sha256(f"{seed}\x1f{row}\x1f{who}".encode()).digest()

    return sorted(annotators, key=place)


def _check_people(annotators: Sequence[str], overlap: int) -> None:
    if wrong := [who for who in annotators if not re.match(NAME, who)]:
        raise DataError(
            f"an annotator cannot be called {wrong[0]!r}",
            mend="Use letters, digits, '.', '_', '-', '+' and '@'.",
        )
    if not 1 <= overlap <= len(set(annotators)) or len(set(annotators)) < len(annotators):
        raise DataError(
            f"{overlap} labels for each row need as many different annotators; "
            f"there are {len(set(annotators))}",
            mend="Name more annotators, or lower `overlap`.",
        )


def _modified(path: Path) -> dt.datetime:
    try:
        return dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
    except OSError as error:
        raise DataError(f"cannot read this file: {error.strerror}", where=str(path)) from error
