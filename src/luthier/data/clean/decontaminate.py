"""Decontamination: rows that share a long run of words with a named evaluation file are refused.

Brown et al. 2020, Language models are few-shot learners, appendix C: an overlap of 13 words.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import Field

from luthier.core.errors import DataError
from luthier.core.spec import Spec
from luthier.data.clean.facts import Facts, Rows, Verdict
from luthier.data.duplicates import words_of
from luthier.data.sources.csv import MAX_FIELD_CHARS
from luthier.data.sources.files import reading

Index = dict[int, frozenset[int]]
"""Hashes of word runs by their length; runs shorter than the limit are whole texts."""
_MEND = "Check `data.clean.decontaminate.files`; paths start from the project file's folder."
_BLANK_LINE = re.compile(r"\r?\n[ \t]*\r?\n")


class DecontaminateSpec(Spec):
    """Which evaluation files must not stand in the data."""

    judges: Rows = "all"
    """Which rows are judged: ``all``, ``documents`` or ``rows``."""
    files: tuple[str, ...] = Field(min_length=1)
    """JSONL, JSON, CSV, TSV or text files (each also with ``.gz`` or ``.zst``), relative to the
    project file. Of JSON and CSV every text in every field counts."""
    words: int = Field(13, ge=4, le=100)
    """Length of the run of words that must not be shared."""
    min_words: int = Field(6, ge=2)
    """Texts of the files with fewer words say too little to be looked for. Those between this and
    ``words`` are looked for as a whole."""


def check_decontaminated(facts: Facts, spec: DecontaminateSpec, index: Index) -> Verdict:
    """Whether a text shares no run of words with the evaluation files.

    Args:
        facts: The text.
        spec: Settings.
        index: From ``read_index``.
    """
    words = words_of(facts.text)
    for length, known in index.items():
        if length == spec.words:
            for at in range(len(words) - length + 1):
                run = words[at : at + length]
                if _hash(run) in known:
                    return "stands in an evaluation file", " ".join(run)
        elif len(words) >= length:
            for at in range(len(words) - length + 1):
                if _hash(words[at : at + length]) in known:
                    return "stands in an evaluation file", " ".join(words[at : at + length])
    return None


def read_index(spec: DecontaminateSpec, base: Path) -> Index:
    """Hash all runs of words of the named files.

    Args:
        spec: Settings.
        base: Folder that relative paths start from.

    Raises:
        DataError: A file is missing, not UTF-8, or not of the form its name says.
    """
    found: dict[int, set[int]] = {}
    for name in spec.files:
        for text in texts_of(base / name):
            words = words_of(text)
            if len(words) < spec.min_words:
                continue
            length = min(spec.words, len(words))
            runs = found.setdefault(length, set())
            runs.update(_hash(words[i : i + length]) for i in range(len(words) - length + 1))
    return {length: frozenset(runs) for length, runs in found.items()}


def texts_of(path: Path) -> Iterator[str]:
    """Every text in an evaluation file.

    Raises:
        DataError: The file cannot be read as what its name says.
        ResourceError: ``.zst`` and the library zstandard is not installed.
    """
    packed = path.suffix.lower() in (".gz", ".zst")
    kind = (path.with_suffix("") if packed else path).suffix.lower()
    try:
        with reading(path) as file:
            if kind == ".jsonl":
                yield from _json_lines(file, path)
            else:
                with io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
                    yield from _texts(text, kind)
    except DataError as error:
        raise DataError(error.what, where=error.where, mend=_MEND) from error
    except (ValueError, RecursionError, csv.Error) as error:
        raise _unreadable(error, str(path)) from error


def _texts(file: io.TextIOWrapper, kind: str) -> Iterator[str]:
    match kind:
        case ".json":
            yield from _strings(json.load(file))
        case ".csv" | ".tsv":
            csv.field_size_limit(MAX_FIELD_CHARS)
            rows = csv.reader(file, delimiter="\t" if kind == ".tsv" else ",")
            yield from (field for row in rows for field in row)
        case _:
            yield from _BLANK_LINE.split(file.read())


def _json_lines(file: BinaryIO, path: Path) -> Iterator[str]:
    """Lines end at line feeds alone: other ends of lines may stand inside a JSON text."""
    for number, line in enumerate(file, 1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            found = list(_strings(json.loads(text))) if text.strip() else []
        except (ValueError, RecursionError) as error:
            raise _unreadable(error, f"{path}:{number}") from error
        yield from found


def _unreadable(error: Exception, where: str) -> DataError:
    return DataError(f"cannot read this evaluation file: {error}", where=where, mend=_MEND)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _hash(words: Sequence[str]) -> int:
    return int.from_bytes(hashlib.blake2b(" ".join(words).encode(), digest_size=8).digest(), "big")
