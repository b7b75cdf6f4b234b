"""What rows mean: each is recognised by the names of its columns, whatever source it is from."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, assert_never

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.core.records import EVERYONE, Document, Example, Message
from luthier.data.sources._access import Facts, facts_of, with_facts
from luthier.data.sources._exports import Labelled, label_studio, prodigy
from luthier.data.sources._ids import named, placed
from luthier.data.sources._preferences import judged, preference
from luthier.data.sources._squad import FLAT, is_nested, read_squad
from luthier.data.sources._turns import (
    UnfitError,
    as_json,
    ask,
    conversation,
    optional,
    string,
    system,
    turns,
)
from luthier.data.sources.raw import Dialect, Raw, RowSource

ROLES = ("question", "answer", "text", "title", "group", "tag", "label")

# In this order: the first whose keys a row has is its dialect.
KEYS: dict[Dialect, tuple[str, ...]] = {
    "label_studio": ("data", "annotations"),
    "preference": ("chosen", "rejected"),
    "kto": ("prompt", "completion", "label"),
    "messages": ("messages",),
    "sharegpt": ("conversations",),
    "prodigy": ("text", "answer"),
    "squad": FLAT,
    "alpaca": ("instruction", "output"),
    "question_answer": ("question", "answer"),
    "prompt_completion": ("prompt", "completion"),
    "classification": ("text", "label"),
    "text": ("text",),
}
_PRODIGY_OWN = frozenset(["_input_hash", "_task_hash", "_view_id"])
_PRODIGY_LABELS = frozenset(["label", "options", "accept", "user_input"])


def take(raws: Iterable[Raw], source: RowSource, ledger: Ledger) -> Iterator[Document | Example]:
    """Turn rows into documents and examples.

    Args:
        raws: The rows.
        source: Which columns hold what, and the dialect.
        ledger: Gets a line for each row that cannot be used.

    Yields:
        One document or example for each usable row, in order, its id its origin, or what its
        ``id_field`` holds; of the dialect ``squad`` each passage and then its questions.

    Raises:
        DataError: Two rows have one id.
    """
    passages: dict[str, str] = {}
    told = source.told_by or source.access != (EVERYONE,)
    ids: dict[str, str] = {}
    for raw in raws:
        try:
            if source.id_field is None:
                found = _understood(raw, source, passages, ledger)
            else:
                row, told_id = placed(raw, source.id_field, ids)
                found = named(_understood(row, source, passages, ledger), row.origin, told_id)
            yield from _with_facts(found, raw, source, ledger) if told else found
        except UnfitError as unfit:
            ledger.refuse(unfit.reason, raw.origin, unfit.detail)


def _with_facts(
    found: Iterable[Document | Example], raw: Raw, source: RowSource, ledger: Ledger
) -> Iterator[Document | Example]:
    """What a row holds, with its access list, time of change and metadata."""
    inner = raw.values.get("data")
    values = {**inner, **raw.values} if isinstance(inner, Mapping) else raw.values
    facts: Facts | None = None
    for record in found:
        facts = facts or facts_of(values, source, raw.origin, ledger)
        yield with_facts(record, facts)


def recognise(names: Collection[str], source: RowSource) -> Dialect | None:
    """The dialect of a row with these columns; None if it is none.

    Args:
        names: The row's columns or keys.
        source: ``dialect`` decides if it is not ``auto``, then the columns it names.
    """
    if source.dialect != "auto":
        return source.dialect
    has = set(names)
    if has.issuperset(KEYS["label_studio"]):
        return "label_studio"
    if has & _PRODIGY_OWN:
        return "prodigy"
    if source.question is not None or source.answer is not None:
        return "question_answer"
    if source.label is not None:
        return "classification"
    if source.text is not None:
        return "text"
    for dialect, keys in KEYS.items():
        if has.issuperset(keys) and (dialect != "prodigy" or _is_prodigy(has)):
            return dialect
    return "squad" if is_nested(has) else None


def check_columns(names: Sequence[str], source: RowSource, where: str) -> None:
    """Hold a table's columns against what the source names and what its dialect needs.

    Args:
        names: The table's columns.
        source: The settings.
        where: The table, for messages (``faq.csv:1``).

    Raises:
        DataError: A column is lacking or there twice, or the columns are those of no dialect.
    """
    named = {key: name for key in ROLES if (name := getattr(source, key)) is not None}
    dialect = recognise(names, source)
    needed = _needed(dialect, names)
    if not named:
        needed = (*needed, *(k for k in ("title", "group", "tag") if k in names))
    flags = {f"{name}_missing" for name, what in source.missing.items() if what.kind == "flag"}
    used = [*(named.get(key, key) for key in dict.fromkeys((*needed, *named)))]
    told_by = tuple(n for n in (source.id_field, *source.told_by) if n is not None)
    used += [*told_by, *source.missing]
    has = ", ".join(repr(n) for n in names)
    mend = (
        f"The file has: {has}. Name the columns of the source with `question` and `answer`, or "
        "with `text` (and `label`); a CSV file's `delimiter` says what is between them."
    )
    if dialect is None:
        raise DataError(
            "no columns named 'question' and 'answer', nor one named 'text', nor those of another "
            "dialect",
            where=where,
            mend=mend,
        )
    if lacking := [name for name in used if name not in names and name not in flags]:
        said = ", ".join(repr(name) for name in lacking)
        if set(lacking) <= set(source.missing):
            mend = f"Check the names under `missing`; the file has: {has}."
        elif set(lacking) <= set(told_by):
            said_by = "`id_field`, `access_field`, `modified_field` and `meta_fields`"
            mend = f"Check {said_by}; the file has: {has}."
        raise DataError(f"no column named {said}", where=where, mend=mend)
    if twice := sorted({n for n in used if names.count(n) > 1}):
        raise DataError(
            f"several columns are named {twice[0]!r}", where=where, mend="Rename all but one."
        )


def _understood(
    raw: Raw, source: RowSource, passages: dict[str, str], ledger: Ledger
) -> Iterator[Document | Example]:
    """What one row holds: a document, an example, or a passage with its questions."""
    dialect = recognise(raw.values, source)
    row = _renamed(raw.values, source, dialect)
    match dialect:
        case None:
            raise UnfitError("no known fields", _keys(raw.values))
        case "text":
            yield _document(row, string(row, "text", "empty text"), raw)
        case "classification":
            yield _labelled(row, _classified(row), raw)
        case "label_studio":
            yield _labelled(row, label_studio(raw.values, source), raw)
        case "prodigy":
            yield _labelled(row, prodigy(raw.values, source), raw)
        case "preference":
            pair = preference(row)
            yield _example(
                row,
                pair.messages,
                raw,
                rejected=pair.rejected,
                tools=_tools(row),
                answer_turns=pair.answer_turns,
            )
        case "kto":
            messages, desirable, turned = judged(row)
            yield _example(
                row,
                messages,
                raw,
                desirable=desirable,
                tools=_tools(row),
                answer_turns=turned,
            )
        case "messages" | "sharegpt":
            said = turns(row[KEYS[dialect][0]])
            before = system(row) if said and said[0].role != "system" else ()
            yield _example(row, (*before, *said), raw, tools=_tools(row))
        case "question_answer":
            yield _example(row, ask(row, "question", "answer"), raw)
        case "prompt_completion":
            yield _example(row, _completed(row), raw)
        case "alpaca":
            yield _example(row, _instructed(row), raw)
        case "squad":
            yield from read_squad(row, raw.origin, passages, ledger, source.unanswerable)
        case _:
            assert_never(dialect)


def _needed(dialect: Dialect | None, names: Collection[str]) -> tuple[str, ...]:
    return () if dialect is None or (dialect == "squad" and is_nested(names)) else KEYS[dialect]


def _is_prodigy(names: Collection[str]) -> bool:
    return "question" not in names and not _PRODIGY_LABELS.isdisjoint(names)


def _keys(values: Mapping[str, Any]) -> str:
    return ", ".join(map(str, values)) or "none"


def _renamed(
    values: Mapping[str, Any], source: RowSource, dialect: Dialect | None
) -> Mapping[str, Any]:
    """The row under the names that its dialect uses; where some are named, only those count."""
    own = values.get("data") if dialect == "label_studio" else values
    if not isinstance(own, Mapping):
        raise UnfitError("wrong type", "data is not an object")
    roles = ("title", "group", "tag") if dialect in ("label_studio", "prodigy") else ROLES
    named = {key: name for key in roles if (name := getattr(source, key)) is not None}
    row = dict(own)
    if any(getattr(source, key) is not None for key in ROLES):
        for key in ("title", "group", "tag"):
            row.pop(key, None)
    for key, name in named.items():
        if name not in own:
            raise UnfitError("no such column", f"{name}; the row has: {_keys(own)}")
        row[key] = own[name]
    needed = _needed(dialect, row) if dialect not in ("label_studio", "prodigy") else ()
    if lacking := [key for key in needed if key not in row]:
        raise UnfitError("no such column", f"{lacking[0]}; the row has: {_keys(own)}")
    return row


def _document(row: Mapping[str, Any], text: str, raw: Raw) -> Document:
    group = optional(row, "group") or raw.origin
    return Document(raw.origin, optional(row, "title"), text, raw.origin, "row", group)


def _example(
    row: Mapping[str, Any], messages: tuple[Message, ...], raw: Raw, **more: Any
) -> Example:
    group = optional(row, "group") or raw.origin
    kind = optional(row, "tag") or "row"
    return Example(raw.origin, conversation(messages), raw.origin, group, kind, **more)


def _tools(row: Mapping[str, Any]) -> str:
    return as_json(row.get("tools"), "tools")


def _labelled(row: Mapping[str, Any], found: Labelled, raw: Raw) -> Document | Example:
    """An example if the text has a label or an answer, else a document that may get one."""
    answer = found.answer or found.label
    if not answer:
        return _document(row, found.text, raw)
    messages = (Message("user", found.text), Message("assistant", answer))
    return _example(row, messages, raw, label=found.label)


def _classified(row: Mapping[str, Any]) -> Labelled:
    """``label`` may be a number or a list; ``label_text``, if it is there, names the class.

    A list holds several labels, or a tag for each word of ``text``, which then may be a list, too.
    """
    label = row.get("label")
    if not isinstance(label, list):
        text = string(row, "text", "empty text")
        return Labelled(text, label=optional(row, "label_text") or optional(row, "label"))
    if not all(isinstance(one, str | int | float) for one in label):
        raise UnfitError("wrong type", "label is a list of something else than texts or numbers")
    words = row.get("text")
    if isinstance(words, list):
        if not all(isinstance(word, str) and len(word.split()) == 1 for word in words):
            raise UnfitError("wrong type", "text is a list of something else than words")
        row = {**row, "text": " ".join(words)}
    said = [one if isinstance(one, str) else str(one) for one in label]
    return Labelled(string(row, "text", "empty text"), label=json.dumps(said, ensure_ascii=False))


def _completed(row: Mapping[str, Any]) -> tuple[Message, ...]:
    prompt, completion = row["prompt"], row["completion"]
    if isinstance(prompt, list) and isinstance(completion, list):
        return turns([*prompt, *completion])
    return ask(row, "prompt", "completion")


def _instructed(row: Mapping[str, Any]) -> tuple[Message, ...]:
    """Alpaca: an instruction, perhaps with an input, and before them perhaps a ``history``."""
    task = string(row, "instruction", "empty question")
    given = optional(row, "input")
    past: list[Message] = []
    history = row.get("history") or []
    if not isinstance(history, list):
        raise UnfitError("wrong type", "history is not a list of pairs")
    for pair in history:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise UnfitError("wrong type", "history is not a list of pairs")
        past += ask({"question": pair[0], "answer": pair[1]}, "question", "answer")
    return (
        *system(row),
        *past,
        Message("user", f"{task}\n\n{given}" if given else task),
        Message("assistant", string(row, "output", "empty answer")),
    )
