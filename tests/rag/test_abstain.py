"""Nothing is withheld without a calibration, and with one the false answers stay rare."""

from __future__ import annotations

import dataclasses
import json
import math
import random
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from luthier.core.errors import DataError, StoreError
from luthier.core.records import Passage
from luthier.rag.abstain import (
    AbstainSpec,
    Abstention,
    Calibration,
    Case,
    Signs,
    calibrate,
    signs,
    threshold_at,
)


def passage(text: str, score: float) -> Passage:
    return Passage("a#0", "a", "Violins", text, "a:1", 0, len(text), score)


FOUND = [passage("Stradivari was born in 1644. He made violins.", 3.0), passage("Glue.", 1.0)]


def cases(count: int, seed: int, apart: float = 1.5) -> list[Case]:
    draw = random.Random(seed)
    rows = []
    for i in range(count):
        yes = i % 2 == 0
        shift = apart * yes
        rows.append(Case(Signs(draw.gauss(shift, 1), 0.0, draw.gauss(shift, 1)), yes))
    return rows


REFUSE = AbstainSpec(policy="refuse")


def test_signs_of_a_question() -> None:
    good = signs("When was Stradivari born?", FOUND)
    assert (good.best, good.gap) == (3.0, 2.0)
    assert good.covered == good.sentence == pytest.approx(1.0)
    assert good.kind == 1.0
    bad = signs("When was Guarneri married in Mantua?", FOUND)
    assert bad.covered < 0.5
    assert bad.sentence < good.sentence
    assert signs("When?", []) == Signs()
    assert signs("", FOUND).covered == 0.0
    assert signs("Who?", FOUND, lambda q, texts: [0.1] * (len(texts) - 1) + [0.7]).meaning == 0.7


def test_false_answers_are_as_rare_as_promised() -> None:
    rates, answered = [], []
    for seed in range(30):
        made = calibrate(cases(400, seed), 0.1, "bm25")
        fresh = cases(1000, 1000 + seed)
        rates.append(sum(made.answers(c.signs) for c in fresh if not c.answerable) / 500)
        answered.append(sum(made.answers(c.signs) for c in fresh if c.answerable) / 500)
    assert sum(rates) / 30 <= 0.105  # the promise is on average; 500 questions, 30 times
    assert sum(answered) / 30 > 0.6


def test_signs_that_tell_nothing_withhold_most() -> None:
    made = calibrate(cases(400, 0, apart=0.0), 0.05, "bm25")
    assert made.answered < 0.2
    assert made.weights[1] == 0.0  # a sign that never varies has no say


@given(st.lists(st.floats(0, 1), max_size=60), st.floats(0.01, 0.99))
def test_the_threshold_is_the_least_that_keeps_the_promise(
    wrong: list[float], target: float
) -> None:
    threshold = threshold_at(wrong, target)
    passing = sum(w >= threshold for w in wrong)
    assert (passing + 1) / (len(wrong) + 1) <= target + 1e-6 or threshold == math.inf
    lower = max((w for w in wrong if w < threshold), default=None)
    if lower is not None and threshold < math.inf:
        assert (sum(w >= lower for w in wrong) + 1) / (len(wrong) + 1) > target - 1e-6


def test_it_is_written_with_what_it_was_made_from(tmp_path: Path) -> None:
    made = calibrate(cases(100, 1), 0.2, "bm25 top 3")
    made.write(tmp_path / "a.json")
    assert Calibration.read(tmp_path / "a.json", "bm25 top 3") == made
    told = json.loads((tmp_path / "a.json").read_text())
    assert (told["answerable"], told["unanswerable"], told["target"]) == (50, 50, 0.2)
    with pytest.raises(StoreError, match="another search"):
        Calibration.read(tmp_path / "a.json", "dense top 3")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 9}', '{"version": 1, "bias": 0}'])
def test_a_damaged_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(StoreError):
        Calibration.read(tmp_path / "a.json", "bm25")
    with pytest.raises(StoreError):
        Calibration.read(tmp_path / "none.json", "bm25")


def test_too_few_questions_are_refused() -> None:
    with pytest.raises(DataError, match="20 answerable and 20 unanswerable"):
        calibrate(cases(38, 0), 0.1, "bm25")


def test_without_a_calibration_it_is_off_and_says_so() -> None:
    idle = Abstention(REFUSE, None)
    assert idle.decide("Which frog?", FOUND).answer
    assert "no calibration" in idle.told
    assert Abstention(AbstainSpec(), None).told == "abstention is off"


def test_it_decides_by_what_it_learned() -> None:
    good, bad = signs("When was Stradivari born?", FOUND), signs("Which frog sang?", FOUND)
    rows = [
        Case(dataclasses.replace(one, best=one.best + i / 1000), one is good)
        for one in (good, bad)
        for i in range(30)
    ]
    made = Abstention(REFUSE, calibrate(rows, 0.1, "x"))
    yes, no = (made.decide(q, FOUND) for q in ("When was Stradivari born?", "Which frog sang?"))
    assert yes.answer
    assert not no.answer
    assert (yes.likelihood or 0) > 0.9 > 0.1 > (no.likelihood or 0)
    assert "calibrated on 30 answerable" in made.told
    assert Abstention(AbstainSpec(), made.calibration).decide("Which frog sang?", FOUND).answer
