"""Measurements on a screen and as JSON."""

from __future__ import annotations

import numpy as np
import pytest

from luthier.cli._rag_measured import show, told
from luthier.rag.measure import Measurement, Sought

QUESTIONS = tuple(Sought(f"q{n}", f"Question {n}?", {"d": 1.0}, f"kind {n % 7}") for n in range(14))


def measurement(mean: float) -> Measurement:
    values = {"ndcg@10": np.full(14, mean), "withheld": np.full(14, np.nan)}
    return Measurement(QUESTIONS, values, np.arange(1.0, 15.0), ())


def test_one_is_shown_by_type(capsys: pytest.CaptureFixture[str]) -> None:
    show({"now": measurement(0.5)})
    out = capsys.readouterr().out
    assert "0.500 [0.500, 0.500]" in out
    assert "3 more types: --json or --html" in out
    assert "p50 7.5 ms" in out


def test_several_are_shown_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    show({"now": measurement(0.5), "bm25": measurement(0.25)})
    out = capsys.readouterr().out
    assert "bm25 - now" in out
    assert "-0.250 [-0.250, -0.250]" in out
    assert "worse" in out


def test_nothing_is_shown_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    show({})
    assert capsys.readouterr().out == ""


def test_a_program_gets_figures_and_differences() -> None:
    made = told({"now": measurement(0.5), "bm25": measurement(0.25)})
    assert made["measured"]["bm25"]["rows"][0]["ndcg@10"]["mean"] == 0.25
    assert made["measured"]["now"]["p50_ms"]["mean"] == 7.5
    assert made["differences"][0]["gain"]["mean"] == -0.25
