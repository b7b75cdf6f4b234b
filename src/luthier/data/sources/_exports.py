"""Exports of annotation tools: Label Studio's JSON and Prodigy's JSONL.

Each task is one row: a labelled text, a text with a written answer, or a text that nobody has
labelled yet. Forms: https://labelstud.io/guide/export (JSON) and
https://prodi.gy/docs/api-interfaces (``classification``, ``choice``, ``text_input``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from luthier.data.sources._turns import UnfitError, optional, string
from luthier.data.sources.raw import RowSource


class Labelled(NamedTuple):
    """What one annotated task says.

    Attributes:
        text: The text that was shown.
        label: The class chosen for it, or "".
        answer: What was written about it, or "".
    """

    text: str
    label: str = ""
    answer: str = ""


def label_studio(row: Mapping[str, Any], source: RowSource) -> Labelled:
    """Read a task of Label Studio's JSON export.

    The text is ``data``'s key that ``source.text`` names, or ``text``, or the only text in it.
    ``source.label`` and ``source.answer`` name the control (``from_name``) where there are several.
    Predictions are left aside. An annotation marked as ground truth stands for all.

    Raises:
        UnfitError: No text is found, all annotators skipped or disagree, or several labels apply.
    """
    data = row["data"]
    if not isinstance(data, Mapping):
        raise UnfitError("wrong type", "data is not an object")
    text = _shown(data, source)
    given = row.get("annotations")
    annotations = given if isinstance(given, list) else []
    if not all(isinstance(a, Mapping) for a in annotations):
        raise UnfitError("wrong type", "annotations is not a list of objects")
    if not annotations:
        return Labelled(text)
    done = [a for a in annotations if not a.get("was_cancelled")]
    if not done:
        raise UnfitError("skipped by the annotator")
    truths = [a for a in done if a.get("ground_truth")]
    found = {_result(a, source) for a in truths or done}
    if len(found) > 1:
        raise UnfitError("annotators disagree", " | ".join(sorted(said for _, said in found)))
    kind, said = found.pop()
    return Labelled(text, label=said) if kind == "choices" else Labelled(text, answer=said)


def prodigy(row: Mapping[str, Any], source: RowSource) -> Labelled:
    """Read a task of Prodigy's JSONL export.

    The label is ``label`` (one label, accepted), or the one option in ``accept``; a written answer
    stands under ``source.answer``, or ``user_input``.

    Raises:
        UnfitError: The annotator rejected or ignored it, or no or several labels apply.
    """
    text = string(row, source.text or "text", "empty text")
    match row.get("answer", "accept"):
        case "accept":
            pass
        case "reject":
            raise UnfitError("rejected by the annotator", optional(row, "label"))
        case "ignore":
            raise UnfitError("ignored by the annotator", text)
        case other:
            raise UnfitError("unknown annotator's answer", str(other))
    written = optional(row, source.answer or "user_input")
    if written:
        return Labelled(text, answer=written)
    accepted = row.get("accept")
    if isinstance(accepted, list):
        return Labelled(text, label=_one(accepted))
    label = optional(row, source.label or "label")
    if not label:
        raise UnfitError("no label", text)
    return Labelled(text, label=label)


def _shown(data: Mapping[str, Any], source: RowSource) -> str:
    texts = [key for key, value in data.items() if isinstance(value, str)]
    key = source.text or ("text" if "text" in data else "")
    if not key and len(texts) == 1:
        key = texts[0]
    if key not in data:
        raise UnfitError(
            "no text in the task", f"data has {', '.join(map(str, data)) or 'nothing'}"
        )
    return string(data, key, "empty text")


def _result(annotation: Mapping[str, Any], source: RowSource) -> tuple[str, str]:
    """(kind, what was said) of an annotation's one choice or text area."""
    results = annotation.get("result")
    wanted = {name for name in (source.label, source.answer) if name is not None}
    found = []
    for result in results if isinstance(results, list) else []:
        if not isinstance(result, Mapping) or result.get("type") not in ("choices", "textarea"):
            continue
        if not wanted or result.get("from_name") in wanted:
            found.append(result)
    if not found:
        raise UnfitError("no label")
    if len(found) > 1:
        names = ", ".join(str(r.get("from_name")) for r in found)
        raise UnfitError("several answers", f"{names}: name one with `label` or `answer`")
    kind = str(found[0]["type"])
    value = found[0].get("value")
    said = (
        value.get("choices" if kind == "choices" else "text") if isinstance(value, Mapping) else []
    )
    return kind, _one([said] if isinstance(said, str) else said)


def _one(labels: Any) -> str:
    if not isinstance(labels, list) or not labels:
        raise UnfitError("no label")
    if len(labels) > 1:
        raise UnfitError("several labels", ", ".join(map(str, labels)))
    said = optional({"label": labels[0]}, "label")
    if not said:
        raise UnfitError("no label")
    return said
