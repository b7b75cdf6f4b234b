"""Watching what was answered: how much, how fast, how well, and whether the questions drift.

Drift is measured against the questions the bundle was evaluated on: where they differ, the
figures of the evaluation say little about today's answers.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from luthier.core.errors import LuthierError
from luthier.core.journal import AnswerRecord, Journal
from luthier.core.spec import Spec
from luthier.monitor._features import measure
from luthier.monitor._samples import energy, kolmogorov_smirnov

Encode = Callable[[Sequence[str]], NDArray[np.float32]]
Outcome = Literal["drift", "no drift found", "cannot tell"]


class MonitorSpec(Spec):
    """How the answer log is watched."""

    window_days: int = Field(default=7, ge=1)
    """How many days back from now are looked at."""
    alpha: float = Field(default=0.05, gt=0.0, lt=1.0)
    """Chance of a false alarm of drift per look, over all features together (Bonferroni)."""
    min_answers: int = Field(default=20, ge=2)
    """Fewer questions than this are too few to tell drift from chance."""
    max_embedded: int = Field(default=300, ge=2)
    """Most questions of each side whose meaning is compared (the newest, and a fixed sample)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Day:
    """One day (UTC) of the window."""

    date: str
    answers: int


@dataclasses.dataclass(frozen=True, slots=True)
class DriftTest:
    """One feature of the questions, then and now.

    Attributes:
        feature: What was measured.
        test: ``KS`` (distance of distributions) or ``energy`` (distance of embeddings).
        statistic: The test's distance, 0 for equal.
        p_value: Before correction.
        alarm: True if the p-value is below alpha over the number of tests.
        reference_mean: Mean over the evaluation questions; None for embeddings.
        mean: Mean over the window's questions; None for embeddings.
    """

    feature: str
    test: Literal["KS", "energy"]
    statistic: float
    p_value: float
    alarm: bool
    reference_mean: float | None = None
    mean: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Drift:
    """Whether the questions are still those the bundle was evaluated on.

    Attributes:
        outcome: The verdict.
        words: The verdict as a sentence.
        reference: Number of evaluation questions.
        questions: Number of questions in the window.
        tests: What was tested, smallest p-value first; empty if nothing could be.
        left_out: Tests that could not be made, and why.
    """

    outcome: Outcome
    words: str
    reference: int
    questions: int
    tests: tuple[DriftTest, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class MonitorReport:
    """What the log of a window says.

    Attributes:
        since: Begin of the window (ISO 8601, UTC).
        until: Its end.
        answers: Answers begun in the window, of every outcome.
        days: Answers by day, days without any included.
        latency_p50_s: Median seconds of answers that were finished; None without any.
        latency_p95_s: 95th percentile of the same.
        first_token_p50_s: Median seconds to the first text.
        refused: Prompts that did not fit the context.
        empty: Finished answers without text.
        truncated: Answers cut at the token limit.
        abandoned: Clients that left.
        failed: Errors of the model.
        prompt_tokens: Sum over the window.
        completion_tokens: Sum over the window.
        retrieved: Answers that had passages in the prompt.
        cited_share: Share of ``retrieved`` with at least one verified citation; None without any.
        bundles: Answers by bundle digest: a window may span an update.
        drift: Of the questions.
    """

    since: str
    until: str
    answers: int
    days: tuple[Day, ...]
    latency_p50_s: float | None
    latency_p95_s: float | None
    first_token_p50_s: float | None
    refused: int
    empty: int
    truncated: int
    abandoned: int
    failed: int
    prompt_tokens: int
    completion_tokens: int
    retrieved: int
    cited_share: float | None
    bundles: dict[str, int]
    drift: Drift

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON data."""
        return dataclasses.asdict(self)


def watch(
    journal: Journal,
    reference_questions: Sequence[str],
    spec: MonitorSpec,
    *,
    now: dt.datetime | None = None,
    encode: Encode | None = None,
) -> MonitorReport:
    """Sum up the log's last days.

    Args:
        journal: The answer log.
        reference_questions: What the bundle was evaluated on; empty if unknown.
        spec: Window and thresholds.
        now: End of the window (timezone-aware); None for this moment.
        encode: Texts to vectors; None for Luthier's own encoder.

    Raises:
        StoreError: The log cannot be read.
    """
    until = now or dt.datetime.now(dt.UTC)
    since = until - dt.timedelta(days=spec.window_days)
    end = until.astimezone(dt.UTC).isoformat()
    records = [r for r in journal.records(since) if dt.datetime.fromisoformat(r.at) <= until]
    endings = Counter(r.finish_reason for r in records)
    finished = [r for r in records if r.finish_reason in ("stop", "length", "tool_calls")]
    retrieved = [r for r in finished if r.passages]
    first = [r.first_token_s for r in finished if r.first_token_s is not None]
    questions = [r.question for r in records if r.question]
    return MonitorReport(
        since=since.astimezone(dt.UTC).isoformat(),
        until=end,
        answers=len(records),
        days=_days(records, since, until),
        latency_p50_s=_quantile([r.latency_s for r in finished], 0.50),
        latency_p95_s=_quantile([r.latency_s for r in finished], 0.95),
        first_token_p50_s=_quantile(first, 0.50),
        refused=endings["context"],
        empty=sum(not (r.answer.strip() or r.tool_calls) for r in finished),
        truncated=endings["length"],
        abandoned=endings["abandoned"],
        failed=endings["error"],
        prompt_tokens=sum(r.prompt_tokens for r in records),
        completion_tokens=sum(r.completion_tokens for r in records),
        retrieved=len(retrieved),
        cited_share=sum(bool(r.citations) for r in retrieved) / len(retrieved)
        if retrieved
        else None,
        bundles=dict(Counter(r.bundle for r in records)),
        drift=find_drift(list(reference_questions), questions, spec, encode or _encode),
    )


def find_drift(
    reference: Sequence[str], questions: Sequence[str], spec: MonitorSpec, encode: Encode
) -> Drift:
    """Test wording (KS on each feature) and meaning (energy test on embeddings) of questions.

    The level is divided by the number of tests, so that ``spec.alpha`` bounds the chance of any
    false alarm in one look; looking every day is as many looks.

    Args:
        reference: The evaluation questions.
        questions: The window's questions, oldest first.
        spec: Thresholds.
        encode: Texts to vectors; a ``LuthierError`` of it leaves the test of meaning out.
    """
    sizes = (len(reference), len(questions))
    if not reference:
        words = "no evaluation questions to compare with"
        return Drift("cannot tell", words, *sizes)
    if min(sizes) < spec.min_answers:
        what = "answers" if len(questions) <= len(reference) else "evaluation questions"
        words = f"too few {what} to tell ({min(sizes)}, at least {spec.min_answers} are needed)"
        return Drift("cannot tell", words, *sizes)
    found = [
        DriftTest(name, "KS", *kolmogorov_smirnov(then, today), False, then.mean(), today.mean())
        for name, (then, today) in measure(reference, questions).items()
    ]
    left_out = []
    try:
        sample = _sample(reference, spec.max_embedded)
        vectors = encode(sample), encode(list(questions[-spec.max_embedded :]))
        found.append(DriftTest("meaning (embeddings)", "energy", *energy(*vectors), False))
    except (LuthierError, ImportError) as error:
        left_out.append(f"meaning (embeddings): {error}")
    level = spec.alpha / len(found)
    tests = tuple(
        dataclasses.replace(
            test,
            alarm=test.p_value < level,
            reference_mean=None if test.reference_mean is None else float(test.reference_mean),
            mean=None if test.mean is None else float(test.mean),
        )
        for test in sorted(found, key=lambda test: test.p_value)
    )
    alarms = [test.feature for test in tests if test.alarm]
    if alarms:
        words = f"questions differ from the evaluation's in: {', '.join(alarms)}"
    else:
        words = f"no difference found in {len(tests)} tests of {sizes[1]} questions"
    outcome: Outcome = "drift" if alarms else "no drift found"
    return Drift(outcome, words, *sizes, tests, tuple(left_out))


def _encode(texts: Sequence[str]) -> NDArray[np.float32]:
    from luthier.models.encode import load_encoder

    return load_encoder("minilm").encode(texts, batch_size=16)


def _sample(texts: Sequence[str], most: int) -> list[str]:
    if len(texts) <= most:
        return list(texts)
    chosen = np.random.default_rng(0).choice(len(texts), most, replace=False)
    return [texts[i] for i in sorted(chosen)]


def _quantile(values: Sequence[float], share: float) -> float | None:
    return float(np.quantile(values, share)) if values else None


def _days(
    records: Sequence[AnswerRecord], since: dt.datetime, until: dt.datetime
) -> tuple[Day, ...]:
    counts = Counter(r.at[:10] for r in records)
    first, last = (moment.astimezone(dt.UTC).date() for moment in (since, until))
    dates = [first + dt.timedelta(days=i) for i in range((last - first).days + 1)]
    return tuple(Day(date.isoformat(), counts[date.isoformat()]) for date in dates)
