"""The journal of calls: every answer that a writing model gave, so that none is paid for twice."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from luthier.core.records import Message
from luthier.core.spec import digest_of
from luthier.models.generate import Sampling


@dataclasses.dataclass(frozen=True, slots=True)
class Call:
    """One question to the model.

    Attributes:
        conversation: The turns, the user's last.
        sampling: How the answer is chosen; its seed is this call's own.
    """

    conversation: tuple[Message, ...]
    sampling: Sampling

    @property
    def key(self) -> str:
        """What names the call: SHA-256 (hex) of its turns and its sampling, the seed included."""
        turns = [[m.role, m.content] for m in self.conversation]
        return digest_of([turns, self.sampling.model_dump(mode="json")])


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    """What came back.

    Attributes:
        text: The answer.
        prompt_tokens: Tokens of the question.
        completion_tokens: Tokens of the answer.
        estimated: Whether the tokens were estimated: the endpoint did not tell them.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    estimated: bool = False


class CallJournal:
    """Answers in a file of JSON lines, each written as soon as it is there.

    Several threads may write at once. A line that a crash cut off is passed over.

    Args:
        path: The file; made, with its folder, for the first answer.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._known = dict(_read(path))

    def get(self, call: Call) -> Told | None:
        """The answer to a call, if it was made before."""
        return self._known.get(call.key)

    def add(self, calls: Sequence[Call], answers: Sequence[Told]) -> None:
        """Keep answers; when this returns they survive the end of the process."""
        told = [(call.key, one) for call, one in zip(calls, answers, strict=True)]
        lines = [json.dumps({"key": k, **dataclasses.asdict(t)}, ensure_ascii=False)
                 for k, t in told]  # fmt: skip
        with self._lock:
            self._known.update(told)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab+") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(size - 1, 0))
                begun = file.read(1) not in (b"", b"\n")  # a line that a crash cut off
                file.write(("\n" * begun + "".join(f"{line}\n" for line in lines)).encode())


def _read(path: Path) -> Iterator[tuple[str, Told]]:
    if not path.is_file():
        return
    with path.open("rb") as file:
        for line in file:
            try:
                told = json.loads(line)
                yield told.pop("key"), Told(**told)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
