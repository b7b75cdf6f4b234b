"""Mend words that the corpus does not know by words that it does.

The index holds a hash for every term and every way of leaving out one or two of its letters. A
misspelt word and its term share such a shortened form (the symmetric deletion of Garbe's SymSpell,
2012, after Mor & Fraenkel 1982, "A hash code method for detecting and correcting spelling errors"),
so that a look-up costs a few dozen searches in a sorted array, whatever the size of the vocabulary.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import Field

from luthier.core.errors import ModelError
from luthier.core.spec import Spec

Hashes = npt.NDArray[np.uint64]

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_CHUNK = re.compile(r"\S+")
_CODE = re.compile(r"[\d_@#/\\=<>{}\[\]`$]|\w[.:]\w|\w\(|[a-z][A-Z]")
_QUOTED = re.compile(r'"[^"]*"|`[^`]*`')
_MOST_LETTERS = 24  # longer terms are not words
_PREFIX = 10  # letters that are shortened and hashed; what is behind them is left to the distance
_MOST_WORDS = 100  # longer questions are pasted text, and are left alone
_FACTORS = np.random.default_rng(0).integers(1, 1 << 64, 2 * _PREFIX + 2, np.uint64) | np.uint64(1)


class SpellingSpec(Spec):
    """How misspelt words are mended."""

    one_edit_from: int = Field(4, ge=3)
    """Letters a word must have to be mended by one edit; shorter words are left alone."""
    two_edits_from: int = Field(8, ge=4)
    """Letters it must have to be mended by two."""
    least_passages: int = Field(1, ge=1)
    """Passages that a term must stand in to mend others: a rare one may be misspelt itself."""


@dataclasses.dataclass(frozen=True, slots=True)
class Mended:
    """One word that was mended.

    Attributes:
        word: As it was asked.
        term: What stands in its place.
        passages: In how many passages the term stands.
    """

    word: str
    term: str
    passages: int


class Speller:
    """Mends words by a vocabulary. Made once for an index, asked for every question.

    Args:
        frequencies: In how many passages each term stands; terms in lower case, as they are
            written and not stemmed (`Legs.vocabulary`). A correction tells that a word is in the
            corpus: make it from what the viewer may see, or give `mend` the frequencies there.
        spec: See `SpellingSpec`.
    """

    def __init__(self, frequencies: Mapping[str, int], spec: SpellingSpec | None = None) -> None:
        self.spec = spec or SpellingSpec()
        self.frequencies = frequencies
        least, shortest = self.spec.least_passages, self.spec.one_edit_from - 1
        self._terms = [
            term
            for term, passages in frequencies.items()
            if passages >= least
            and shortest <= len(term) <= _MOST_LETTERS
            and _WORD.fullmatch(term)
        ]
        self._hashes, self._owners = self._index()

    def mend(
        self,
        text: str,
        frequency: Callable[[str], int] | None = None,
        known: Callable[[str], bool] | None = None,
    ) -> tuple[str, list[Mended]]:
        """A question with its unknown words mended, and which they were.

        Words that the corpus knows, numbers, names of code, what stands in quotes, and scripts
        without capitals are never touched.

        Args:
            text: The question, normalised.
            frequency: In how many passages that the viewer may see a word stands, as the search
                looks it up (stemmed, say). By default the vocabulary says.
            known: Whether a word that the corpus lacks is a word all the same ("kind", where the
                corpus has "king"): then it is left alone. See `whole_words`.
        """
        chunks = list(_CHUNK.finditer(text))
        if len(chunks) > _MOST_WORDS:
            return text, []
        found_in = frequency or (lambda word: self.frequencies.get(word, 0))
        quoted = [found.span() for found in _QUOTED.finditer(text)]
        made: list[Mended] = []
        parts, last = [], 0
        for chunk in chunks:
            inside = any(first < chunk.end() and chunk.start() < end for first, end in quoted)
            if inside or _CODE.search(chunk.group().rstrip(".,:;!?)")):
                continue
            for found in _WORD.finditer(text, *chunk.span()):
                if (one := self._mended(found.group(), found_in, known)) is not None:
                    made.append(one)
                    parts += [text[last : found.start()], one.term]
                    last = found.end()
        return "".join([*parts, text[last:]]), made

    def _mended(
        self, word: str, found_in: Callable[[str], int], known: Callable[[str], bool] | None
    ) -> Mended | None:
        stem = word[:-2] if word.endswith("'s") else word
        low = stem.lower()
        capitals = sum(c.isupper() for c in stem)
        if (
            not self.spec.one_edit_from <= len(stem) <= _MOST_LETTERS
            or 1 < capitals < len(stem)  # a formula or a name such as PPARy
            or (capitals == len(stem) and len(stem) < self.spec.two_edits_from)
            or not all(c.lower() != c.upper() or c == "'" for c in stem)
            or found_in(low)
            or found_in(word.lower())
            or (known is not None and known(low))
        ):
            return None
        edits = 2 if len(stem) >= self.spec.two_edits_from else 1
        best: tuple[int, int, str] | None = None
        for term in self._near(low, edits):
            distance, count = _distance(low, term, edits), found_in(term)
            if distance <= edits and count >= self.spec.least_passages:
                # the first letter is seldom wrong (Pollock & Zamora 1984): else it costs one more
                rank = (distance + (term[0] != low[0]), -count, term)
                best = rank if best is None else min(best, rank)
        if best is None or best[0] > edits:
            return None
        return Mended(word, _cased(best[2], stem) + word[len(stem) :], -best[1])

    def _near(self, word: str, edits: int) -> Iterable[str]:
        """Terms that may be within so many edits, and some that are not."""
        letters = _codes([word])[0][:_PREFIX]
        forms = [letters[_kept(len(letters), fewer)] for fewer in range(edits + 1)]
        hashes = np.unique(np.concatenate([_hash(form) for form in forms]))
        low = np.searchsorted(self._hashes, hashes, "left")
        high = np.searchsorted(self._hashes, hashes, "right")
        rows = {row for a, b in zip(low, high, strict=True) for row in self._owners[a:b].tolist()}
        return (self._terms[row] for row in rows)

    def _index(self) -> tuple[Hashes, npt.NDArray[np.int32]]:
        """Hashes of all shortened forms in order, and the term each belongs to."""
        hashes: list[Hashes] = [np.empty(0, np.uint64)]
        owners: list[npt.NDArray[np.int32]] = [np.empty(0, np.int32)]
        alike: dict[tuple[int, int], list[int]] = {}
        for row, term in enumerate(self._terms):
            # one or two letters short of a long word may still be asked for with two edits
            edits = 2 if len(term) >= self.spec.two_edits_from - 2 else 1
            alike.setdefault((min(len(term), _PREFIX), edits), []).append(row)
        for (length, edits), rows in alike.items():
            codes, own = (
                _codes([self._terms[row][:length] for row in rows]),
                np.array(rows, np.int32),
            )
            for fewer in range(edits + 1):
                for kept in _kept(length, fewer):
                    hashes.append(_hash(codes[:, kept]))
                    owners.append(own)
        every, owner = np.concatenate(hashes), np.concatenate(owners)
        order = np.argsort(every, kind="stable")
        return every[order], owner[order]


def whole_words(tokenizer: Path) -> frozenset[str]:
    """The words that an encoder knows whole: a list of what is a word, though no corpus has it.

    Of a WordPiece vocabulary (BERT, MiniLM) those pieces that begin a word and are no prefix mark;
    other vocabularies have pieces that look like words and are none, and give nothing.

    Args:
        tokenizer: The encoder's ``tokenizer.json``.
    """
    try:
        model = json.loads(tokenizer.read_text(encoding="utf-8"))["model"]
        pieces = list(model["vocab"]) if model.get("type") == "WordPiece" else []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"cannot read this file: {error}", where=str(tokenizer)) from error
    return frozenset(piece.lower() for piece in pieces if len(piece) > 2 and piece.isalpha())


def _codes(same_length: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Words of one length as code points, shape (words, letters)."""
    length = len(same_length[0])
    points = np.frombuffer("".join(same_length).encode("utf-32-le"), dtype="<u4")
    return points.reshape(len(same_length), length).astype(np.uint64)


