"""From several uncertain votes to one label with a probability: vote counts, and EM.

``fit`` estimates how good each voter is without knowing any true label, from how voters agree
with each other, by expectation maximisation on a naive Bayes model: given the true label, voters
are independent. Confusion tables: A. P. Dawid, A. M. Skene, *Maximum likelihood estimation of
observer error-rates using the EM algorithm*, 1979. One accuracy for each labelling function that
may abstain: A. Ratner et al., *Data programming*, 2016, section 2; *Training complex models with
multi-task weak supervision*, 2019. All of it is deterministic.

Functions often name one label only and seldom overlap. Free EM then drifts: it takes a rare label
for a slip of a frequent one. So, as in the paper of 2016, functions are taken to be right more
often than wrong, and the balance of labels isn't estimated along. It is even unless the caller
knows better: shares among the votes help where rare labels have few votes, and mislead where a
function votes on many rows because its words are common. A balance that is given also bounds each
accuracy: who names a label on 30 % of the rows, of which 5 % have it, is right one time in six at
most, however often it votes alone.
"""

from __future__ import annotations

import dataclasses
from typing import Literal, assert_never

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.int16]
Reals = npt.NDArray[np.float64]
Form = Literal["accuracies", "confusions"]

ABSTAIN = -1
_PRIOR_ACCURACY = 0.7  # what a voter is taken for before it has said anything
_PRIOR_WEIGHT = 5.0  # as many votes as the prior is worth
_LEAST_ACCURACY = 0.5
_SMOOTHING = 0.5  # of a cell of a confusion table
_TINY = 1e-12


@dataclasses.dataclass(frozen=True, slots=True)
class LabelModel:
    """What was learnt about the voters.

    Attributes:
        balance: [labels]: share of each label among the rows with votes.
        accuracies: [voters]: how often each is right when it votes.
        tables: [voters, true label, vote] of probabilities, the last vote being to abstain;
            None where each voter has but one accuracy.
        iterations: Rounds until the probabilities stood still.
    """

    balance: Reals
    accuracies: Reals
    tables: Reals | None
    iterations: int


def majority(votes: Matrix, labels: int) -> Reals:
    """Share of each label among a row's votes; zeros where all abstain.

    Args:
        votes: [rows, voters] of label numbers, -1 to abstain.
        labels: How many labels there are.

    Returns:
        [rows, labels].
    """
    counts = np.zeros((len(votes), labels))
    for column in votes.T:
        voted = column >= 0
        counts[np.flatnonzero(voted), column[voted]] += 1
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


def vote_balance(votes: Matrix, labels: int) -> Reals:
    """Share of each label among the votes, each row with votes counting once.

    Args:
        votes: [rows, voters] of label numbers, -1 to abstain.
        labels: How many labels there are.
    """
    return _balance(majority(votes[(votes >= 0).any(axis=1)], labels))


def fit(
    votes: Matrix,
    labels: int,
    *,
    form: Form = "accuracies",
    abstaining_tells: bool = True,
    balance: Reals | None = None,
    rounds: int = 200,
    tolerance: float = 1e-6,
) -> tuple[LabelModel, Reals]:
    """Estimate voters and labels together.

    Args:
        votes: [rows, voters] of label numbers, -1 to abstain.
        labels: How many labels there are.
        form: ``accuracies``: one for each voter, at least 0.5 unless a given balance forbids it,
            errors spread evenly over the other labels. ``confusions``: a table for each voter; it
            needs many rows.
        abstaining_tells: In confusion tables, whether to abstain is a vote like others, as it is
            for functions that know one label only. False for people who weren't asked.
        balance: Share of each label. None: even for ``accuracies``, estimated along for
            ``confusions``.
        rounds: Most rounds of EM.
        tolerance: Largest change of a probability that ends it.

    Returns:
        The model, and [rows, labels] of probabilities; zeros where all voters abstain.
    """
    active = np.flatnonzero((votes >= 0).any(axis=1))
    told = votes[active]
    belief = majority(told, labels)
    most = np.ones(votes.shape[1]) if balance is None else _most_right(votes, balance)
    if balance is None and form == "accuracies":
        balance = np.full(labels, 1 / labels)
    model = _maximise(told, belief, form, abstaining_tells, balance, most, 0)
    for done in range(1, rounds + 1):
        before = belief
        belief = _expect(told, model, labels, abstaining_tells)
        model = _maximise(told, belief, form, abstaining_tells, balance, most, done)
        if not len(belief) or np.abs(belief - before).max() < tolerance:
            break
    probabilities = np.zeros((len(votes), labels))
    probabilities[active] = belief
    return model, probabilities


