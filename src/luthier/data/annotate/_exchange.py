"""Tasks as Label Studio's JSON and Prodigy's JSONL, and their exports read back.

Label Studio: ``data`` holds a task's fields, ``annotations`` what was said (``JSON``), or one flat
object for each annotation (``JSON-MIN``). Prodigy: the ``choice`` interface (``options``,
``accept``) and the binary one (``label`` with the answer ``accept``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from luthier.core.errors import DataError
from luthier.data.annotate._filled import (
    Filled,
    Scheme,
    Task,
    read_utf8,
    seconds_of,
    time_of,
    write_guidelines,
)


def write_label_studio(path: Path, tasks: Sequence[Task], scheme: Scheme) -> list[Path]:
    """Tasks to import, and ``label-studio.xml``: the labelling page with the guidelines on it."""
    told = [
        {
            "data": {
                "text": task.text,
                "row_id": task.row_id,
                "origin": task.origin,
                "assigned_to": task.annotator,  # `annotator` is what JSON-MIN calls the user
                "votes": task.votes,
            }
        }
        for task in tasks
    ]
    path.write_text(json.dumps(told, ensure_ascii=False, indent=1), encoding="utf-8")
    config = path.with_name("label-studio.xml")
    shown = label_studio_config(scheme, votes=any(task.votes for task in tasks))
    config.write_text(shown, encoding="utf-8")
    return [path, config, *write_guidelines(path.parent, scheme)]


def label_studio_config(scheme: Scheme, *, votes: bool = False) -> str:
    """The labelling configuration: guidelines to fold out, text, labels, and room for a note.

    Args:
        scheme: Labels and guidelines.
        votes: Whether to show what others said.
    """
    lines = ["<View>"]
    if scheme.guidelines:
        # a value that starts with $ would name a field; a space in front keeps it a text
        shown = quoteattr(
            " " + scheme.guidelines if scheme.guidelines.startswith("$") else scheme.guidelines,
            {"\n": "&#10;"},
        )
        lines += [
            '  <Collapse><Panel value="Guidelines">',
            f'    <Text name="guidelines" value={shown}/>',
            "  </Panel></Collapse>",
        ]
    lines += [
        '  <Text name="text" value="$text"/>',
        *(['  <Text name="votes" value="$votes"/>'] if votes else []),
        '  <Choices name="label" toName="text" choice="single-radio">',
        *(f"    <Choice value={quoteattr(label)}/>" for label in scheme.labels),
        "  </Choices>",
        '  <TextArea name="note" toName="text" placeholder="Note" maxSubmissions="1"/>',
        "</View>",
    ]
    return "\n".join(lines) + "\n"


def read_label_studio(path: Path) -> Iterator[Filled]:
    """Answers of an export as JSON or JSON-MIN; tasks without annotation are open.

    Raises:
        DataError: It is not JSON, or no list of tasks.
    """
    try:
        tasks = json.loads(read_utf8(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"not JSON: {error}", where=str(path)) from error
    if not isinstance(tasks, list):
        raise DataError(
            "this is no list of tasks",
            where=str(path),
            mend="Export from Label Studio as JSON or JSON-MIN.",
        )
    for number, task in enumerate(tasks, start=1):
        origin = f"{path.name}#{number}"
        if not isinstance(task, dict):
            yield _broken(origin, "not a JSON object", str(task))
        elif isinstance(task.get("data"), dict):
            yield from _annotated(task, origin)
        else:
            yield _flat(task, origin)


def write_prodigy(path: Path, tasks: Sequence[Task], scheme: Scheme) -> list[Path]:
    """Tasks for the ``choice`` interface, and ``prodigy.json`` that shows the guidelines."""
    options = [{"id": label, "text": label} for label in scheme.labels]
    with path.open("w", encoding="utf-8") as file:
        for task in tasks:
            told = {
                "text": task.text,
                "options": options,
                "row_id": task.row_id,
                "annotator": task.annotator,
                "meta": {"origin": task.origin} | ({"votes": task.votes} if task.votes else {}),
            }
            file.write(json.dumps(told, ensure_ascii=False) + "\n")
    guidelines = write_guidelines(path.parent, scheme)
    config = path.with_name("prodigy.json")
    settings: dict[str, Any] = {"choice_style": "single", "choice_auto_accept": True}
    if guidelines:
        settings["instructions"] = guidelines[0].name
    config.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
    return [path, config, *guidelines]


def read_prodigy(path: Path) -> Iterator[Filled]:
    """Answers of ``prodigy db-out``; lines without an answer are open.

    Raises:
        DataError: The file is missing, empty or not UTF-8.
    """
    for number, line in enumerate(read_utf8(path).split("\n"), start=1):
        if not line.strip():
            continue
        origin = f"{path.name}:{number}"
        try:
            task = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield _broken(origin, "not JSON", str(error))
            continue
        if isinstance(task, dict):
            yield _answered(task, origin)
        else:
            yield _broken(origin, "not a JSON object", line)


def _annotated(task: dict[str, Any], origin: str) -> Iterator[Filled]:
    data = task["data"]
    row, text, asked = (_word(data.get(key)) for key in ("row_id", "text", "assigned_to"))
    found = task.get("annotations") or task.get("completions") or []
    if not isinstance(found, list) or not all(isinstance(a, dict) for a in found):
        yield _broken(origin, "wrong type", "annotations is not a list of objects")
        return
    if not found:
        yield Filled(row, text, "", asked, origin)
    # the task says whom it was for; where several answered, only who answered can tell them apart
    several = len({_person(a.get("completed_by")) for a in found}) > 1
    for one in found:
        person = _person(one.get("completed_by"))
        who = person if several or "@" in person or not asked else asked
        label, note, problem = _result(one.get("result"))
        skipped = one.get("was_cancelled") is True
        yield Filled(
            row,
            text,
            "" if skipped else label,
            who,
            origin,
            time_of(one.get("created_at")),
            seconds_of(one.get("lead_time")),
            note,
            skipped,
            None if skipped else problem,
        )


def _result(result: Any) -> tuple[str, str, tuple[str, str] | None]:
    """Label, note and problem of an annotation's regions."""
    label, note = "", ""
    for region in result if isinstance(result, list) else []:
        value = region.get("value") if isinstance(region, dict) else None
        if not isinstance(value, dict):
            return "", "", ("wrong type", "a region without a value")
        choices = value.get("choices")
        if isinstance(choices, list) and choices:
            if label or len(choices) > 1:
                return "", "", ("several labels", ", ".join(map(str, choices)))
            label = _word(choices[0])
        elif "text" in value:
            said = value["text"]
            note = " ".join(map(str, said)) if isinstance(said, list) else str(said)
    return label, note, None


