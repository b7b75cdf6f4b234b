"""Decontamination: rows that share a long run of words with a named evaluation file are refused.

Brown et al. 2020, Language models are few-shot learners, appendix C: an overlap of 13 words.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from luthier.core.errors import DataError
from luthier.core.spec import Spec
from luthier.data.clean.facts import Facts, Rows, Verdict
from luthier.data.duplicates import words_of

Index = dict[int, frozenset[int]]
"""Hashes of word runs by their length; runs shorter than the limit are whole texts."""


class DecontaminateSpec(Spec):
    """Which evaluation files must not stand in the data."""

    judges: Rows = "all"
    """Which rows are judged: ``all``, ``documents`` or ``rows``."""
    files: tuple[str, ...] = Field(min_length=1)
    """JSONL, JSON, CSV, TSV or text files (each also with ``.gz``), relative to the project file.
    Of JSON and CSV every text in every field counts."""
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
    """
    try:
        data = path.read_bytes()
        packed = path.suffix == ".gz"
        text = (gzip.decompress(data) if packed else data).decode("utf-8-sig")
        kind = (path.with_suffix("") if packed else path).suffix.lower()
        if kind == ".jsonl":
            for line in text.splitlines():
                if line.strip():
                    yield from _strings(json.loads(line))
        elif kind == ".json":
            yield from _strings(json.loads(text))
        elif kind in (".csv", ".tsv"):
            rows = csv.reader(
                io.StringIO(text, newline=""), delimiter="\t" if kind == ".tsv" else ","
            )
            yield from (field for row in rows for field in row)
        else:
            yield from text.split("\n\n")
    except (OSError, EOFError, ValueError, csv.Error) as error:
        raise DataError(
            f"cannot read this evaluation file: {error}",
            where=str(path),
            mend="Check `data.clean.decontaminate.files`.",
        ) from error


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
