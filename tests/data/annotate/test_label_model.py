from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays

from luthier.data.annotate.label_model import Form, Matrix, fit, majority, vote_balance

TRUE = (0.95, 0.85, 0.7, 0.55, 0.5)


def _voters(rows: int = 2000, labels: int = 3, seed: int = 0) -> tuple[Matrix, np.ndarray]:
    """Voters of known accuracy, each abstaining on half of the rows."""
    chance = np.random.default_rng(seed)
    truth = chance.choice(labels, rows, p=[0.5, 0.3, 0.2])
    columns = []
    for right in TRUE:
        wrong = (truth + chance.integers(1, labels, rows)) % labels
        said = np.where(chance.random(rows) < right, truth, wrong)
        columns.append(np.where(chance.random(rows) < 0.5, said, -1))
    return np.array(columns, dtype=np.int16).T, truth


def test_majority_is_shares_of_votes() -> None:
    votes = np.array([[0, 0, 1], [-1, -1, 2], [-1, -1, -1]], dtype=np.int16)
    assert majority(votes, 3).round(3).tolist() == [[0.667, 0.333, 0], [0, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize("form", ["accuracies", "confusions"])
def test_voters_are_found_out_without_a_true_label(form: Form) -> None:
    votes, truth = _voters()
    balance = vote_balance(votes, 3) if form == "accuracies" else None
    model, chances = fit(votes, 3, form=form, balance=balance)
    assert model.accuracies == pytest.approx(TRUE, abs=0.06)
    near = 0.08 if form == "accuracies" else 0.05  # taken from the votes, or estimated along
    assert model.balance == pytest.approx([0.5, 0.3, 0.2], abs=near)
    voted = chances.sum(axis=1) > 0
    mine = (chances.argmax(axis=1) == truth)[voted].mean()
    theirs = (majority(votes, 3).argmax(axis=1) == truth)[voted].mean()
    assert mine > theirs + 0.02


def test_probabilities_mean_what_they_say() -> None:
    votes, truth = _voters(4000)
    _, chances = fit(votes, 3, balance=vote_balance(votes, 3))
    best, most = chances.argmax(axis=1), chances.max(axis=1)
    for low, high in ((0.5, 0.7), (0.7, 0.9), (0.9, 1.01)):
        here = (most >= low) & (most < high)
        assert (best == truth)[here].mean() == pytest.approx(most[here].mean(), abs=0.06)


def test_confusions_of_people_learn_whom_one_mistakes_for_whom() -> None:
    chance = np.random.default_rng(1)
    truth = chance.integers(0, 3, 900)
    swaps = np.where(truth == 0, 1, truth)  # says 1 for every 0
    good = [np.where(chance.random(900) < 0.9, truth, (truth + 1) % 3) for _ in range(3)]
    votes = np.array([swaps, *good], dtype=np.int16).T
    model, _ = fit(votes, 3, form="confusions", abstaining_tells=False)
    assert model.tables is not None
    assert model.tables[0, 0, 1] > 0.9
    assert model.tables[0, 1, 1] > 0.9
    assert model.tables[:, :, :3].sum(axis=2) == pytest.approx(1)


def test_a_known_balance_is_kept() -> None:
    balance = np.array([0.2, 0.3, 0.5])
    model, _ = fit(_voters(100)[0], 3, balance=balance)
    assert model.balance is balance
    assert fit(_voters(100)[0], 4)[0].balance == pytest.approx([0.25] * 4)


def test_a_common_word_does_not_take_over() -> None:
    chance = np.random.default_rng(2)
    truth = chance.integers(0, 4, 1000)
    columns = [np.where((truth == n) & (chance.random(1000) < 0.6), n, -1) for n in range(4)]
    columns.append(np.where(chance.random(1000) < 0.7, 0, -1))  # a common word, named for label 0
    votes = np.array(columns, dtype=np.int16).T
    torn = (votes[:, 1:4] >= 0).any(axis=1) & (votes[:, 4] >= 0)
    model, chances = fit(votes, 4, balance=np.full(4, 0.25))
    assert model.accuracies[4] <= 0.25 / (votes[:, 4] >= 0).mean() + 1e-9
    assert (chances.argmax(axis=1) == truth)[torn].all()
    counted = fit(votes, 4, balance=vote_balance(votes, 4))[1]  # believes the common word
    assert vote_balance(votes, 4)[0] > 0.5
    assert not (counted.argmax(axis=1) == truth)[torn].any()


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.int16, st.tuples(st.integers(0, 12), st.integers(1, 4)), elements=st.integers(-1, 2)),
    st.sampled_from(["accuracies", "confusions"]),
)
def test_any_votes_give_probabilities_where_somebody_voted(votes: Matrix, form: Form) -> None:
    model, chances = fit(votes, 3, form=form, rounds=20)
    voted = (votes >= 0).any(axis=1)
    assert chances.sum(axis=1) == pytest.approx(voted.astype(float))
    assert ((model.accuracies >= 0) & (model.accuracies <= 1)).all()
    again = fit(votes, 3, form=form, rounds=20)[1]
    assert (again == chances).all()
