"""Calls of tools in an answer, read back in the form in which the chat template writes them."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from luthier.core.records import Message

_NAMES = ("luthier_probe_one", "luthier_probe_two")
_PLACE = {"place": "here"}


@dataclasses.dataclass(frozen=True, slots=True)
class CallForm:
    """How a template writes calls: objects of JSON, and what stands around them.

    Attributes:
        before: Before the first call; may be empty.
        between: Between two; None if the template writes one at most.
        after: Behind the last.
        path: Keys that lead to the object with name and arguments, from the outermost.
        name: Key of the tool's name.
        arguments: Key of the arguments.
    """

    before: str
    between: str | None
    after: str
    path: tuple[str, ...]
    name: str
    arguments: str

    def read(self, text: str) -> tuple[str, list[tuple[str, str]]] | None:
        """What is said before the calls, and the names and arguments (JSON) of the calls.

        Args:
            text: An answer, special tokens included.

        Returns:
            None unless the answer ends in calls, every one whole and in this form.
        """
        start = self._start(text)
        if start is None:
            return None
        begin, place = start
        calls = []
        while True:
            try:
                found, place = json.JSONDecoder().raw_decode(text, place)
            except (ValueError, RecursionError):
                return None
            call = self._call(found)
            if call is None:
                return None
            calls.append(call)
            more = None if self.between is None else _behind(text, place, self.between)
            if more is None or text[more : more + 1] != "{":
                break
            place = more
        whole = _behind(text, place, self.after) == len(text)
        return (text[:begin].strip(), calls) if whole else None

    def begin(self, text: str) -> int:
        """Where calls begin, or may begin with what is still to come; else the text's length."""
        start = self._start(text)
        if start is not None:
            return start[0]
        mark = "".join(self.before.split())
        for place in range(max(0, len(text) - 2 * len(self.before)), len(text)):
            if mark.startswith("".join(text[place:].split())):
                return place
        return len(text)

    def _start(self, text: str) -> tuple[int, int] | None:
        """Where the mark before the calls begins, and where it ends."""
        if not self.before:
            place = _behind(text, 0, "")
            return (0, place) if place is not None and text[place : place + 1] == "{" else None
        found = _pattern(self.before).search(text)
        return found.span() if found else None

    def _call(self, found: Any) -> tuple[str, str] | None:
        for key in self.path:
            found = found.get(key) if isinstance(found, dict) else None
        if not isinstance(found, dict):
            return None
        name, arguments = found.get(self.name), found.get(self.arguments)
        if not isinstance(name, str) or not name or not isinstance(arguments, dict):
            return None
        return name, json.dumps(arguments, ensure_ascii=False)


def form_of(written: Callable[[Message], str]) -> CallForm | None:
    """Learn a template's form from what it makes of calls with known names.

    Args:
        written: What the template writes as an assistant's turn, without its stop token; raises
            ``ModelError`` or returns "" where it cannot.

    Returns:
        None if the template does not write calls as objects of JSON.
    """
    one, two = (written(_probe(_NAMES[:n])) for n in (1, 2))
    first = _object(one, _NAMES[0])
    if first is None:
        return None
    begin, end, path, name, arguments = first
    again, second = _object(two, _NAMES[0]), _object(two, _NAMES[1])
    between = two[again[1] : second[0]].strip() if again and second else None
    return CallForm(one[:begin].strip(), between, one[end:].strip(), path, name, arguments)


def in_openais_shape(calls: Sequence[tuple[str, str]], conversation: Sequence[Message]) -> str:
    """Calls as OpenAI's API writes them: a JSON list.

    Ids go on where those of the conversation end, as the renderer numbers calls without one.

    Args:
        calls: Names and arguments.
        conversation: What was said before.
    """
    made = sum(len(json.loads(m.tool_calls)) for m in conversation if m.tool_calls)
    told = [
        {
            "id": f"call{made + number:05d}",
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }
        for number, (name, arguments) in enumerate(calls)
    ]
    return json.dumps(told, ensure_ascii=False)


def _probe(names: Sequence[str]) -> Message:
    calls = [{"function": {"name": name, "arguments": _PLACE}} for name in names]
    return Message("assistant", "", tool_calls=json.dumps(calls))


def _object(text: str, name: str) -> tuple[int, int, tuple[str, ...], str, str] | None:
    """The outermost object of JSON with a call: begin, end, path, keys of name and arguments."""
    for match in re.finditer(r"\{", text):
        try:
            found, end = json.JSONDecoder().raw_decode(text, match.start())
        except ValueError:
            continue
        keys = _keys(found, name)
        if keys is not None:
            return match.start(), end, *keys
    return None


def _keys(found: Mapping[str, Any], name: str) -> tuple[tuple[str, ...], str, str] | None:
    named = next((key for key, value in found.items() if value == name), None)
    given = next((key for key, value in found.items() if value == _PLACE), None)
    if named is not None and given is not None:
        return (), named, given
    for key, value in found.items():
        inner = _keys(value, name) if isinstance(value, dict) else None
        if inner is not None:
            return (key, *inner[0]), inner[1], inner[2]
    return None


def _behind(text: str, place: int, mark: str) -> int | None:
    """Where it goes on behind a mark and white space; None if the mark is not there."""
    found = _pattern(mark).match(text, place)
    return found.end() if found else None


def _pattern(mark: str) -> re.Pattern[str]:
    """The mark, however much white space stands around its words and tags."""
    parts = re.split(r"\s+|(?<=>)(?=<)", mark)
    return re.compile(r"\s*" + r"\s*".join(map(re.escape, parts)) + r"\s*")
