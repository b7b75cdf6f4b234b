"""The head: against scikit-learn's optimum, seeded losses, early stopping, saved and loaded."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from luthier.core.errors import ModelError
from luthier.core.progress import Quiet
from luthier.setup.losses import Terms
from luthier.tune._head import Training, fit_head, head_logits, load_head, make_head, save_head

TERMS = Terms(("a", "b", "c"))
HOW = Training(
    hidden=0, epochs=60, patience=60, batch_rows=64, learning_rate=0.02, weight_decay=0.0
)
NOBODY = (np.zeros((0, 6), dtype=np.float32), np.zeros(0, dtype=np.intp))


def points(seed: int, counts: tuple[int, ...] = (60, 40, 20)) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(3, 6))
    targets = np.repeat(np.arange(3), counts)
    vectors = centres[targets] + random.normal(size=(len(targets), 6))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), targets


@pytest.mark.parametrize("weights", [None, (0.5, 1.0, 4.0)])
def test_a_linear_head_comes_to_scikit_learns_optimum(weights: tuple[float, ...] | None) -> None:
    vectors, targets = points(0)
    how = dataclasses.replace(HOW, epochs=400, patience=400, batch_rows=120)
    terms = dataclasses.replace(TERMS, class_weights=weights)
    head = fit_head(how, (vectors, targets), NOBODY, terms, 0, Quiet()).head
    oracle = LogisticRegression(C=1e6, max_iter=5000).fit(
        vectors, targets, None if weights is None else np.asarray(weights)[targets]
    )
    mine = torch.softmax(torch.from_numpy(head_logits(head, vectors)), dim=1).numpy()
    assert np.abs(mine - oracle.predict_proba(vectors)).mean() < 0.03


def test_first_losses_of_a_seeded_head() -> None:
    found = fit_head(HOW, points(0), points(1), TERMS, 7, Quiet())
    again = fit_head(HOW, points(0), points(1), TERMS, 7, Quiet())
    assert found.train_losses == again.train_losses
    assert found.train_losses[0] < np.log(3)  # the loss of a head that knows nothing
    assert sorted(found.train_losses[:4], reverse=True) == list(found.train_losses[:4])


def test_training_stops_early_and_keeps_the_best() -> None:
    train, validation = points(0, (6, 4, 3)), points(1)
    how = dataclasses.replace(HOW, hidden=32, epochs=300, patience=5, weight_decay=0.0)
    found = fit_head(how, train, validation, TERMS, 0, Quiet())
    assert found.epochs == found.best_epoch + 5 < 300
    assert min(found.validation_losses) == found.validation_losses[found.best_epoch - 1]
    logits = torch.from_numpy(head_logits(found.head, validation[0]))
    kept = torch.nn.functional.cross_entropy(logits, torch.from_numpy(validation[1])).item()
    assert kept == pytest.approx(min(found.validation_losses), rel=1e-4)


def test_global_random_numbers_are_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    make_head(6, 8, 3, seed=1)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("hidden", [0, 8])
def test_a_head_is_loaded_as_saved(tmp_path: Path, hidden: int) -> None:
    how = dataclasses.replace(HOW, hidden=hidden, epochs=2)
    head = fit_head(how, points(0), NOBODY, TERMS, 3, Quiet()).head
    save_head(head, tmp_path)
    vectors = points(1)[0]
    loaded = load_head(tmp_path, 6, hidden, 3)
    assert np.array_equal(head_logits(loaded, vectors), head_logits(head, vectors))
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_head(tmp_path, 7, hidden, 3)
    (tmp_path / "head.safetensors").write_bytes(b"short")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_head(tmp_path, 6, hidden, 3)
