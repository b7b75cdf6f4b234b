"""Form, novelty and a judge decide; ROUGE-L is the published one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError
from scripted import Scripted

from luthier.data.synthesize.drafts import Draft
from luthier.data.synthesize.filters import (
    FormSpec,
    JudgeSpec,
    Known,
    NoveltySpec,
    form_problem,
    judged,
    rouge_l,
)
from luthier.data.synthesize.journal import CallJournal
from luthier.data.synthesize.writer import BudgetSpec, Writer

WORDS = st.lists(st.sampled_from(["police", "killed", "the", "gunman", "a", "b", "c"]), max_size=9)


def draft(question: str = "What is a gouge?", answer: str = "A tool.", label: str = "") -> Draft:
    return Draft(question, answer, "few-shot", "p", "f:1", "g", "row", label=label)


def test_rouge_l_of_lins_example() -> None:
    # Lin 2004, section 3.1: S2 shares "police ... the gunman" with the reference, S3 "the gunman"
    reference = ["police", "killed", "the", "gunman"]
    assert rouge_l(["police", "kill", "the", "gunman"], reference) == 0.75
    assert rouge_l(["the", "gunman", "kill", "police"], reference) == 0.5


@given(WORDS, WORDS)
def test_rouge_l_is_what_the_library_says(one: list[str], other: list[str]) -> None:
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer(["rougeL"])
    expected = scorer.score(" ".join(one), " ".join(other))["rougeL"].fmeasure
    assert rouge_l(one, other) == pytest.approx(expected)


@given(st.lists(WORDS.map(" ".join), max_size=5), WORDS.map(" ".join))
def test_no_likeness_is_overlooked(known: list[str], question: str) -> None:
    spec = NoveltySpec(max_rouge_l=0.6, max_similarity=None)
    near = max((rouge_l(question.split(), k.split()) for k in known), default=0.0)
    problem = Known(known, spec, None).problem(question)
    assert (problem is not None) == (near >= 0.6)


def test_what_was_accepted_is_known_from_then_on() -> None:
    known = Known([], NoveltySpec(max_similarity=None), None)
    assert known.problem("How is the arch carved?") is None
    assert known.problem("How is the arch carved now?") == "not new (ROUGE-L)"


def test_the_encoder_finds_what_other_words_say() -> None:
    vectors = {"a b": [1, 0], "c d": [0.99, 0.14], "e f": [0, 1], "g h": [0.6, 0.8]}
    known = Known(
        ["a b"], NoveltySpec(), lambda texts: np.array([vectors[t] for t in texts], np.float32)
    )
    assert known.problem("c d") == "not new (embedding)"
    assert known.problem("e f") is None
    assert known.problem("g h") is None


@pytest.mark.parametrize(
    ("one", "spec", "problem"),
    [
        (draft(), FormSpec(), None),
        (draft(question="Why?"), FormSpec(), "too short"),
        (draft(answer=""), FormSpec(), "too short"),
        (draft(answer="word " * 401), FormSpec(), "too long"),
        (draft(answer="I'm sorry, I can't help."), FormSpec(), "the model declines"),
        (draft(), FormSpec(answer_pattern="[A-Z]+"), "answer does not match the pattern"),
        (draft(answer="{1}"), FormSpec(answer_json=True), "answer is not JSON"),
        (draft(answer="{}"), FormSpec(answer_json=True), None),
        (draft(answer="saw", label="saw"), FormSpec(), None),
        (draft(answer="axe", label="axe"), FormSpec(), "unknown label"),
    ],
)
def test_form(one: Draft, spec: FormSpec, problem: str | None) -> None:
    assert form_problem(one, spec, frozenset(["saw"])) == problem


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="not a regular expression"):
        FormSpec(answer_pattern="(")


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        ("5", None),
        ("Mark: 4/5", None),
        ("3", "judged too low"),
        ("good", "no mark in the judge's reply"),
        ("100", "no mark in the judge's reply"),
    ],
)
def test_the_judges_mark(reply: str, problem: str | None, tmp_path: Path) -> None:
    writer = Writer(Scripted(lambda _: reply), BudgetSpec(max_calls=1), CallJournal(tmp_path / "c"))
    other = draft(question="Another one?")
    assert judged([draft(), other], JudgeSpec(), writer) == [problem, "not judged: budget spent"]
