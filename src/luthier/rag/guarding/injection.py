"""Find texts in passages that speak to a model as if they were instructions.

Each rule (``injection_rules.txt``) is a way of taking over, not one sentence: what is overridden,
who is addressed, what is to be revealed, how the answer is to be bent, where data should go.
Several weak signs add up. Texts are read in several ways (`luthier.rag.guarding.fold`), so that
disguise does not help much. What such rules cannot see is an order in plain words that nothing
marks as one; the figures are in docs/rag/security.md.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping
from importlib import resources

from luthier.rag.guarding.fold import readings

WEIGHTS = {"certain": 0.9, "likely": 0.6, "weak": 0.35}
RULES_FILE = "injection_rules.txt"
_DISGUISED = 0.2  # a text that had to be decoded is the more suspect
_FOREIGN = frozenset(f"override-{one}" for one in ("ru", "zh", "ja", "ko", "ar"))  # other scripts


@dataclasses.dataclass(frozen=True, slots=True)
class _Rule:
    """A way of taking over; ``parts`` names what a text must hold for the pattern to be tried."""

    name: str
    weight: float
    pattern: re.Pattern[str]
    parts: tuple[str, ...]


@functools.cache
def _rules() -> tuple[tuple[_Rule, ...], dict[str, re.Pattern[str]]]:
    """The rules, in the order of their file, and their parts."""
    text = (resources.files("luthier.rag.guarding") / RULES_FILE).read_text(encoding="utf-8")
    parts: dict[str, str] = {}
    rules = []
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if word == "let":
            name, _, pattern = rest.partition(" ")
            parts[name] = _filled(pattern, parts)
        elif word == "rule":
            name, weight, pattern = rest.split(" ", 2)
            compiled = re.compile(_filled(pattern, parts), re.DOTALL)
            rules.append(_Rule(name, WEIGHTS[weight], compiled, _needed(pattern)))
    return tuple(rules), {name: re.compile(part) for name, part in parts.items()}


def _needed(pattern: str) -> tuple[str, ...]:
    """Parts without which a pattern cannot match: those outside of groups and of choices."""
    left, before = re.sub(r"\\.|\[[^\]]*\]", "", pattern), ""
    while left != before:
        left, before = re.sub(r"\([^()]*\)(?:[?*+]|\{[\d,]+\})?\??", "", left), left
    return () if "|" in left else tuple(re.findall(r"\{([A-Z]+)\}(?![?*])", left))


def _filled(pattern: str, parts: Mapping[str, str]) -> str:
    for name, part in parts.items():
        pattern = pattern.replace("{" + name + "}", part)
    return pattern


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """A sign of an instruction in a text.

    Attributes:
        rule: Which way of taking over.
        weight: How much it says by itself, 0 to 1.
        excerpt: What was found, folded, at most 80 signs.
        disguise: What had to be undone to read it; "" for nothing.
    """

    rule: str
    weight: float
    excerpt: str
    disguise: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Scan:
    """What a text was found to hold.

    Attributes:
        score: 0 to 1: how surely it speaks to a model; different rules add up.
        findings: The strongest of each rule, strongest first.
    """

    score: float
    findings: tuple[Finding, ...]


@functools.lru_cache(maxsize=8192)
def scan(text: str) -> Scan:
    """Look for instructions to a model in a text.

    Args:
        text: A passage with its title.
    """
    best = Scan(0.0, ())
    for disguise, reading in readings(text):
        found = _scan(reading, disguise)
        if disguise and found.findings and not best.findings:
            found = Scan(min(1.0, found.score + _DISGUISED), found.findings)
        if found.score > best.score:
            best = found
    return best


def _scan(reading: str, disguise: str) -> Scan:
    text = re.sub(r"\s*\n\s*", "\n", re.sub(r"[^\S\n]+", " ", reading))
    found: dict[str, Finding] = {}
    rules, parts = _rules()
    held = {name for name, part in parts.items() if part.search(text)}
    ascii_only = text.isascii()
    for rule in rules:
        name = rule.name
        if not held.issuperset(rule.parts) or (ascii_only and name in _FOREIGN):
            continue
        match = rule.pattern.search(text)
        if match and (name not in found or found[name].weight < rule.weight):
            found[name] = Finding(name, rule.weight, match[0][:80].strip(), disguise)
    left = 1.0
    for one in found.values():
        left *= 1 - one.weight
    score = 1 - left
    rows = sorted(found.values(), key=lambda f: -f.weight)
    return Scan(score, tuple(rows))
