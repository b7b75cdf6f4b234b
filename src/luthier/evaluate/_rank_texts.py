"""The texts that language models are ranked on, and those that the n-gram model learns."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from luthier.core.errors import DataError
from luthier.core.records import Document, Example, Side
from luthier.data.duplicates import DuplicatesSpec, survivors
from luthier.data.prepare import read_documents, read_examples

HeldOut = Literal["validation", "test"]
KINDS = (".txt", ".md", ".jsonl")


@dataclasses.dataclass(frozen=True, slots=True)
class Text:
    """One text.

    Attributes:
        name: Where it stands (``file:line``).
        group: Texts of one group belong together (a document and the questions about it).
        text: The text itself.
    """

    name: str
    group: str
    text: str

    @property
    def size_bytes(self) -> int:
        """Bytes in UTF-8."""
        return len(self.text.encode())


@dataclasses.dataclass(frozen=True, slots=True)
class Project:
    """A project's texts by side.

    Attributes:
        rows: Prepared rows as split.
        documents: Its documents.
        sides: The side of each document by id; ``""`` where no row tells.
    """

    rows: Sequence[Example]
    documents: Sequence[Document]
    sides: dict[str, Side]

    def held_out(self, side: HeldOut, *, documents: bool = True) -> list[Text]:
        """The rows of a side as plain text, and its documents.

        Args:
            side: Which.
            documents: Whether the documents are wanted too.
        """
        texts = [Text(r.origin, r.group, plain(r)) for r in self.rows if r.side == side]
        if documents:
            kept = [d for d in self.documents if self.sides[d.id] == side]
            texts += [Text(d.origin, d.group, d.text) for d in kept]
        return texts

    def learned(self) -> list[str]:
        """Training rows, and documents that neither are held out nor repeat one that is."""
        rows = [plain(r) for r in self.rows if r.side == "train"]
        return rows + [d.text for d in self.documents if self.sides[d.id] in ("", "train")]


def read_project(prepared: Path, texts: Path, duplicates: DuplicatesSpec) -> Project:
    """Rows and documents of a project with their sides.

    A document is on the side of the rows made from it, or of its group. One without either (no
    question could be made, or it nearly repeats another) is on the side of the document it
    repeats.

    Args:
        prepared: A folder ``prepare`` filled.
        texts: The folder with the documents.
        duplicates: What counts as a near-duplicate.
    """
    rows, documents = read_examples(prepared), read_documents(texts)
    by_group = {row.group: row.side for row in rows}
    by_document = {row.document_id: row.side for row in rows if row.document_id}
    sides: dict[str, Side] = {
        d.id: by_document.get(d.id) or by_group.get(d.group, "") for d in documents
    }
    if not all(sides.values()):
        known_first = sorted(documents, key=lambda d: not sides[d.id])
        twins = survivors([d.text for d in known_first], duplicates)
        for document, twin in zip(known_first, twins, strict=True):
            sides[document.id] = sides[document.id] or sides[known_first[twin].id]
    return Project(rows, documents, sides)


def plain(row: Example) -> str:
    """A conversation as plain text: what each turn says, a line break between two.

    Nobody's role is written: it would be free bits for whoever has learned that form.
    """
    return "\n".join(said for m in row.messages for said in (m.content, m.tool_calls) if said)


def read_texts(path: Path) -> list[Text]:
    """The texts of a file, or of all text and JSONL files of a folder and those within it.

    A ``.txt`` or ``.md`` file is one text. Each line of a ``.jsonl`` file is one: a string, an
    object with ``text``, or one with ``messages`` (their ``content`` joined by line breaks).

    Raises:
        DataError: There are none, or one cannot be read.
    """
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() in KINDS and p.is_file())
    else:
        files = [path]
    texts = [text for file in files for text in _of_file(file)]
    if not any(text.text for text in texts):
        raise DataError(
            "there is no text here",
            where=str(path),
            mend=f"Name a file or a folder of files that end in {', '.join(KINDS)}.",
        )
    return texts


def _of_file(path: Path) -> Iterator[Text]:
    try:
        content = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read this as UTF-8 text: {error}", where=str(path)) from error
    if path.suffix.lower() != ".jsonl":
        yield Text(str(path), str(path), content)
        return
    for number, line in enumerate(content.split("\n"), 1):
        if line.strip():
            name = f"{path}:{number}"
            yield Text(name, name, _of_line(line, name))


def _of_line(line: str, where: str) -> str:
    try:
        text = _text_of(json.loads(line))
        text.encode()
    except (ValueError, KeyError, TypeError) as error:
        told = f"there is no key {error}" if isinstance(error, KeyError) else error
        raise DataError(
            f"no text on this line: {told}",
            where=where,
            mend='Write {"text": "..."} or {"messages": [{"role": ..., "content": ...}, ...]}.',
        ) from error
    return text


def _text_of(value: Any) -> str:
    if isinstance(value, dict):
        turns = value["messages"] if "messages" in value else [{"content": value["text"]}]
        return "\n".join(_text_of(turn["content"]) for turn in turns)
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} instead of text")
    return value


def choose(texts: Iterable[Text], max_bytes: int | None) -> tuple[list[Text], list[Text]]:
    """Whole texts that fit into so many bytes, and those left out; texts are never cut.

    They are taken in the order of a hash, so that the same ones are taken again and the first
    few are a fair sample. Texts without a byte are left out.

    Args:
        texts: All texts.
        max_bytes: In UTF-8; None for all.

    Raises:
        DataError: None is left.
    """
    every = list(texts)
    order = sorted(
        range(len(every)),
        key=lambda i: hashlib.sha256(f"{every[i].name}\n{every[i].text}".encode()).digest(),
    )
    taken, size = set(), 0
    for place in order:
        more = every[place].size_bytes
        if more and (max_bytes is None or size + more <= max_bytes):
            taken.add(place)
            size += more
    if not taken:
        raise DataError(
            "no text is left to rank models on",
            mend="Raise --max-bytes: texts are taken whole."
            if any(t.text for t in every)
            else "The project holds nothing on this side: name texts with --texts.",
        )
    kept = [text for place, text in enumerate(every) if place in taken]
    return kept, [text for place, text in enumerate(every) if place not in taken]
