"""Business rules of ranking, as data: pin, boost, block.

A rule says what it does to which passages, for which questions, and when. A block is final: no pin
and no boost brings a blocked passage back. A pin puts a document first where the viewer may see it;
it opens nothing, for every passage is asked against the slice again.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from luthier.core.records import Passage
from luthier.core.spec import Spec
from luthier.core.yaml import read_spec


class When(Spec):
    """Which questions a rule is for, and when."""

    asked: tuple[str, ...] = ()
    """Words that a question must have, any of these: ``refund``, ``gift card``, ``deliver*`` (a
    star stands for the rest of a word); case does not count. Without any, all questions."""
    since: dt.date | None = None
    """First day it holds (UTC); without one, always has."""
    until: dt.date | None = None
    """Last day it holds (UTC); without one, for good."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.since and self.until and self.since > self.until:
            raise ValueError(f"since {self.since} is after until {self.until}")
        if any(not re.search(r"\w", phrase) for phrase in self.asked):
            raise ValueError("asked: a phrase needs a letter or digit")
        return self

    def holds(self, question: str, now_s: float) -> bool:
        """Whether it is for this question at this time (seconds since 1970)."""
        today = dt.datetime.fromtimestamp(now_s, dt.UTC).date()
        if (self.since and today < self.since) or (self.until and today > self.until):
            return False
        return not self.asked or any(_pattern(phrase).search(question) for phrase in self.asked)


class What(Spec):
    """Which passages a rule is about: those that meet all that is said."""

    documents: tuple[str, ...] = ()
    """Ids of documents, any of these."""
    where: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Values of metadata: each key with those that will do."""
    kinds: tuple[str, ...] = ()
    """Kinds of passages, any of these."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.documents or self.where or self.kinds):
            raise ValueError("name documents, where or kinds: a rule about everything is none")
        return self

    def holds(self, passage: Passage) -> bool:
        """Whether a passage is meant."""
        return (
            (not self.documents or passage.document_id in self.documents)
            and all(passage.meta.get(key) in values for key, values in self.where.items())
            and (not self.kinds or passage.kind in self.kinds)
        )


class Pin(Spec):
    """Puts documents first, in the order named."""

    do: Literal["pin"]
    """``pin``."""
    name: str = Field(min_length=1)
    """Shown in the trace."""
    documents: tuple[str, ...] = Field(min_length=1)
    """Ids of documents; of each its best passage, where the viewer may see it."""
    when: When = When()
    """Which questions, and when."""


class Boost(Spec):
    """Multiplies scores."""

    do: Literal["boost"]
    """``boost``."""
    name: str = Field(min_length=1)
    """Shown in the trace."""
    what: What
    """Which passages."""
    factor: float = Field(gt=0.0, le=100.0)
    """What their score is multiplied by; below 1 it puts them back."""
    when: When = When()
    """Which questions, and when."""


class Block(Spec):
    """Leaves passages out."""

    do: Literal["block"]
    """``block``."""
    name: str = Field(min_length=1)
    """Shown where it was counted."""
    what: What
    """Which passages."""
    when: When = When()
    """Which questions, and when."""


Rule = Annotated[Pin | Boost | Block, Field(discriminator="do")]


class Rules(Spec):
    """A file of rules."""

    rules: tuple[Rule, ...] = ()
    """In order; all that hold count."""

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [rule.name for rule in self.rules]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two rules are named '{twice[0]}'")
        return self


def read_rules(path: Path) -> Rules:
    """Read rules from YAML or JSON.

    Raises:
        ConfigError: The file cannot be read, or says what no rule can; all problems at once.
    """
    return read_spec(Rules, path)


@dataclasses.dataclass(frozen=True, slots=True)
class Holding:
    """The rules that hold for one question.

    Attributes:
        pins: In order.
        boosts: All of them.
        blocks: All of them.
    """

    pins: tuple[Pin, ...] = ()
    boosts: tuple[Boost, ...] = ()
    blocks: tuple[Block, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.pins or self.boosts or self.blocks)

    def blocked(self, passage: Passage) -> Block | None:
        """The first rule that blocks a passage."""
        return next((rule for rule in self.blocks if rule.what.holds(passage)), None)

    def boosting(self, passage: Passage) -> list[Boost]:
        """The rules that multiply a passage's score."""
        return [rule for rule in self.boosts if rule.what.holds(passage)]


def holding(rules: Sequence[Rule], question: str, now_s: float) -> Holding:
    """The rules that hold for a question at a time (seconds since 1970)."""
    held = [rule for rule in rules if rule.when.holds(question, now_s)]
    return Holding(
        tuple(rule for rule in held if isinstance(rule, Pin)),
        tuple(rule for rule in held if isinstance(rule, Boost)),
        tuple(rule for rule in held if isinstance(rule, Block)),
    )


@functools.lru_cache(maxsize=4096)
def _pattern(phrase: str) -> re.Pattern[str]:
    """A phrase as a pattern that cannot run long: words in a row, a star for the rest of one."""
    words = re.findall(r"[\w*]+", phrase)
    parts = (re.escape(word).replace(r"\*", r"\w*") for word in words)
    return re.compile(r"(?<!\w)" + r"\W+".join(parts) + r"(?!\w)", re.IGNORECASE)