def _flat(task: dict[str, Any], origin: str) -> Filled:
    """One object of JSON-MIN."""
    chosen, person = task.get("label"), _person(task.get("annotator"))
    if isinstance(chosen, dict):  # several choices are written {"choices": [...]}
        problem = ("several labels", json.dumps(chosen, ensure_ascii=False))
        return _broken(origin, *problem, row=_word(task.get("row_id")))
    return Filled(
        _word(task.get("row_id")),
        _word(task.get("text")),
        _word(chosen),
        person if "@" in person else _word(task.get("assigned_to")) or person,
        origin,
        time_of(task.get("created_at")),
        seconds_of(task.get("lead_time")),
        _word(task.get("note")),
    )


def _answered(task: dict[str, Any], origin: str) -> Filled:
    """One line of Prodigy's export."""
    answer, accepted = task.get("answer"), task.get("accept")
    label, problem = "", None
    if accepted is not None and not isinstance(accepted, list):
        problem = ("wrong type", "accept is not a list")
    elif answer == "reject":
        problem = ("answer is a rejection", _word(task.get("label")))
    elif answer == "accept" and accepted is not None:
        if len(accepted) > 1:
            problem = ("several labels", ", ".join(map(str, accepted)))
        label = _word(accepted[0]) if len(accepted) == 1 else ""
    elif answer == "accept":
        label = _word(task.get("label"))
    meta = task.get("meta")
    row = task.get("row_id") or (meta.get("row_id") if isinstance(meta, dict) else None)
    who = task.get("annotator") or task.get("_annotator_id") or task.get("_session_id")
    return Filled(
        _word(row),
        _word(task.get("text")),
        label,
        _word(who),
        origin,
        time_of(task.get("_timestamp")),
        note=_word(task.get("user_input")),
        skipped=answer == "ignore",
        problem=problem,
    )


def _person(completed_by: Any) -> str:
    """Label Studio's user: their e-mail address, or ``label-studio-7`` where only a number is."""
    if isinstance(completed_by, dict):
        completed_by = completed_by.get("email") or completed_by.get("id")
    if isinstance(completed_by, str) and completed_by:
        return completed_by
    return f"label-studio-{completed_by}" if completed_by is not None else ""


def _word(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _broken(origin: str, reason: str, detail: str, row: str = "") -> Filled:
    return Filled(row, "", "", "", origin, problem=(reason, detail))
