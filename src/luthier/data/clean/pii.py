"""Personal data: found by pattern and checksum, then masked, replaced, refused or reported.

Built in are e-mail addresses, phone numbers, payment cards, IBANs, US Social Security numbers,
IP addresses, credentials in URLs and secrets (API keys, passwords, private keys). A project adds
names and patterns of its own. Nothing found ever reaches the ledger or ``clean.json``.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import Field, field_validator

from luthier.core.errors import ConfigError
from luthier.core.spec import Spec
from luthier.data.clean._pii_find import FINDERS, Span, candidates
from luthier.data.clean._pii_screen import KINDS
from luthier.data.clean._pii_standins import standin

Treatment = Literal["mask", "pseudonymise", "refuse", "report", "off"]

_ROUNDS = 4


class PatternSpec(Spec):
    """A pattern of the project's own."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    """What it finds; the mask is the name in capitals: ``[STAFF_NUMBER]``."""
    regex: str
    """A regular expression (Python's); what it matches, or else its first group, is the value."""
    treatment: Treatment = "mask"
    """What is done with it."""

    @field_validator("regex")
    @classmethod
    def _compiles(cls, regex: str) -> str:
        try:
            matches_nothing = re.compile(regex).match("")
        except re.error as error:
            raise ValueError(f"this is not a regular expression: {error}") from error
        if matches_nothing:
            raise ValueError("this regular expression matches the empty text")
        return regex


class PiiSpec(Spec):
    """What is done with each kind of personal data.

    ``mask`` writes ``[EMAIL]``, ``pseudonymise`` a stand-in that is the same wherever the same
    value stands, ``refuse`` leaves the row out, ``report`` only counts, ``off`` doesn't look.
    """

    email: Treatment = "mask"
    """E-mail addresses, but for those at example.com and its like, which belong to nobody."""
    phone: Treatment = "mask"
    """Phone numbers, international and as people write them at home."""
    card: Treatment = "mask"
    """Payment cards: known prefixes and lengths, Luhn's formula."""
    iban: Treatment = "mask"
    """Bank accounts: country, length and checksum are right."""
    ssn: Treatment = "mask"
    """US Social Security numbers that can have been issued."""
    ip: Treatment = "mask"
    """IPv4 and IPv6 addresses that are reached from anywhere; 192.168.0.1 stays."""
    credentials: Treatment = "mask"
    """User and password in URLs (``https://user:password@host``)."""
    secret: Treatment = "mask"
    """API keys, tokens, passwords in settings, private keys."""
    patterns: tuple[PatternSpec, ...] = ()
    """Patterns of the project's own."""
    names: tuple[str, ...] = ()
    """Names of people, found as whole words and written exactly like this."""
    names_file: str | None = None
    """A file with one name a line, relative to the project file."""
    name: Treatment = "mask"
    """What is done with the names."""
    key_env: str | None = None
    """Environment variable with the key of the stand-ins; null: they follow from the seed, which
    whoever reads the project file knows, and so can test a guess."""


@dataclasses.dataclass(frozen=True, slots=True)
class PiiPlan:
    """A ``PiiSpec`` with its key and names read, ready to travel to another process.

    Attributes:
        treatments: What is done with each built-in kind.
        names: Expression that finds the names, or "".
        patterns: The project's own: (name, expression, treatment).
        name: What is done with names.
        key: Decides the stand-ins.
    """

    treatments: dict[str, Treatment]
    names: str
    patterns: tuple[tuple[str, str, Treatment], ...]
    name: Treatment
    key: bytes = dataclasses.field(repr=False)


