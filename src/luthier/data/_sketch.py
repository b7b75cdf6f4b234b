"""What near-duplicates are found by: word shingles as sorted numbers, and MinHash bands of them.

All texts of a batch are worked on at once, in arrays. A word's number is a polynomial of its code
points modulo 2^64, read off one running sum over the whole batch (R. Karp, M. Rabin, *Efficient
randomized pattern-matching algorithms*, 1987), then mixed; a shingle's is a mix of its words'.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import sys
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Shingles = npt.NDArray[np.uint32]
Counts = npt.NDArray[np.int64]

CHUNK_CHARACTERS = 2**18
"""Characters whose words are numbered at once: what fits the processor's caches."""
BATCH_CHARACTERS = 2**19
"""Texts are sketched in batches of about so many characters."""

_NOT_WORD = re.compile(r"\W")
_BASE = 0x9E3779B97F4A7C55
_MIX = np.uint64(0xC2B2AE3D27D4EB4F)
_STEP = np.uint64(0x9E3779B97F4A7C15)


@dataclasses.dataclass(frozen=True, slots=True)
class Sketch:
    """A batch of texts as numbers.

    Attributes:
        bands: A number for each text and band (texts x bands); two texts that share one may be
            alike. Zero throughout for texts that are too short.
        shingles: The sorted distinct shingles of all texts, one text after the other.
        counts: How many of them each text has; 0 for texts that are too short.
        whole: A number for each text's set of shingles: equal sets have equal numbers.
    """

    bands: Shingles
    shingles: Shingles
    counts: Counts
    whole: Hashes


def batched(texts: Iterable[str]) -> Iterator[list[str]]:
    """Texts in batches of about ``BATCH_CHARACTERS``; read as a stream."""
    batch, characters = list[str](), 0
    for text in texts:
        batch.append(text)
        characters += len(text) + 16
        if characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def sketch(
    texts: Sequence[str], *, shingle_words: int, min_words: int, bands: int, rows: int
) -> Sketch:
    """Shingles and bands of a batch of texts.

    A text's part of the answer depends on nothing but that text.

    Args:
        texts: The texts.
        shingle_words: Words in a shingle; a text of fewer is one shingle.
        min_words: Texts of fewer words get no shingle.
        bands: How many bands.
        rows: MinHash values in a band.
    """
    shingles, counts = shingles_of(texts, shingle_words, min_words)
    filled = np.flatnonzero(counts)
    found = np.zeros((len(texts), bands), dtype=np.uint32)
    whole = np.zeros(len(texts), dtype=np.uint64)
    if len(filled):
        starts = np.cumsum(counts[filled]) - counts[filled]
        found[filled] = _bands(shingles, starts, bands, rows)
        mixed = shingles.astype(np.uint64) * _MIX
        mixed ^= mixed >> np.uint64(29)
        whole[filled] = _mixed(np.add.reduceat(mixed * _STEP, starts))
    return Sketch(found, shingles, counts, whole)


def _words(texts: Sequence[str]) -> tuple[Hashes, Counts]:
    """The numbers of all words, and how many words each text has."""
    numbers: list[Hashes] = []
    counts = np.zeros(len(texts), dtype=np.int64)
    first, waiting, characters = 0, list[str](), 0
    for index, text in enumerate(texts):
        if characters + len(text) > CHUNK_CHARACTERS and waiting:
            _number(waiting, numbers, counts[first:index])
            first, waiting, characters = index, [], 0
        if len(text) > CHUNK_CHARACTERS:
            for piece in _pieces(text.casefold()):
                _number([piece], numbers, counts[index : index + 1])
            first = index + 1
        else:
            waiting.append(text.casefold())
            characters += len(text)
    if waiting:
        _number(waiting, numbers, counts[first:])
    return np.concatenate(numbers or [np.zeros(0, np.uint64)]), counts


def _pieces(text: str) -> Iterator[str]:
    """A long text in pieces that end between words."""
    start = 0
    while start < len(text):
        gap = _NOT_WORD.search(text, start + CHUNK_CHARACTERS)
        end = gap.start() if gap else len(text)
        yield text[start:end]
        start = end