def _maximise(
    votes: Matrix,
    belief: Reals,
    form: Form,
    abstaining_tells: bool,
    balance: Reals | None,
    most: Reals,
    done: int,
) -> LabelModel:
    """The voters that fit best to what is believed of the labels."""
    labels = belief.shape[1]
    if balance is None:
        balance = _balance(belief)
    accuracies = np.array([_accuracy(column, belief) for column in votes.T])
    match form:
        case "accuracies":
            held = np.minimum(np.maximum(accuracies, _LEAST_ACCURACY), most)
            return LabelModel(balance, held, None, done)
        case "confusions":
            tables = np.array([_table(column, belief, abstaining_tells) for column in votes.T])
            return LabelModel(balance, accuracies, tables.reshape(-1, labels, labels + 1), done)
        case _:
            assert_never(form)


def _balance(belief: Reals) -> Reals:
    """Share of each label, with one row more of each."""
    return np.asarray((belief.sum(axis=0) + 1) / (len(belief) + belief.shape[1]))


def _accuracy(column: npt.NDArray[np.int16], belief: Reals) -> float:
    voted = np.flatnonzero(column >= 0)
    right = belief[voted, column[voted]].sum()
    return float((right + _PRIOR_WEIGHT * _PRIOR_ACCURACY) / (len(voted) + _PRIOR_WEIGHT))


def _most_right(votes: Matrix, balance: Reals) -> Reals:
    """[voters]: how often each can be right at most, labels being as frequent as ``balance``."""
    shares = np.array(
        [np.bincount(column[column >= 0], minlength=len(balance)) for column in votes.T]
    ).reshape(-1, len(balance)) / max(len(votes), 1)
    voted = np.maximum(shares.sum(axis=1), _TINY)
    most: Reals = np.where(shares.any(axis=1), np.minimum(shares, balance).sum(axis=1) / voted, 1.0)
    return most


def _table(column: npt.NDArray[np.int16], belief: Reals, abstaining_tells: bool) -> Reals:
    """[true label, vote] of one voter; the last column is to abstain."""
    labels = belief.shape[1]
    counts = np.full((labels, labels + 1), _SMOOTHING / labels)
    counts[:, :labels] += np.eye(labels) * _SMOOTHING  # the benefit of the doubt
    for vote in np.unique(column):
        counts[:, vote] += belief[column == vote].sum(axis=0)  # -1 is the last column
    if not abstaining_tells:
        counts[:, -1] = 0
        table = counts / counts.sum(axis=1, keepdims=True)
        table[:, -1] = 1
        return np.asarray(table)
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def _expect(votes: Matrix, model: LabelModel, labels: int, abstaining_tells: bool) -> Reals:
    """What is to be believed of the labels, given the voters."""
    logs = np.tile(np.log(model.balance + _TINY), (len(votes), 1))
    for number, column in enumerate(votes.T):
        if model.tables is not None:
            table = np.log(model.tables[number] + _TINY)
            voted = slice(None) if abstaining_tells else column >= 0
            logs[voted] += table.T[column[voted]]
            continue
        voted = np.flatnonzero(column >= 0)
        right = min(max(model.accuracies[number], _TINY), 1 - _TINY)
        logs[voted, column[voted]] += np.log(right * max(labels - 1, 1) / (1 - right))
    logs -= logs.max(axis=1, keepdims=True) if len(logs) else 0
    likely = np.exp(logs)
    return np.asarray(likely / likely.sum(axis=1, keepdims=True))
