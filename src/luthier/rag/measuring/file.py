"""Questions from a file, for ``luthier rag evaluate`` and ``luthier rag calibrate``.

A line is a JSON object::

    {"question": "How long may I return shoes?", "answer": "30 days", "document": "returns.md"}

``answer`` may be a list (any of them is right), ``document`` too (all of them answer). A document
is named by its id, its title, or the file that it comes from; where a name covers several, as the
sections of a file, those of them count that say an answer, and all if none does. With neither
answer nor document, no document answers the question. ``kind`` is its type, ``as`` the user and
groups who ask, ``id`` its name, ``group`` what goes right or wrong together with it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from luthier.core.errors import DataError
from luthier.core.records import Document
from luthier.rag.access import viewer
from luthier.rag.measure import Sought

KEYS = ("question", "answer", "document", "kind", "as", "id", "group")


def read_questions(path: Path, documents: Sequence[Document]) -> list[Sought]:
    """Read a file of questions.

    Args:
        path: JSON Lines.
        documents: Those that may answer.

    Raises:
        DataError: The file cannot be read or has no question; a line is none, names a document
            that is not there, or has an answer and no document.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"this file cannot be read: {error}", where=str(path)) from error
    named = _named(documents)
    made: list[Sought] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            made.append(_question(_row(line, f"{path}:{number}"), named, path, number))
    if not made:
        raise DataError("this file has no questions", where=str(path))
    return made


def _named(documents: Sequence[Document]) -> Mapping[str, list[Document]]:
    """Documents by each of their names; an id stands for its document alone."""
    made: defaultdict[str, list[Document]] = defaultdict(list)
    for one in documents:
        file = one.origin.partition(":")[0]
        for name in dict.fromkeys((one.title, one.group, file, file.rpartition("/")[2])):
            made[name].append(one)
    made.update({one.id: [one] for one in documents})
    return made


def _row(line: str, where: str) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except ValueError as error:
        raise DataError(f"this line is not JSON: {error}", where=where) from error
    mend = 'A line is {"question": "...", "answer": "...", "document": "..."}.'
    if not isinstance(told, dict) or not isinstance(told.get("question"), str):
        raise DataError("this line has no question", where=where, mend=mend)
    if unknown := [key for key in told if key not in KEYS]:
        what = f"a question has no '{unknown[0]}'"
        raise DataError(what, where=where, mend=f"It may have: {', '.join(KEYS)}.")
    return told


def _question(
    told: Mapping[str, Any], named: Mapping[str, list[Document]], path: Path, number: int
) -> Sought:
    where = f"{path}:{number}"
    answers = tuple(a for a in _texts(told, "answer", where) if a.strip())
    relevant: dict[str, float] = {}
    names = _texts(told, "document", where)
    for name in names:
        found = named.get(name, [])
        if not found:
            raise DataError(
                f"there is no document '{name}'",
                where=where,
                mend="Name it by its id, its title or its file; `luthier rag query` shows them.",
            )
        holding = [d for d in found if any(a.lower() in d.text.lower() for a in answers)]
        relevant.update({d.id: 1.0 for d in holding or found})
    if answers and not names:
        raise DataError(
            "this question has an answer and no document",
            where=where,
            mend="Name its document, or leave both out if no document answers it.",
        )
    group = str(told.get("group") or (names[0] if names else ""))
    return Sought(
        str(told.get("id") or f"{path.name}:{number}"),
        told["question"],
        relevant,
        str(told.get("kind") or ""),
        viewer(_texts(told, "as", where)),
        group,
        answers,
    )


def _texts(told: Mapping[str, Any], key: str, where: str) -> list[str]:
    value = told.get(key)
    many = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(one, str) for one in many):
        raise DataError(f"'{key}' is a text or a list of texts", where=where)
    return many
