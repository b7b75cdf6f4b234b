"""A row as its source gave it, and the settings that every source of rows shares.

A kind of source reads ``Raw`` rows; ``missing.fill`` mends their gaps; ``dialects.take`` turns them
into documents and examples. So every source, file or database, understands the same rows.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from luthier.core.spec import Spec
from luthier.data.sources._access import Described

Dialect = Literal[
    "alpaca",
    "classification",
    "kto",
    "label_studio",
    "messages",
    "preference",
    "prodigy",
    "prompt_completion",
    "question_answer",
    "sharegpt",
    "squad",
    "text",
]


@dataclasses.dataclass(frozen=True, slots=True)
class Raw:
    """One row of a source.

    Attributes:
        values: What it holds by column or key; values are as the source types them.
        origin: Where it stands: ``faq.csv:17``, ``book.xlsx:Sheet1!17``, ``orders:4711``.
    """

    values: dict[str, Any]
    origin: str


class DropMissing(Spec):
    """Rows that lack the value are refused."""

    kind: Literal["drop"] = "drop"


class ConstantMissing(Spec):
    """The gap is filled with a fixed value."""

    kind: Literal["constant"] = "constant"
    value: str | int | float | bool
    """What is put there."""


class MostFrequentMissing(Spec):
    """The gap is filled with the value that the source holds most often in that column.

    Of equally frequent values, the one that stands first in the source. The source is read once
    more for the count.
    """

    kind: Literal["most_frequent"] = "most_frequent"
    max_values: int = Field(default=100_000, ge=1)
    """A column with more different values than this is refused: it has no sensible favourite."""


class FlagMissing(Spec):
    """The gap is marked: a text stands in it, and a column ``<name>_missing`` is added.

    The new column is true in rows that lacked the value and false in all others.
    """

    kind: Literal["flag"] = "flag"
    marker: str = Field(default="[missing]", min_length=1)
    """What is put into the gap."""


MissingSpec = Annotated[
    DropMissing | ConstantMissing | MostFrequentMissing | FlagMissing, Field(discriminator="kind")
]


class RowSource(Described):
    """What every source of rows can be told: which columns hold what, and what fills gaps.

    Where no column is named, rows are recognised by the names of their columns (``dialect``).
    """

    question: str | None = None
    """Column of the questions; ``question`` if only that of the answers is named."""
    answer: str | None = None
    """Column of the answers; ``answer`` if only that of the questions is named."""
    text: str | None = None
    """Column of the texts, where rows are documents or texts to be classified."""
    title: str | None = None
    """Column of the documents' titles."""
    id_field: str | None = Field(default=None, min_length=1)
    """Column or key that names a row for good, once in the source. Without it a row is known by
    its place, so that a line deleted above gives it another id."""
    group: str | None = None
    """Column that says which rows must stay on one side of the split together."""
    tag: str | None = None
    """Column of the kind of question, reported apart."""
    label: str | None = None
    """Column of the classes, where texts are to be classified."""
    dialect: Literal["auto"] | Dialect = "auto"
    """How the rows are to be understood; ``auto`` recognises each row by its columns."""
    unanswerable: str | None = Field(default=None, min_length=1)
    """What to answer where a row of the dialect ``squad`` has no answer (SQuAD 2.0); such examples
    get the tag ``unanswerable``. If null, these rows are refused."""
    missing: dict[str, MissingSpec] = Field(default_factory=dict)
    """What is done about values that are missing, by column; other columns stay as they are."""
    missing_markers: tuple[str, ...] = ("NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None")
    """Texts that count as missing in the columns of ``missing``, besides empty ones and null."""

    @model_validator(mode="after")
    def _rows_or_texts(self) -> Self:
        asks = self.question is not None or self.answer is not None
        if asks and (self.text is not None or self.label is not None):
            raise ValueError(
                "name the columns of `question` and `answer`, or that of `text` (and `label`)"
            )
        return self
