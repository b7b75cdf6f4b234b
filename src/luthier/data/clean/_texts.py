"""Where texts stand in a row: the same treatment for each of them, tool calls included."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any, Literal

from luthier.core.records import Document, Example, Message

Place = Literal["title", "text", "message", "label", "meta", "json"]
Change = Callable[[str, Place], str]


def change_texts(row: Document | Example, change: Change) -> Document | Example:
    """A row with all its texts changed; the very same row if nothing changed.

    Ids and origins stay. Tool calls and tools are JSON: the texts in it are changed one by one,
    and so are whole numbers, which become texts if a change comes of it.

    Args:
        row: A document or a conversation.
        change: Given a text and where it stands, returns the new one.
    """
    if isinstance(row, Document):
        text = change(row.text, "text")
        title = change(row.title, "title") or row.title
        meta = {key: change(value, "meta") for key, value in row.meta.items()}
        if text == row.text and title == row.title and meta == row.meta:
            return row
        return dataclasses.replace(row, title=title, text=text, meta=meta)
    new = dataclasses.replace(
        row,
        messages=tuple(_message(m, change) for m in row.messages),
        rejected=tuple(_message(m, change) for m in row.rejected),
        label=change(row.label, "label") if row.label else "",
        tools=_json_text(row.tools, change) if row.tools else "",
    )
    return row if new == row else new


def _message(message: Message, change: Change) -> Message:
    content = change(message.content, "message") if message.content else ""
    calls = _json_text(message.tool_calls, change) if message.tool_calls else ""
    if content == message.content and calls == message.tool_calls:
        return message
    return dataclasses.replace(message, content=content, tool_calls=calls)


def _json_text(text: str, change: Change) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return change(text, "json")
    changed = _value(value, change)
    return text if changed == value else json.dumps(changed, ensure_ascii=False)


def _value(value: Any, change: Change) -> Any:
    if isinstance(value, dict):
        return {key: _value(inner, change) for key, inner in value.items()}
    if isinstance(value, list):
        return [_value(inner, change) for inner in value]
    if isinstance(value, str):
        if value[:1] in ("{", "["):  # the arguments of a call are JSON inside JSON
            return _json_text(value, change)
        return change(value, "json")
    if isinstance(value, int) and not isinstance(value, bool):
        changed = change(str(value), "json")
        return value if changed == str(value) else changed
    return value


def all_texts(row: Document | Example) -> str:
    """Whatever ``change_texts`` changes of a row, on lines of its own."""
    if isinstance(row, Document):
        return "\n".join((row.title, row.text, *row.meta.values()))
    turns = row.messages + row.rejected
    said = [text for m in turns for text in (m.content, m.tool_calls) if text]
    return "\n".join((*said, row.label, row.tools))


def judged_text(row: Document | Example, *, answers_only: bool) -> str:
    """What the rules read: a document's text; of a conversation, what user and assistant say.

    Args:
        row: A document or a conversation.
        answers_only: Of a conversation, read the answer alone.
    """
    if isinstance(row, Document):
        return row.text
    if answers_only:
        return row.answer
    return "\n".join(m.content for m in row.messages if m.role in ("user", "assistant"))


def emptied(before: Document | Example, after: Document | Example) -> str:
    """Why a row must go because a text in it became empty, or "" if none did."""
    if isinstance(after, Document) or isinstance(before, Document):
        return "" if isinstance(after, Example) or after.text.strip() else "nothing is left"
    if before.answer.strip() and not after.answer.strip():
        return "nothing is left of the answer"
    turns = zip(before.messages + before.rejected, after.messages + after.rejected, strict=True)
    if any(old.content.strip() and not new.content.strip() for old, new in turns):
        return "nothing is left of a message"
    return ""
