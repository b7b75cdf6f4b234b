"""What goes into an annotator's file, and what is read from one before it is checked."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from luthier.core.errors import DataError
from luthier.data.annotate.labels import when


@dataclasses.dataclass(frozen=True, slots=True)
class Scheme:
    """What annotators may say, and how they are to decide.

    Attributes:
        labels: In their order, where they have one.
        guidelines: Plain text or Markdown.
    """

    labels: tuple[str, ...]
    guidelines: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Task:
    """One row for one annotator.

    Attributes:
        row_id: The row.
        text: What to label.
        origin: Where it was read from.
        annotator: Who is asked.
        votes: What others said, shown to an adjudicator; else "".
    """

    row_id: str
    text: str
    origin: str
    annotator: str
    votes: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Filled:
    """One answer as a file holds it, not checked yet.

    Attributes:
        row_id: The row.
        text: As it stands in the file.
        label: "" where nothing is filled in.
        annotator: "" where the file doesn't say.
        origin: ``file:line``, or ``file#n`` for the n-th task.
        at: ISO 8601, or "" where the file doesn't say.
        seconds: How long it took, where known.
        note: A remark.
        skipped: The annotator passed the row over on purpose.
        problem: Why it cannot be used, where the reader found out: (reason, detail).
    """

    row_id: str
    text: str
    label: str
    annotator: str
    origin: str
    at: str = ""
    seconds: float | None = None
    note: str = ""
    skipped: bool = False
    problem: tuple[str, str] | None = None


def write_guidelines(folder: Path, scheme: Scheme) -> list[Path]:
    """``guidelines.md`` beside the tasks, if there are any."""
    if not scheme.guidelines:
        return []
    path = folder / "guidelines.md"
    path.write_text(scheme.guidelines, encoding="utf-8")
    return [path]


def read_utf8(path: Path) -> str:
    """A file's text, without a byte order mark.

    Raises:
        DataError: It is missing, empty or not UTF-8.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read this file: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"not UTF-8: byte 0x{error.object[error.start]:02x} cannot be read",
            where=str(path),
            mend="Save it as 'CSV UTF-8', or as .xlsx.",
        ) from error
    if not text.strip():
        raise DataError("this file is empty", where=str(path))
    return text


def time_of(value: object) -> str:
    """A time in a file as ``Label.at`` holds it; "" where there is none or it is none."""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return ""
    try:
        return when(value)
    except ValueError:
        return ""


def seconds_of(value: object) -> float | None:
    """A duration in a file; None where there is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None
