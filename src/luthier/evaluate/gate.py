"""Stage 5: a gate. Rules that a run must pass, each with pass, fail or inconclusive.

A gate lets a bad run pass, or stops a good one, in at most half of what the confidence leaves
(2.5 % for 95 %). All rules must pass for the gate to pass, which needs no correction (Berger 1982,
"Multiparameter hypothesis testing and acceptance sampling", Technometrics 24); a rule fails only
after Holm's adjustment for all that the gate judges. What lies between is inconclusive, and said
with the number of items that would settle it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Literal

from luthier.core.errors import ConfigError, DataError
from luthier.core.statistics import Interval, holm
from luthier.evaluate.gates.judge import LeftOut, Weighed, weigh
from luthier.evaluate.gates.rules import GatesSpec, Rule
from luthier.evaluate.gates.sides import check_same, sides
from luthier.evaluate.runs.rows import RunRows
from luthier.evaluate.statistics.power import items_needed, smallest_gap

Outcome = Literal["pass", "fail", "inconclusive"]
EXIT_CODES: dict[Outcome, int] = {"pass": 0, "fail": 2, "inconclusive": 3}


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """One claim of a rule, judged.

    Attributes:
        outcome: What came of it.
        suite: Whose run.
        metric: Of what.
        part: The tag, group or kind; "" for all items.
        rule: Kind of the rule.
        claim: What is claimed: ``exact_match is at least 0.7``.
        interval: Of the metric, or of new minus old.
        bound: What the interval is held against.
        p_pass: One-sided p-value against "the claim is false".
        p_fail: One-sided p-value against "the claim is true", after Holm's adjustment.
        needed: Items that would settle it if the truth is as seen; None where it is settled, or no
            number would.
        detectable: The smallest distance from the bound that so many items find.
        method: How the interval was made.
        old: Mean of the run it is held against; None for a level.
        new: Mean of the run.
        p_permutation: Two-sided, that old and new differ; None for a level or for several runs.
        p_mcnemar: The same by McNemar's exact test; None where scores are not 0 or 1.
        better: Items on which the new run scored higher than the old; None likewise.
        worse: Items on which it scored lower; None likewise.
        unfit: Items left out since the metric does not apply.
        settled: In a sequential gate, after how many items it was clear.
    """

    outcome: Outcome
    suite: str
    metric: str
    part: str
    rule: str
    claim: str
    interval: Interval
    bound: float
    p_pass: float
    p_fail: float
    needed: int | None
    detectable: float | None
    method: str
    old: float | None
    new: float
    p_permutation: float | None
    p_mcnemar: float | None
    better: int | None
    worse: int | None
    unfit: int
    settled: int | None

    @property
    def words(self) -> str:
        """Why it came out so, as a clause."""
        if self.outcome == "pass":
            return "shown"
        if self.outcome == "fail":
            return "shown to be false"
        if self.needed is None:
            return "cannot tell: it lies at the bound, and no number of items would settle it"
        more = self.needed - self.interval.n
        if more > 0:
            return f"cannot tell: {more:,} more items would"
        return "cannot tell: another sample of this size may"


@dataclasses.dataclass(frozen=True, slots=True)
class GateResult:
    """All claims of a gate.

    Attributes:
        checks: In the order of the rules.
        left_out: Parts with too few items to be judged.
        runs: Who was judged, by suite.
        against: Who they were held against, by suite.
        confidence: Of the intervals.
    """

    checks: tuple[Check, ...]
    left_out: tuple[LeftOut, ...]
    runs: dict[str, str]
    against: dict[str, str]
    confidence: float

    @property
    def outcome(self) -> Outcome:
        """``fail`` if any claim fails, else ``inconclusive`` if any is, else ``pass``."""
        found = {check.outcome for check in self.checks}
        for worst in ("fail", "inconclusive"):
            if worst in found:
                return worst
        return "pass"

    @property
    def exit_code(self) -> int:
        """0, 2 or 3."""
        return EXIT_CODES[self.outcome]

    def as_json(self) -> dict[str, Any]:
        """As plain JSON; ends that are infinite are null."""
        told = dataclasses.asdict(self)
        for check, own in zip(self.checks, told["checks"], strict=True):
            own["words"] = check.words
            for end in ("low", "high"):
                if math.isinf(own["interval"][end]):
                    own["interval"][end] = None
        return {"outcome": self.outcome, "exit_code": self.exit_code, **told}


def gate(spec: GatesSpec, runs: Sequence[RunRows], against: Sequence[RunRows] = ()) -> GateResult:
    """Judge runs by rules.

    Args:
        spec: The rules.
        runs: Of one or more suites; several of one suite count as seeds of one recipe, and their
            spread widens the intervals.
        against: Runs of the same suites, to hold them against.

    Raises:
        ConfigError: No rules, or a rule that cannot be judged with these runs.
        DataError: Runs of different items, or without the metric that is asked for.
    """
    if not spec.rules:
        raise ConfigError(
            "this gate has no rules",
            where="gates.rules",
            mend="Write some into the project file, or give --min, --max, --better, --not-worse.",
        )
    new, old = sides(runs), sides(against)
    for suite in new.keys() & old.keys():
        check_same(new[suite].runs[0], old[suite].runs[0])
    found: list[Weighed] = []
    small: list[LeftOut] = []
    for i, rule in enumerate(spec.rules):
        for suite in _suites(rule, list(new), i):
            claims, few = weigh(rule, new[suite], old.get(suite), spec)
            found += claims
            small += few
    adjusted = holm([one.p_fail for one in found])
    checks = tuple(_check(one, p, spec, len(found)) for one, p in zip(found, adjusted, strict=True))
    return GateResult(
        checks,
        tuple(small),
        {name: side.name for name, side in new.items()},
        {name: side.name for name, side in old.items()},
        spec.confidence,
    )


def _suites(rule: Rule, known: Sequence[str], place: int) -> list[str]:
    if not rule.suite:
        return list(known)
    if rule.suite not in known:
        raise DataError(
            f"no run of the suite '{rule.suite}' was given; a rule that is not asked cannot pass",
            where=f"gates.rules.{place}",
            mend=f"There are runs of {', '.join(known)}.",
        )
    return [rule.suite]


def _check(one: Weighed, p_fail: float, spec: GatesSpec, claims: int) -> Check:
    alpha = (1 - spec.confidence) / 2
    outcome: Outcome = "inconclusive"
    needed = None
    if one.p_pass <= alpha:
        outcome = "pass"
    elif p_fail <= alpha:
        outcome = "fail"
    else:
        level = alpha if one.p_pass < one.p_fail else alpha / claims
        needed = items_needed(
            one.gap, one.sd, sd_null=one.sd_null, alpha=level, sides=1, power=spec.power
        )
    sd = max(one.sd, one.sd_null)
    told = one.method != "order statistics" and math.isfinite(sd)
    tests = one.tests
    return Check(
        outcome=outcome,
        suite=one.suite,
        metric=one.rule.metric,
        part=one.part,
        rule=one.rule.kind,
        claim=one.claim,
        interval=one.interval,
        bound=one.bound,
        p_pass=one.p_pass,
        p_fail=p_fail,
        needed=needed,
        detectable=smallest_gap(one.interval.n, sd, alpha=alpha, sides=1, power=spec.power)
        if told
        else None,
        method=one.method,
        old=one.old,
        new=one.new,
        p_permutation=tests.p if tests else None,
        p_mcnemar=tests.p_exact if tests else None,
        better=tests.better if tests else None,
        worse=tests.worse if tests else None,
        unfit=one.unfit,
        settled=one.settled,
    )
