"""Texts of examples as token ids; rows that cannot be learned are refused, none is cut silently."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from luthier.core.errors import ConfigError, DataError
from luthier.core.ledger import Ledger
from luthier.core.records import Example
from luthier.models.load import Model
from luthier.tune._truncate import too_long

if TYPE_CHECKING:
    from luthier.tune.tune import TuneSpec

_CHUNK = 1000  # texts tokenised at once


@dataclasses.dataclass(frozen=True, slots=True)
class Tokenised:
    """A text as a network reads it.

    Attributes:
        example: Where it comes from.
        ids: Its tokens, special ones included.
        spans: For each token its first character and the one behind its last; (0, 0) for special
            ones.
    """

    example: Example
    ids: list[int]
    spans: list[tuple[int, int]]


def fitting_label(example: Example, known: Sequence[str] | set[str], ledger: Ledger) -> bool:
    """Whether an example has a label that can be scored; if not, it is refused."""
    if not example.label:
        ledger.refuse("no label", example.origin)
    elif example.label not in known:
        ledger.refuse("label of no training row", example.origin, example.label)
    else:
        return True
    return False


def tokenised(
    examples: Sequence[Example], model: Model, tuning: TuneSpec, ledger: Ledger
) -> list[Tokenised]:
    """The last user turn of each example as tokens.

    Args:
        examples: Rows to learn or to be measured on.
        model: Its tokenizer is used.
        tuning: Rows longer than its ``max_length`` are refused, but with the truncation
            ``truncate_prompt`` their beginning is read.
        ledger: Gets a line for each of them.

    Raises:
        ConfigError: Rows are to be split, which their labels do not allow.
    """
    if tuning.truncation == "split":
        raise ConfigError(
            "a text with a label cannot be split: the label is one for the whole of it",
            where="tune.truncation",
            mend="Take error, drop or truncate_prompt.",
        )
    length = min(tuning.max_length, model.context_length)
    found = []
    for row in _tokens(examples, model.tokenizer):
        size = len(row.ids)
        if size <= length:
            found.append(row)
        elif tuning.truncation == "truncate_prompt":
            ledger.change(f"cut: {too_long(length)}", row.example.origin, tokens=size - length)
            found.append(_cut(row, length))
        else:
            ledger.refuse(too_long(length), row.example.origin, tokens=size)
    return found


def _tokens(examples: Sequence[Example], tokenizer: Any) -> Iterable[Tokenised]:
    for begin in range(0, len(examples), _CHUNK):
        part = examples[begin : begin + _CHUNK]
        texts = [example.question for example in part]
        coded = tokenizer(texts, return_offsets_mapping=True, truncation=False, verbose=False)
        for example, ids, spans in zip(
            part, coded["input_ids"], coded["offset_mapping"], strict=True
        ):
            yield Tokenised(example, ids, spans)


def _cut(row: Tokenised, length: int) -> Tokenised:
    """The beginning, and the special tokens at the end (BERT's ``[SEP]``) behind it."""
    closing = 0
    while closing < len(row.ids) and tuple(row.spans[-1 - closing]) == (0, 0):
        closing += 1
    keep = length - closing
    behind = len(row.ids) - closing
    ids = row.ids[:keep] + row.ids[behind:]
    return Tokenised(row.example, ids, row.spans[:keep] + row.spans[behind:])


def labels_among(
    examples: Sequence[Example], labels_of: Callable[[Example], Iterable[str]], *, least: int
) -> tuple[str, ...]:
    """All labels of the training rows, sorted.

    Raises:
        DataError: There are fewer than ``least``.
    """
    labels = tuple(sorted({label for example in examples for label in labels_of(example)}))
    if len(labels) < least:
        few = {0: "no label", 1: f"one label only, '{''.join(labels)}'"}
        there = few.get(len(labels), f"{len(labels)} labels")
        raise DataError(
            f"the training rows have {there}; this objective takes {least} or more",
            where="tune.objective",
            mend="Add rows of other labels: there are too few rows, or all fell on other sides."
            if examples
            else "Add rows: none fell on the training side.",
        )
    return labels


def label_names(model: Model) -> tuple[str, ...]:
    """The labels that a model's head scores, in their order."""
    named: dict[int, Any] = model.network.config.id2label
    return tuple(str(named[number]) for number in sorted(named))


def first_tokens(
    spans: Sequence[tuple[int, int]], words: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """(number of a word, its first token) for all words that have one.

    Args:
        spans: Which characters each token stands for.
        words: First character of each word, and the one behind its last.
    """
    found, token = [], 0
    for number, (begin, end) in enumerate(words):
        while token < len(spans) and spans[token][1] <= begin:
            token += 1  # also special tokens, which stand for no character
        if token < len(spans) and spans[token][0] < end:
            found.append((number, token))
    return found
