"""fastText's supervised models, asked for many texts at once.

A text's vector is the mean of its words' vectors, and a word's is a sum over its runs of letters:
so each word is worked out once, and a batch of texts is a few sums and one product of matrices.
Answers are those of fastText's own ``predict``.

Source: A. Joulin et al., *Bag of Tricks for Efficient Text Classification*, 2017; *FastText.zip:
Compressing text classification models*, 2016. The layout of the file is that of version 12.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

CHUNK_TEXTS = 1024
"""Texts that are worked on at once."""
MOST_WORDS = 2**18
"""Words that are remembered; past it the memory starts anew."""
BLOCK_TEXTS = 64
"""Rows of one product of matrices: always as many, since rounding depends on their number."""

_MAGIC, _VERSION = 793712314, 12
_SOFTMAX_TREE = 1
_LABEL, _END = b"__label__", b"</s>"
_ENDS = re.compile(rb"(?<!\S)</s>(?!\S)")
_FNV_START, _FNV_PRIME = np.uint32(2166136261), np.uint32(16777619)


@dataclasses.dataclass(frozen=True, slots=True)
class _Settings:
    dimension: int
    bucket: int
    shortest: int
    longest: int


class FastText:
    """A model from a file (``.bin`` or ``.ftz``) with one label for each text.

    Args:
        path: The file.

    Attributes:
        labels: Without their prefix, most frequent first.

    Raises:
        OSError: There is no such file.
        ValueError: It is no such model or not whole, or one with another loss than the softmax
            tree, or with runs of several words.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            try:
                self._settings = _read_settings(file)
                names, counts, is_label, pruned = _read_names(file)
                inputs = _read_matrix(file, quantized=_one(file, "?"))
                outputs = _read_matrix(file, quantized=_one(file, "?"))
            except (struct.error, IndexError, ValueError, OverflowError, MemoryError) as error:
                raise ValueError(f"not a fastText model that can be read: {error}") from error
        words = [name for name, label in zip(names, is_label, strict=True) if not label]
        self.labels = tuple(
            name.removeprefix(_LABEL).decode()
            for name, label in zip(names, is_label, strict=True)
            if label
        )
        self._ids = {word: number for number, word in enumerate(words)}
        self._places = _places(pruned, self._settings.bucket, len(words))
        self._inputs = inputs
        self._outputs = outputs
        sizes = [count for count, label in zip(counts, is_label, strict=True) if label]
        self._paths = _paths(sizes)
        self._forget()

    def predict(self, texts: Sequence[str]) -> list[tuple[str, float]]:
        """The likeliest label of each text and its probability, 0 to 1.

        Args:
            texts: Line breaks in them count as spaces, and so does ``</s>``, where fastText would
                stop reading.

        Returns:
            One pair for each text, which follows from that text alone; ``("", 0.0)`` where no
            part of it is known.
        """
        found: list[tuple[str, float]] = []
        for first in range(0, len(texts), CHUNK_TEXTS):
            found += self._told(texts[first : first + CHUNK_TEXTS])
        return found

    def _told(self, texts: Sequence[str]) -> list[tuple[str, float]]:
        joined = "\n".join([text.replace("\n", " ") for text in texts]).encode("utf-8", "replace")
        plain = joined.replace(b"\0", b" ")
        plain = _ENDS.sub(b" ", plain) if _END in plain else plain
        words = (plain.replace(b"\n", b" </s> ") + b" </s>").split()
        places = self._numbered(words)
        stops = np.flatnonzero(places == 0) + 1  # each text ends with the mark, which is word 0
        starts = np.concatenate([[0], stops[:-1]])
        sums = np.add.reduceat(self._sums[places], starts, axis=0)
        parts = np.add.reduceat(self._parts[places], starts)
        logs = self._likely(sums / np.maximum(parts, 1).astype(np.float32)[:, None])
        best = np.argmax(logs, axis=1)
        chances = np.exp(logs[np.arange(len(best)), best])
        return [
            (self.labels[label], min(chance, 1.0)) if some else ("", 0.0)
            for label, chance, some in zip(best.tolist(), chances.tolist(), parts, strict=True)
        ]

    def _likely(self, hidden: npt.NDArray[np.floating]) -> Floats:
        """The logarithm of each label's chance for each text, block by block."""
        blocks = -(-len(hidden) // BLOCK_TEXTS)
        padded = np.zeros((blocks * BLOCK_TEXTS, hidden.shape[1]), dtype=np.float32)
        padded[: len(hidden)] = hidden
        cut = padded.reshape(blocks, BLOCK_TEXTS, -1)
        found = _logarithms(cut @ self._outputs[: len(self.labels) - 1].T) @ self._paths
        return np.asarray(found.reshape(len(padded), -1)[: len(hidden)])

    def _numbered(self, words: list[bytes]) -> Ints:
        """The number of each word; words that are new are worked out."""
        if len(self._known) > MOST_WORDS:
            self._forget()
        found = map(self._known.get, words, itertools.repeat(-1))
        numbers = np.fromiter(found, np.int64, len(words))
        unknown = np.flatnonzero(numbers < 0).tolist()
        if unknown:
            self._learn(sorted({words[place] for place in unknown}))
            numbers[unknown] = [self._known[words[place]] for place in unknown]
        return numbers

    def _forget(self) -> None:
        """Remember the mark at the end of a text alone: word 0."""
        end = self._ids.get(_END)
        self._known: dict[bytes, int] = {_END: 0}
        self._sums = np.zeros((1, self._settings.dimension), dtype=np.float32)
        self._parts = np.asarray([0 if end is None else 1])
        if end is not None:
            self._sums[0] = self._inputs[end]

    def _learn(self, words: Sequence[bytes]) -> None:
        """Work out the sums of new words, and how many parts each has."""
        if not words:
            return
        owners, rows = self._runs(words)
        own = [(number, self._ids[w]) for number, w in enumerate(words) if w in self._ids]
        owners = np.concatenate([owners, np.asarray([o for o, _ in own], dtype=np.int64)])
        rows = np.concatenate([rows, np.asarray([r for _, r in own], dtype=np.int64)])
        order = np.argsort(owners, kind="stable")
        owners, rows = owners[order], rows[order]
        parts = np.bincount(owners, minlength=len(words))
        sums = np.zeros((len(words), self._settings.dimension), dtype=np.float32)
        filled = np.flatnonzero(parts)
        if len(filled):
            starts = (np.cumsum(parts) - parts)[filled]
            sums[filled] = np.add.reduceat(self._inputs[rows], starts, axis=0)
        first = len(self._known)
        self._known.update((word, first + number) for number, word in enumerate(words))
        self._sums = np.concatenate([self._sums, sums])
        self._parts = np.concatenate([self._parts, parts])

    def _runs(self, words: Sequence[bytes]) -> tuple[Ints, Ints]:
        """The runs of letters of words that the model holds: which word's, and which row."""
        labels = {n for n, word in enumerate(words) if word.startswith(_LABEL)}
        marked = [b"" if n in labels else b"<" + word + b">" for n, word in enumerate(words)]
        text = np.frombuffer(b"".join(marked) + bytes(4), dtype=np.uint8)
        lengths = np.fromiter(map(len, marked), np.int64, len(marked))
        ends = np.cumsum(lengths)
        opens = np.flatnonzero((text[: int(ends[-1])] & 0xC0) != 0x80)  # where characters start
        owner = np.searchsorted(ends, opens, side="right")
        stops = np.append(opens, ends[-1])
        signed = text.view(np.int8).astype(np.uint32)
        nothing = np.zeros(0, dtype=np.int64)
        found_owners, found_rows = [nothing], [nothing]
        for letters in range(max(1, self._settings.shortest), self._settings.longest + 1):
            last = np.arange(len(opens)) + letters
            inside = last <= len(opens)
            begin, mine = opens[inside], owner[inside]
            stop = stops[last[inside]]
            fits = stop <= ends[mine]
            begin, stop, mine = begin[fits], stop[fits], mine[fits]
            if letters == 1:  # a mark alone is no run
                plain = (begin > (ends - lengths)[mine]) & (stop < ends[mine])
                begin, stop, mine = begin[plain], stop[plain], mine[plain]
            place = self._places[_hashes(signed, begin, stop) % np.uint32(self._settings.bucket)]
            held = place >= 0
            found_owners.append(mine[held])
            found_rows.append(place[held].astype(np.int64))
        return np.concatenate(found_owners), np.concatenate(found_rows)


def _hashes(signed: npt.NDArray[np.uint32], starts: Ints, stops: Ints) -> npt.NDArray[np.uint32]:
    """FNV-1a of runs of bytes, with the signed bytes that fastText takes."""
    found = np.full(len(starts), _FNV_START, dtype=np.uint32)
    longest = int((stops - starts).max(initial=0))
    shortest = int((stops - starts).min(initial=longest))
    for step in range(longest):
        if step < shortest:
            found = (found ^ signed[starts + step]) * _FNV_PRIME
        else:
            here = np.flatnonzero(starts + step < stops)
            found[here] = (found[here] ^ signed[starts[here] + step]) * _FNV_PRIME
    return found


def _logarithms(scores: Floats) -> Floats:
    """Logarithms of the chances of turning left (negative scores) and right at each node."""
    right = 1 / (1 + np.exp(np.minimum(-scores, 80)))  # e^80 is still a number of 32 bits
    chances = np.concatenate([1 - right, right], axis=-1)
    chances += np.float32(1e-5)
    return np.asarray(np.log(chances, out=chances))


def _paths(counts: Sequence[int]) -> Floats:
    """For each turn at each node (left ones first) and each label whether it is on its path.

    The tree is Huffman's, built as fastText builds it from counts that fall.
    """
    leaves = len(counts)
    sizes = [*counts, *[int(1e15)] * (leaves - 1)]
    found = np.zeros((2 * (leaves - 1), leaves), dtype=np.float32)
    below: list[set[int]] = [{n} for n in range(leaves)]
    leaf, node = leaves - 1, leaves
    for inner in range(leaves, 2 * leaves - 1):
        pair = []
        for _ in range(2):
            if leaf >= 0 and sizes[leaf] < sizes[node]:
                pair.append(leaf)
                leaf -= 1
            else:
                pair.append(node)
                node += 1
        left, right = pair
        sizes[inner] = sizes[left] + sizes[right]
        below.append(below[left] | below[right])
        found[inner - leaves, sorted(below[left])] = 1
        found[inner - leaves + leaves - 1, sorted(below[right])] = 1
    return found


def _places(pruned: npt.NDArray[np.int32] | None, bucket: int, words: int) -> Ints:
    """The row of each bucket of runs of letters, or -1 if the model does not hold it."""
    if pruned is None:
        return np.arange(bucket, dtype=np.int64) + words
    found = np.full(bucket, -1, dtype=np.int64)
    if len(pruned):
        found[pruned[:, 0]] = pruned[:, 1] + words
    return found


def _one(file: BinaryIO, kind: str) -> int:
    return int(struct.unpack(f"<{kind}", file.read(struct.calcsize(kind)))[0])


def _array(file: BinaryIO, kind: type[np.generic], size: int) -> npt.NDArray[np.generic]:
    return np.frombuffer(file.read(size * np.dtype(kind).itemsize), dtype=kind)


def _read_settings(file: BinaryIO) -> _Settings:
    head = file.read(8)
    if head != struct.pack("<ii", _MAGIC, _VERSION):
        raise ValueError("this is not version 12 of its format")
    numbers = struct.unpack("<12i", file.read(48))
    file.read(8)  # the sampling threshold
    dimension, word_runs, loss, bucket, shortest, longest = (
        numbers[i] for i in (0, 5, 6, 8, 9, 10)
    )
    if loss != _SOFTMAX_TREE or word_runs != 1:
        raise ValueError("only models with a softmax tree and single words are read")
    return _Settings(dimension, bucket, shortest, longest)


def _read_names(
    file: BinaryIO,
) -> tuple[list[bytes], list[int], list[bool], npt.NDArray[np.int32] | None]:
    size = _one(file, "i")
    file.read(16)  # words, labels and the tokens they were counted in
    pruned = _one(file, "q")
    rest = file.read()
    names, counts, is_label, place = [], [], [], 0
    for _ in range(size):
        end = rest.index(b"\0", place)
        count, kind = struct.unpack_from("<qb", rest, end + 1)
        names.append(rest[place:end])
        counts.append(count)
        is_label.append(kind == 1)
        place = end + 10
    file.seek(place - len(rest), 1)
    if pruned < 0:
        return names, counts, is_label, None
    return names, counts, is_label, _array(file, np.int32, 2 * pruned).reshape(-1, 2)  # type: ignore[return-value]


def _read_matrix(file: BinaryIO, *, quantized: int) -> Floats:
    if not quantized:
        rows, columns = _one(file, "q"), _one(file, "q")
        return _array(file, np.float32, rows * columns).reshape(rows, columns)  # type: ignore[return-value]
    with_norms = _one(file, "?")
    rows, columns = _one(file, "q"), _one(file, "q")
    codes = _array(file, np.uint8, _one(file, "i")).reshape(rows, -1)
    found = _restored(file, codes)
    if with_norms:
        found = found * _restored(file, _array(file, np.uint8, rows).reshape(rows, 1))
    return found


def _restored(file: BinaryIO, codes: npt.NDArray[np.generic]) -> Floats:
    """Rows from the numbers of their centroids (product quantisation)."""
    columns, parts, width, last = (_one(file, "i") for _ in range(4))
    centroids = _array(file, np.float32, columns * 256)
    found = np.empty((len(codes), columns), dtype=np.float32)
    for part in range(parts):
        wide = last if part == parts - 1 else width
        table = centroids[part * 256 * width : part * 256 * width + 256 * wide].reshape(256, wide)
        found[:, part * width : part * width + wide] = table[codes[:, part]]
    return found
