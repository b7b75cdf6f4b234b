"""Cleaning of one batch of rows: a pure function that can run in any process.

A row's fate depends on the row and the plan alone, so batches may be cut anywhere and cleaned
anywhere; only duplicates, which compare rows, are looked for afterwards.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from luthier.core.ledger import Entry
from luthier.core.records import Document, Example
from luthier.data.clean._pii_screen import KINDS, screen
from luthier.data.clean._texts import Place, all_texts, change_texts, emptied, judged_text
from luthier.data.clean.boilerplate import strip_boilerplate
from luthier.data.clean.c4 import check_c4, keep_c4_lines
from luthier.data.clean.decontaminate import Index, check_decontaminated
from luthier.data.clean.encodings import repair_encodings
from luthier.data.clean.facts import Facts, Rows, Verdict
from luthier.data.clean.gopher_quality import check_gopher_quality
from luthier.data.clean.gopher_repetition import check_gopher_repetition
from luthier.data.clean.harm import check_harm
from luthier.data.clean.language import check_languages
from luthier.data.clean.length import check_length
from luthier.data.clean.markup import strip_markup
from luthier.data.clean.pii import PiiPlan, Treatment, treat
from luthier.data.clean.whitespace import tidy

if TYPE_CHECKING:
    from luthier.data.clean.clean import CleanSpec

Row = Document | Example

SHOWN_CHARS, SHOWN_EACH = 160, 3
_BODIES = ("text", "message", "label")


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """All that cleaning a batch needs; it can travel to another process.

    Attributes:
        spec: The settings; paths in it are absolute, word lists are read.
        pii: How personal data is treated, or None.
        shared: Hashes of the lines that many documents share.
        evaluation: Runs of words that stand in evaluation files.
    """

    spec: CleanSpec
    pii: PiiPlan | None = None
    shared: frozenset[int] = frozenset()
    evaluation: Index = dataclasses.field(default_factory=dict)

    @property
    def repairs(self) -> bool:
        """Whether any text can be repaired at all."""
        spec = self.spec
        parts = (spec.markup, spec.encodings, spec.boilerplate, spec.c4, spec.whitespace)
        return any(part is not None for part in parts)


@dataclasses.dataclass(frozen=True, slots=True)
class Shown:
    """A change as ``clean.json`` shows it: the surroundings of the first difference."""

    reason: str
    origin: str
    before: str
    after: str


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """A cleaned batch.

    Attributes:
        rows: Those that stay, in their order.
        entries: Lines for the ledger.
        pii: Findings by kind.
        pii_rows: Rows with findings by kind.
        shown: Some changes.
    """

    rows: list[Row]
    entries: list[Entry]
    pii: Counter[str]
    pii_rows: Counter[str]
    shown: list[Shown]


def clean_batch(rows: Sequence[Row], plan: Plan) -> Batch:
    """Repair, judge and mask rows.

    Args:
        rows: Documents or conversations.
        plan: What is done.

    Returns:
        The rows that stay and a ledger line for each that was changed or doesn't.
    """
    done = Batch([], [], Counter(), Counter(), [])
    repairs = plan.repairs
    drafts = [_draft(row, plan, repairs=repairs) for row in rows]
    foreign = _foreign(drafts, plan.spec)
    private = _private(drafts, plan)
    for row, draft, language, kinds in zip(rows, drafts, foreign, private, strict=True):
        if (cleaned := _clean_row(row, draft, language, kinds, plan, done)) is not None:
            done.rows.append(cleaned)
    return done


@dataclasses.dataclass(frozen=True, slots=True)
class _Draft:
    """A repaired row, the repairs, and what the rules read of it."""

    row: Row
    reasons: dict[str, None]
    text: str


def _draft(row: Row, plan: Plan, *, repairs: bool) -> _Draft:
    reasons: dict[str, None] = {}
    repaired = row
    if repairs:
        repaired = change_texts(row, lambda text, place: _repair(text, place, row, plan, reasons))
    answers_only = plan.spec.rows_judged_by == "answer"
    return _Draft(repaired, reasons, judged_text(repaired, answers_only=answers_only))


def _foreign(drafts: Sequence[_Draft], spec: CleanSpec) -> list[Verdict]:
    """What the language rule says of each row."""
    verdicts: list[Verdict] = [None] * len(drafts)
    if (language := spec.language) is not None:
        judged = [n for n, draft in enumerate(drafts) if _judges(language.judges, draft.row)]
        found = check_languages([drafts[n].text for n in judged], language)
        for n, verdict in zip(judged, found, strict=True):
            verdicts[n] = verdict
    return verdicts


def _private(drafts: Sequence[_Draft], plan: Plan) -> list[tuple[str, ...]]:
    """The kinds of personal data that may stand in each row."""
    if plan.pii is None:
        return [()] * len(drafts)
    found = screen([f"{all_texts(draft.row)}\n{draft.row.group}" for draft in drafts])
    return [
        KINDS if isinstance(draft.row, Example) and _has_json(draft.row) else kinds
        for draft, kinds in zip(drafts, found, strict=True)
    ]


def _has_json(row: Example) -> bool:
    """Whether it holds texts written as JSON, where an @ may be spelt otherwise."""
    return bool(row.tools) or any(m.tool_calls for m in row.messages + row.rejected)


def _clean_row(
    row: Row,
    draft: _Draft,
    language: Verdict,
    kinds: tuple[str, ...],
    plan: Plan,
    done: Batch,
) -> Row | None:
    repaired, reasons = draft.row, draft.reasons
    if repaired is not row and (reason := emptied(row, repaired)):
        _refuse(row, reason, ", ".join(reasons), done)
        return None
    verdicts = _verdicts(Facts(draft.text), repaired, plan.spec, plan.evaluation, language)
    if verdict := next((verdict for verdict in verdicts if verdict is not None), None):
        _refuse(row, *verdict, done)
        return None
    found: Counter[str] = Counter()
    refused: list[str] = []
    masked = repaired
    if plan.pii is not None:
        pii = plan.pii
        if kinds or pii.names or pii.patterns:
            masked = change_texts(
                repaired, lambda text, _: _treat(text, pii, kinds, found, refused)
            )
        masked = _with_group(masked, pii, kinds)
        if found:
            done.pii.update(found)
            done.pii_rows.update(set(found))
        if refused:
            _refuse(row, f"personal data: {refused[0]}", "", done)
            return None
    for reason in reasons:
        done.entries.append(Entry("changed", reason, row.origin))
    if masked is not repaired:
        treated = ", ".join(f"{n} x {kind}" for kind, n in sorted(found.items()))
        done.entries.append(Entry("changed", "personal data treated", row.origin, treated))
    if masked is not row:
        reported = any(plan.pii.treatments.get(k) == "report" for k in found) if plan.pii else False
        if not reported:
            _show(row, masked, list(reasons) or ["personal data treated"], bool(found), done)
    return masked


def repair_body(text: str, spec: CleanSpec, reasons: dict[str, None]) -> str:
    """Markup out, characters repaired: what comes before lines are looked at."""
    before = text
    if spec.markup is not None:
        text = strip_markup(text, spec.markup)
        if text != before:
            reasons["markup removed"] = None
    return _characters(text, spec, reasons)


def _characters(text: str, spec: CleanSpec, reasons: dict[str, None]) -> str:
    if spec.encodings is not None:
        text, repairs = repair_encodings(text, spec.encodings)
        reasons.update(dict.fromkeys(repairs))
    return text


def _repair(text: str, place: Place, row: Row, plan: Plan, reasons: dict[str, None]) -> str:
    spec = plan.spec
    if place not in _BODIES:
        return _characters(text, spec, reasons)
    before = text = repair_body(text, spec, reasons)
    if spec.boilerplate is not None:
        text = strip_boilerplate(text, spec.boilerplate, plan.shared)
        if text != before:
            reasons["boilerplate removed"] = None
    if spec.c4 is not None and isinstance(row, Document) and _judges(spec.c4.judges, row):
        before, text = text, keep_c4_lines(text, spec.c4)
        if text != before:
            reasons["lines removed (C4)"] = None
    if spec.whitespace is not None:
        before, text = text, tidy(text, spec.whitespace)
        if text != before:
            reasons["white space tidied"] = None
    return text


def _verdicts(
    facts: Facts, row: Row, spec: CleanSpec, evaluation: Index, language: Verdict
) -> Iterator[Verdict]:
    """What the rules say of a row, in their order."""
    if spec.length is not None and _judges(spec.length.judges, row):
        yield check_length(facts, spec.length)
    if spec.gopher_quality is not None and _judges(spec.gopher_quality.judges, row):
        yield check_gopher_quality(facts, spec.gopher_quality)
    if spec.gopher_repetition is not None and _judges(spec.gopher_repetition.judges, row):
        yield check_gopher_repetition(facts, spec.gopher_repetition)
    if spec.c4 is not None and _judges(spec.c4.judges, row):
        yield check_c4(facts, spec.c4)
    yield language
    if spec.harm is not None and _judges(spec.harm.judges, row):
        yield check_harm(facts, spec.harm)
    if spec.decontaminate is not None and _judges(spec.decontaminate.judges, row):
        yield check_decontaminated(facts, spec.decontaminate, evaluation)


def _judges(which: Rows, row: Row) -> bool:
    return which == "all" or (which == "documents") == isinstance(row, Document)


def _treat(
    text: str, plan: PiiPlan, kinds: Sequence[str], found: Counter[str], refused: list[str]
) -> str:
    treated = treat(text, plan, kinds)
    if treated.found:
        found.update(treated.found)
    if treated.refused:
        refused.append(treated.refused)
    return treated.text


def _with_group(row: Row, plan: PiiPlan, kinds: Sequence[str]) -> Row:
    """A group named after a person (a customer's address) stays a group under a stand-in."""
    if not row.group or row.group == row.origin or not (kinds or plan.names):
        return row
    treatments: dict[str, Treatment] = {
        kind: "pseudonymise" if way in ("mask", "pseudonymise") else "off"
        for kind, way in plan.treatments.items()
    }
    plan = dataclasses.replace(plan, treatments=treatments, patterns=())
    treated = treat(row.group, plan, kinds)
    return dataclasses.replace(row, group=treated.text) if treated.found else row


def _refuse(row: Row, reason: str, seen: str, done: Batch) -> None:
    done.entries.append(Entry("refused", reason, row.origin, seen[:200]))


def _show(row: Row, new: Row, reasons: list[str], private: bool, done: Batch) -> None:
    """Keep a change to show; what was there before stays out if it holds personal data."""
    already = Counter(s.reason for s in done.shown)
    fresh = [reason for reason in reasons if already[reason] < SHOWN_EACH]
    before, after = (judged_text(r, answers_only=False) for r in (row, new))
    if fresh and before != after:
        one, other = excerpts(before, after)
        done.shown.append(Shown(fresh[0], row.origin, "(personal data)" if private else one, other))


def excerpts(before: str, after: str) -> tuple[str, str]:
    """The surroundings of the first difference of two texts."""
    place = next(
        (i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b),
        min(len(before), len(after)),
    )
    start = max(0, place - SHOWN_CHARS // 4)
    return before[start : start + SHOWN_CHARS], after[start : start + SHOWN_CHARS]