def plan_pii(spec: PiiSpec, names: tuple[str, ...], seed: int) -> PiiPlan:
    """Read the key and join the names.

    Args:
        spec: Settings.
        names: All names, those of ``names_file`` included.
        seed: Decides the stand-ins where no key is named.

    Raises:
        ConfigError: The environment variable of ``key_env`` is not set.
    """
    key = f"luthier {seed}"
    if spec.key_env is not None:
        key = os.environ.get(spec.key_env, "")
        if not key:
            raise ConfigError(
                f"the environment variable {spec.key_env} is not set",
                where="data.clean.pii.key_env",
                mend="Set it to a secret text; the same text gives the same stand-ins.",
            )
    longest_first = sorted({n for n in names if n.strip()}, key=lambda n: (-len(n), n))
    joined = "|".join(re.escape(n) for n in longest_first)
    return PiiPlan(
        treatments={kind: getattr(spec, kind) for kind in FINDERS},
        names=rf"(?<!\w)(?:{joined})(?!\w)" if joined else "",
        patterns=tuple((p.name, p.regex, p.treatment) for p in spec.patterns),
        name=spec.name,
        key=key.encode(),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Treated:
    """A text after treatment.

    Attributes:
        text: With masks and stand-ins.
        found: How often each kind stood in it.
        refused: The first kind for which the row must go, or "".
    """

    text: str
    found: dict[str, int]
    refused: str = ""


def treat(text: str, plan: PiiPlan, kinds: Sequence[str] = KINDS) -> Treated:
    """Find and treat personal data in a text.

    A mask can bring together what stood apart, so masking goes on until nothing is found.

    Args:
        text: Any text.
        plan: What is done with what.
        kinds: Those that may stand in it, see ``_pii_screen.screen``.
    """
    spans = _builtin(text, plan, ("mask", "pseudonymise", "refuse", "report"), kinds)
    spans += _own(text, plan, spans)
    if not spans:
        return Treated(text, {})
    ways = _ways(plan)
    refused = next((kind for _, _, kind in spans if ways[kind] == "refuse"), "")
    found = Counter(kind for _, _, kind in spans)
    text = _replaced(text, spans, plan, ways)
    for _ in range(_ROUNDS):
        more = _builtin(text, plan, ("mask",), candidates(text))
        if not more:
            break
        found.update(kind for _, _, kind in more)
        text = _replaced(text, more, plan, ways)
    return Treated(text, dict(found), refused)


def _ways(plan: PiiPlan) -> dict[str, Treatment]:
    own: dict[str, Treatment] = {name: way for name, _, way in plan.patterns}
    return {**own, **plan.treatments, "name": plan.name}


def _builtin(
    text: str, plan: PiiPlan, ways: tuple[Treatment, ...], kinds: Sequence[str]
) -> list[Span]:
    """Spans of the built-in kinds that are treated in one of some ways; none overlaps another."""
    spans: list[Span] = []
    for kind in kinds:
        if plan.treatments[kind] in ways:
            spans += _apart(((a, b, kind) for a, b in FINDERS[kind](text)), spans)
    return spans


def _own(text: str, plan: PiiPlan, taken: list[Span]) -> list[Span]:
    spans: list[Span] = []
    if plan.names and plan.name != "off":
        named = ((m.start(), m.end(), "name") for m in re.finditer(plan.names, text))
        spans += _apart(named, taken)
    for name, regex, way in plan.patterns:
        if way != "off":
            own = (
                (*m.span(1 if m.re.groups and m[1] else 0), name) for m in re.finditer(regex, text)
            )
            spans += _apart(own, [*taken, *spans])
    return spans


def _apart(new: Iterable[Span], taken: list[Span]) -> list[Span]:
    kept = []
    for start, end, kind in new:
        if end > start and all(end <= a or b <= start for a, b, _ in taken):
            kept.append((start, end, kind))
    return kept


def _replaced(text: str, spans: list[Span], plan: PiiPlan, ways: dict[str, Treatment]) -> str:
    parts, place = [], 0
    for start, end, kind in sorted(spans):
        value = text[start:end]
        match ways[kind]:
            case "mask":
                value = f"[{kind.upper()}]"
            case "pseudonymise":
                value = standin(kind, value, plan.key)
            case "refuse" | "report" | "off":
                pass
        parts += [text[place:start], value]
        place = end
    return "".join([*parts, text[place:]])
