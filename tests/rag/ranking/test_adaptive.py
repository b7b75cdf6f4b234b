"""The weight of meaning for each question."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from luthier.core.errors import ConfigError
from luthier.rag.ranking.adaptive import (
    FEATURES,
    Asked,
    Judged,
    Weights,
    features,
    fit_weights,
    load_weights,
)
from luthier.rag.ranking.fusion import Leg

KNOWN = Asked(idf=(5.0, 4.0, 3.0, 1.0, 9.0), df=(1, 3, 9, 50, 0), count=1000)


def legs(words: float, near: float) -> tuple[Leg, Leg]:
    """Words say passage 1, meaning says passage 2; how surely is given."""
    keys = np.arange(1, 13, dtype=np.int32)
    by_words = np.concatenate([[words], np.full(11, 0.3 * words)])
    by_meaning = np.concatenate([[near], np.full(11, 0.3 * near)])
    turned = np.array([2, 1, *range(3, 13)], np.int32)
    return Leg("words", keys, by_words, 10.0), Leg("meaning", turned, by_meaning, 1.0)


def judged(count: int, seed: int = 0) -> list[Judged]:
    """Where the corpus lacks the question's words, meaning is right, else words are."""
    made, random = [], np.random.default_rng(seed)
    for n in range(count):
        lacking = n % 2 == 0
        df = (0, 0, 5, 7) if lacking else (4, 2, 5, 7)
        asked = Asked((4.0, 3.0, 2.0, 1.0), df, 1000)
        pair = legs(float(random.uniform(4, 5)), float(random.uniform(0.4, 0.5)))
        made.append(Judged(pair, asked, {2 if lacking else 1: 1.0}, f"g{n}"))
    return made


def test_what_is_read_of_a_question() -> None:
    assert KNOWN.matched == 0.8
    assert KNOWN.rarest == pytest.approx(4.0 / np.log1p(999.5 / 1.5))
    assert Asked().matched == Asked().rarest == 0.0
    read = features(legs(5.0, 0.4), KNOWN)
    assert read is not None
    told = dict(zip(FEATURES, read.tolist(), strict=True))
    assert told["cosine"] == pytest.approx(0.4)
    assert told["words_top"] == pytest.approx(0.5)
    assert told["overlap"] == 1.0
    assert features(legs(5.0, 0.4), Asked()) is None
    assert features(legs(5.0, 0.4)[:1], KNOWN) is None


def test_a_model_learns_which_questions_want_meaning() -> None:
    model = fit_weights(judged(60), "made up")
    assert model.gain > 0.05
    right = 0
    for one in judged(40, seed=1):
        weight = model.weight(one.legs, one.asked)
        assert 0.0 <= weight <= 1.0
        right += (weight > model.fixed) == (one.asked.matched < 1)
    assert right == 40


def test_without_a_gain_the_model_is_a_fixed_weight() -> None:
    same = [Judged(one.legs, KNOWN, {1: 1.0}, one.group) for one in judged(30)]
    model = fit_weights(same, "made up")
    assert model.gain == 0.0
    assert not any(model.coefficients)
    assert model.weight(same[0].legs, KNOWN) == model.fixed
    assert model.fixed < 0.5


def test_an_unknown_question_takes_the_fixed_weight() -> None:
    model = fit_weights(judged(60), "made up")
    assert model.weight(legs(5.0, 0.4), Asked()) == model.fixed
    assert model.weight(legs(5.0, float("nan")), KNOWN) == model.fixed


def test_too_few_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        fit_weights(judged(9), "made up")


def test_a_model_is_read_as_it_was_saved(tmp_path: Path) -> None:
    model = fit_weights(judged(30), "made up")
    path = tmp_path / "weights.json"
    model.save(path)
    assert load_weights(path) == model


def test_the_weights_that_ship_are_sound() -> None:
    model = load_weights()
    assert model.questions > 100
    assert "training" in model.fitted_on
    assert 0.2 < model.weight(legs(5.0, 0.5), KNOWN) < 0.8


@pytest.mark.parametrize(
    "change",
    [{"spread": [0, 1, 1, 1, 1]}, {"centre": [1]}, {"fixed": 2}, {"features": ["age"]}],
)
def test_a_model_that_is_none_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    told = json.loads(load_weights().model_dump_json()) | change
    path = tmp_path / "weights.json"
    path.write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_weights(path)
    assert "weights.json" in str(error.value)
    with pytest.raises(ValueError, match="validation error"):
        Weights.model_validate_json(path.read_text(encoding="utf-8"))
