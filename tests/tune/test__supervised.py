"""Rows laid end to end: nothing is lost, and a batch may be cut anywhere."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import labelled_rows as made
import numpy as np
import pytest
from tiny_models import plan

from luthier.core.ledger import Ledger
from luthier.tune import supervised
from luthier.tune._objective import tensors
from luthier.tune._supervised import batches, join, join_words, lay_out, predict
from luthier.tune.classification import Classification
from luthier.tune.token_classification import TokenClassification
from luthier.tune.tune import open_model

ROWS = join([[5, 6, 7], [8], [9, 10, 11, 12]], ["a", "b", "c"])


def test_a_grid_says_where_each_token_stands() -> None:
    laid = lay_out(ROWS, np.array([2, 1]))
    assert len(laid["ids"]) == 64
    assert laid["ids"][:6].tolist() == [9, 10, 11, 12, 8, 0]
    assert laid["positions"][:5].tolist() == [0, 1, 2, 3, 0]
    assert laid["grid"].shape == (2, 8)
    assert laid["grid"][1].tolist() == [4, *[63] * 7]
    assert laid["places"].tolist() == [0, 1, 2, 3, 8]
    assert "words" not in laid


def test_there_is_always_filling_behind_the_rows() -> None:
    full = join([[1] * 64], ["a"])
    laid = lay_out(full, np.array([0]))
    assert (len(laid["ids"]), len(laid["places"])) == (128, 64)


def test_words_are_found_again_in_any_order() -> None:
    rows = join_words([[5, 6, 7], [8, 9]], [[0, 2], [1]], ["a", "b"])
    laid = lay_out(rows, np.array([1, 0]))
    assert laid["ids"][laid["words"]].tolist() == [9, 5, 7]


def test_parts_stay_within_the_micro_batch() -> None:
    here = dataclasses.replace(plan(), micro_batch_tokens=6)
    parts = [part.tolist() for part in batches(ROWS, range(3), here)]
    assert parts == [[1, 0], [2]]


@pytest.mark.parametrize("objective", [Classification(), TokenClassification()])
def test_the_loss_and_the_scores_don_t_depend_on_the_cut(objective: object, tmp_path: Path) -> None:
    rows = made.tagged(20) if isinstance(objective, TokenClassification) else made.single(20)
    tuning = made.spec(objective)
    model = open_model(made.folder_of("bert", tmp_path), tuning, plan(), rows)
    built = supervised.build(tuning.objective, rows, model, tuning, None, Ledger())
    losses, scores = [], []
    for micro in (16, 4096):
        here = dataclasses.replace(plan(), micro_batch_tokens=micro)
        parts = list(built.micro_batches(range(20), here))
        assert sum(part.weight for part in parts) == built.size
        assert sum(part.tokens for part in parts) == built.lengths.sum()
        losses.append(
            sum(float(built.loss(model, tensors(p.arrays, "cpu")).detach()) for p in parts)
        )
        scores.append(predict(model, built.rows, here, "auto"))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-5)
    assert built.measure(model, plan())["loss"] == pytest.approx(losses[0] / built.size, rel=1e-4)
