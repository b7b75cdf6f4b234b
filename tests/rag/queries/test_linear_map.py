"""A map learned from pairs, used only where it helps and for its own encoder."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from luthier.core.errors import DataError, ModelError
from luthier.rag.queries.hypothetical import unit
from luthier.rag.queries.linear_map import (
    LEAST_PAIRS,
    LearnSpec,
    Vectors,
    learn,
    load_map,
    reciprocal_ranks,
    save_map,
)

PASSAGES = unit(np.random.default_rng(0).normal(size=(200, 16)))


def _turned(noise: float) -> tuple[Vectors, list[int]]:
    """Questions that lie where a turn of the space and noise put their passages."""
    random = np.random.default_rng(1)
    turn = np.linalg.qr(random.normal(size=(16, 16)))[0]
    return unit(PASSAGES @ turn + noise * random.normal(size=PASSAGES.shape)), list(range(200))


@pytest.mark.parametrize("method", ["ridge", "procrustes"])
def test_a_turn_is_learned_and_helps(method: str) -> None:
    questions, answers = _turned(0.05)
    spec = LearnSpec(method=method, strengths=(0.01, 1.0))  # type: ignore[arg-type]
    one = learn(questions, answers, PASSAGES, "digest", spec)
    assert one.learned.before < 0.2 < 0.9 < one.learned.after
    assert one.learned.helps
    assert one.learned.pairs == 200
    ranks = reciprocal_ranks(one.apply(questions), np.arange(200), PASSAGES)
    assert ranks.mean() > 0.95
    np.testing.assert_allclose(np.linalg.norm(one.apply(questions), axis=1), 1, rtol=1e-5)


def test_a_map_without_gain_is_not_used() -> None:
    random = np.random.default_rng(2)
    questions = unit(PASSAGES + 0.01 * random.normal(size=PASSAGES.shape))
    one = learn(questions, list(range(200)), PASSAGES, "digest")
    assert not one.learned.helps
    assert one.apply(questions) is questions


def test_a_strong_pull_keeps_to_the_identity() -> None:
    questions, answers = _turned(0.05)
    one = learn(questions, answers, PASSAGES, "digest", LearnSpec(strengths=(1e9,)))
    np.testing.assert_allclose(one.matrix, np.eye(16), atol=1e-5)


def test_the_same_pairs_make_the_same_map() -> None:
    questions, answers = _turned(0.3)
    first, second = (learn(questions, answers, PASSAGES, "digest") for _ in range(2))
    assert first.learned == second.learned
    np.testing.assert_array_equal(first.matrix, second.matrix)


def test_equal_scores_count_as_worse() -> None:
    same = np.ones((4, 2), np.float32)
    np.testing.assert_array_equal(reciprocal_ranks(same[:1], np.array([0]), same), [0.25])


def test_it_is_read_back_for_its_encoder_only(tmp_path: Path) -> None:
    questions, answers = _turned(0.05)
    one = learn(questions, answers, PASSAGES, "digest")
    save_map(one, tmp_path / "map")
    again = load_map(tmp_path / "map", "digest")
    assert again.learned == one.learned
    np.testing.assert_array_equal(again.matrix, one.matrix)
    with pytest.raises(ModelError, match="another encoder"):
        load_map(tmp_path / "map", "other")


def test_a_damaged_or_missing_map_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        load_map(tmp_path, "digest")
    questions, answers = _turned(0.05)
    one = learn(questions, answers, PASSAGES, "digest")
    save_map(dataclasses.replace(one, matrix=one.matrix * np.nan), tmp_path)
    with pytest.raises(ModelError, match="damaged"):
        load_map(tmp_path, "digest")
    (tmp_path / "map.npy").write_bytes((tmp_path / "map.npy").read_bytes()[:100])
    with pytest.raises(ModelError, match="cannot be read"):
        load_map(tmp_path, "digest")
    save_map(one, tmp_path)
    told = json.loads((tmp_path / "map.json").read_text())
    (tmp_path / "map.json").write_text(json.dumps({**told, "version": 99}))
    with pytest.raises(ModelError, match="another version"):
        load_map(tmp_path, "digest")


def test_pairs_that_cannot_be_learned_from() -> None:
    questions, answers = _turned(0.1)
    few = LEAST_PAIRS - 1
    with pytest.raises(DataError, match="too few"):
        learn(questions[:few], answers[:few], PASSAGES, "digest")
    with pytest.raises(DataError, match="do not fit"):
        learn(questions[:, :8], answers, PASSAGES, "digest")
    with pytest.raises(DataError, match="not there"):
        learn(questions, [*answers[:-1], 200], PASSAGES, "digest")
    with pytest.raises(DataError, match="of 1 passages only"):
        learn(questions, [3] * 200, PASSAGES, "digest")
