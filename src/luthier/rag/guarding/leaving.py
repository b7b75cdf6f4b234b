"""What an answer goes through between the model and its reader: the watch, then the check."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from luthier.models.generate import Reply
from luthier.rag.audit import Outcome
from luthier.rag.guarding.outgoing import Outgoing
from luthier.rag.support import Checker


class Leaving:
    """One answer on its way out.

    Args:
        watch: Takes out what should not leave; None to let everything pass.
        checker: Takes out or marks what no passage supports; None to not check.
        warning: What stands before the answer; "" for nothing.
    """

    def __init__(self, watch: Outgoing | None, checker: Checker | None, warning: str) -> None:
        self.watch, self.checker = watch, checker
        self._warning = f"{warning}\n\n" if warning else ""
        self._calls_dropped = 0

    @property
    def active(self) -> bool:
        """Whether the answer may leave otherwise than it came."""
        return bool(self.watch or self.checker or self._warning)

    @property
    def stopped(self) -> bool:
        """Whether the answer was broken off."""
        return self.watch is not None and bool(self.watch.stopped)

    @property
    def outcome(self) -> Outcome:
        """How it ended."""
        if self.stopped:
            return "stopped"
        checked = self.checker.sentences if self.checker else []
        if any(s.said.strip() for s in checked) and not any(s.text for s in checked):
            return "abstained"
        return "answered"

    @property
    def notes(self) -> Mapping[str, int]:
        """What was done, as counts by name."""
        notes = {"calls": self._calls_dropped}
        if self.watch is not None:
            notes.update(self.watch.removed)
        if self.checker is not None:
            sentences = self.checker.sentences
            notes["unsupported"] = sum(s.supported is False for s in sentences)
            notes["wrong numbers"] = sum(s.numbers_removed for s in sentences)
        return notes

    def feed(self, piece: str) -> list[str]:
        """What may leave after one more piece."""
        return self._told(self.watch.feed(piece) if self.watch else [piece])

    def end(self) -> list[str]:
        """What leaves at the end."""
        told = self._told(self.watch.end() if self.watch else [])
        if self.checker is not None and (rest := self.checker.end()):
            told += [self._first() + rest]
        return told

    def whole(self, text: str) -> str:
        """An answer that has not left yet."""
        if not self.active:
            return text
        told = "".join(self.feed(text) + self.end())
        if self.stopped and self.watch is not None:
            return self.watch.rules.refusal
        return told.strip()

    def calls(self, reply: Reply) -> Reply:
        """A reply without calls of tools that would carry out what should not leave."""
        if not reply.tool_calls or self.watch is None:
            return reply
        watch = self.watch.again()
        if watch.whole(reply.tool_calls) == reply.tool_calls:
            return reply
        self._calls_dropped += 1
        return dataclasses.replace(reply, tool_calls="")

    def _told(self, segments: Sequence[str]) -> list[str]:
        if self.checker is not None:
            stopped = self.stopped
            rows = [self.checker.feed(one) for one in segments]
            segments = [*rows, self.checker.end()] if stopped else rows
        return [self._first() + one for one in segments if one]

    def _first(self) -> str:
        """The warning, once."""
        warning, self._warning = self._warning, ""
        return warning