@functools.cache
def _kept(length: int, fewer: int) -> npt.NDArray[np.intp]:
    """The letters that stay, for every way of leaving out so many: shape (ways, letters)."""
    return np.array(list(itertools.combinations(range(length), length - fewer)), np.intp)


def _hash(codes: npt.NDArray[np.uint64]) -> Hashes:
    """A multilinear hash over 64 bits; what collides is told apart by its distance."""
    length = codes.shape[1]
    return np.asarray((codes * _FACTORS[:length]).sum(axis=1) + _FACTORS[-1 - length], np.uint64)


def _distance(first: str, second: str, most: int) -> int:
    """Edits between two words, a swap of neighbours being one; ``most + 1`` for any more.

    Optimal string alignment (Damerau 1964, "A technique for computer detection and correction of
    spelling errors").
    """
    if abs(len(first) - len(second)) > most:
        return most + 1
    same = _shared(first, second)
    first, second = first[same:][::-1], second[same:][::-1]  # what both begin and end with is free
    same = _shared(first, second)
    first, second = first[same:], second[same:]
    before: list[int] = []
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        older, before, row = before, row, [i]
        for j, b in enumerate(second, 1):
            cost = before[j - 1] if a == b else 1 + min(before[j - 1], before[j], row[j - 1])
            if i > 1 and j > 1 and a == second[j - 2] and first[i - 2] == b:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
        if min(row) > most and (not before or min(before) > most):
            return most + 1
    return min(row[-1], most + 1)


def _shared(first: str, second: str) -> int:
    """How many letters two words begin with alike."""
    for place, (a, b) in enumerate(zip(first, second, strict=False)):
        if a != b:
            return place
    return min(len(first), len(second))


def _cased(term: str, word: str) -> str:
    if word.isupper():
        return term.upper()
    return term.capitalize() if word[0].isupper() else term