def _number(texts: Sequence[str], numbers: list[Hashes], counts: Counts) -> None:
    """Append the numbers of the texts' words, and add how many there are to ``counts``."""
    joined = "\n" + "\n".join(texts) + "\n"
    if joined.isascii():
        codes = np.frombuffer(joined.encode("ascii"), dtype=np.uint8)
    else:
        order = "le" if sys.byteorder == "little" else "be"
        encoded = joined.encode(f"utf-32-{order}", "surrogatepass")
        codes = np.frombuffer(encoded, dtype=np.uint32)
    inside = _is_word()[codes]
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    starts, ends = (
        edges[::2],
        edges[1::2],
    )  # the characters before a word's first and after its last
    powers, inverses = _powers(len(codes))
    sums = np.cumsum(codes * powers[: len(codes)], dtype=np.uint64)
    found = (sums[ends] - sums[starts]) * inverses[starts]
    numbers.append(_mixed(found))
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    bounds = np.cumsum(lengths + 1)  # where each text's line ends
    counts += np.diff(np.searchsorted(starts, bounds), prepend=0)


def _mixed(numbers: Hashes) -> Hashes:
    numbers ^= numbers >> np.uint64(32)
    numbers *= _MIX
    numbers ^= numbers >> np.uint64(29)
    return numbers


@functools.cache
def _is_word() -> npt.NDArray[np.bool_]:
    """For each code point whether it is part of a word, as regular expressions see it."""
    found = np.zeros(sys.maxunicode + 1, dtype=np.bool_)
    for run in re.finditer(r"\w+", "".join(map(chr, range(sys.maxunicode + 1)))):
        found[run.start() : run.end()] = True
    return found


@functools.lru_cache(maxsize=2)
def _power_table(length: int) -> tuple[Hashes, Hashes]:
    both = []
    for base in (_BASE, pow(_BASE, -1, 2**64)):
        powers = np.full(length, base, dtype=np.uint64)
        powers[0] = 1
        both.append(np.cumprod(powers, dtype=np.uint64))
    return both[0], both[1]


def _powers(length: int) -> tuple[Hashes, Hashes]:
    """Powers of the base and of its inverse, at least ``length`` of each."""
    return _power_table(max(2 * CHUNK_CHARACTERS, 1 << (length - 1).bit_length()))


def shingles_of(texts: Sequence[str], width: int, min_words: int) -> tuple[Shingles, Counts]:
    """The distinct shingles of each text, sorted, one text after the other; how many each has.

    Args:
        texts: The texts.
        width: Words in a shingle; a text of fewer is one shingle.
        min_words: Texts of fewer words get no shingle.
    """
    words, counts = _words(texts)
    ends = np.cumsum(counts)
    text_of = np.repeat(np.arange(len(counts)), counts)
    long_enough = counts >= min_words
    place = np.arange(len(words))
    starts = np.flatnonzero((place + width <= ends[text_of]) & long_enough[text_of])
    parts = [_windows(words, text_of, starts, width)]
    for short in range(min_words, width):  # such a text is one shingle of all its words
        starts = (ends - counts)[counts == short]
        parts.append(_windows(words, text_of, starts, short))
    keyed = np.concatenate(parts)
    keyed.sort()
    if len(keyed):
        keyed = keyed[np.concatenate([[True], keyed[1:] != keyed[:-1]])]
    found = np.bincount((keyed >> np.uint64(32)).astype(np.int64), minlength=len(counts))
    return keyed.astype(np.uint32), found


def _windows(words: Hashes, text_of: Counts, starts: Counts, width: int) -> Hashes:
    """For each start the text's index and a 32-bit shingle of ``width`` words, in one number."""
    mixed = np.zeros(len(starts), dtype=np.uint64)
    for column in range(width):
        mixed ^= words[starts + column]
        mixed *= _STEP
        mixed ^= mixed >> np.uint64(29)
    return (text_of[starts].astype(np.uint64) << np.uint64(32)) | (mixed >> np.uint64(32))


def _bands(shingles: Shingles, starts: Counts, bands: int, rows: int) -> Shingles:
    """One number for each text and band, from the least of each of ``bands x rows`` orders."""
    draw = np.random.Generator(np.random.PCG64(0))
    factors = draw.integers(0, 2**32, size=(bands, rows, 2), dtype=np.uint32)
    found = np.zeros((len(starts), bands), dtype=np.uint32)
    ordered = np.empty_like(shingles)
    for band in range(bands):
        mixed = np.zeros(len(starts), dtype=np.uint64)
        for factor, flip in factors[band]:
            np.multiply(shingles, factor | np.uint32(1), out=ordered)
            np.bitwise_xor(ordered, flip, out=ordered)
            mixed = (mixed ^ np.minimum.reduceat(ordered, starts)) * _STEP
            mixed ^= mixed >> np.uint64(31)
        found[:, band] = mixed >> np.uint64(32)
    return found
