"""The n-gram model is a distribution, and the one a slow, plain implementation yields."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import pytest

from luthier.core.errors import ModelError
from luthier.models.ngram import Ngram, discounts, laid as laid_out, train

END, SIZE = 0, 9


def corpus(rows: int = 60, seed: int = 5) -> list[list[int]]:
    """Rows in which each token depends on the one before, so that n-grams repeat."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(rows):
        row = [END]
        for _ in range(int(random.integers(1, 15))):
            row.append((row[-1] * 3 + int(random.choice([1, 1, 1, 1, 2, 5]))) % (SIZE - 1) + 1)
        made.append(row)
    return [row for row in made if 7 not in row] + [[2, 3, END]]


def laid(rows: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    starts = np.cumsum([0, *map(len, rows)])
    return np.array([t for row in rows for t in row], dtype=np.int32), starts


def trained(order: int) -> Ngram:
    return train(*laid(corpus()), end=END, vocab_size=SIZE, order=order)


class Plain:
    """Chen & Goodman's formulas, written down with dictionaries."""

    def __init__(self, rows: Sequence[Sequence[int]], order: int) -> None:
        self.order = order
        top: Counter[tuple[int, ...]] = Counter()
        for row in rows:
            padded = (END,) * (order - 2) + tuple(row)
            for at in range(max(order - 1, 1), len(padded)):
                top[padded[at - order + 1 : at + 1]] += 1
        self.counts = {order: top}
        for n in range(order - 1, 0, -1):
            before = defaultdict(set)
            for gram in self.counts[n + 1]:
                before[gram[1:]].add(gram[0])
            self.counts[n] = Counter({gram: len(words) for gram, words in before.items()})
        self.discounts = {n: self._discounts(c) for n, c in self.counts.items()}

    @staticmethod
    def _discounts(counts: Counter[tuple[int, ...]]) -> list[float]:
        n = Counter(counts.values())
        fallback = [0.5, 1.0, 1.5]
        if not all(n[k] for k in (1, 2, 3, 4)):
            return fallback
        y = n[1] / (n[1] + 2 * n[2])
        found = [k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3)]
        return [f if 0 < f <= k else fallback[k - 1] for k, f in enumerate(found, 1)]

    def probability(self, context: tuple[int, ...], word: int) -> float:
        n = len(context) + 1
        below = self.probability(context[1:], word) if context else 1 / SIZE
        after = {g[-1]: c for g, c in self.counts[n].items() if g[:-1] == context}
        if not after:
            return below
        take = {w: self.discounts[n][min(c, 3) - 1] for w, c in after.items()}
        share = (after[word] - take[word]) / sum(after.values()) if word in after else 0.0
        return share + sum(take.values()) / sum(after.values()) * below


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_it_is_what_a_plain_implementation_yields(order: int) -> None:
    model, plain = trained(order), Plain(corpus(), order)
    random = np.random.default_rng(1)
    unseen = [tuple(random.integers(0, SIZE, order - 1).tolist()) for _ in range(25)]
    seen = [gram[:-1] for gram in list(plain.counts[order])[:25]]
    for context in unseen + seen:
        wanted = [plain.probability(context, word) for word in range(SIZE)]
        np.testing.assert_allclose(model.probabilities(context), wanted, rtol=1e-12)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_losses_of_rows_are_those_of_their_tokens(order: int) -> None:
    held_out = [[END, 5, 7, 8, END], [3, END], [END], [END, 1, 1, 1, 1, 1, 1]]
    model, plain = trained(order), Plain(corpus(), order)
    wanted = []
    for row in held_out:
        padded = (END,) * (order - 1) + tuple(row)
        for at in range(order, len(padded)):
            wanted.append(-math.log(plain.probability(padded[at - order + 1 : at], padded[at])))
    np.testing.assert_allclose(model.nll(*laid(held_out)), wanted, rtol=1e-12)
    bits = model.bits_per_byte(*laid(held_out), text_bytes=40)
    assert bits == pytest.approx(sum(wanted) / math.log(2) / 40)


@pytest.mark.parametrize("context", [[], [1], [1, 6, 2], [7, 7, 7], [END, 4, 4, 4, 4]])
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_sum_to_one_and_none_is_zero(order: int, context: list[int]) -> None:
    found = trained(order).probabilities(context)
    assert found.sum() == pytest.approx(1.0, abs=1e-12)
    assert found.min() > 0


def test_an_unseen_context_falls_back_to_the_longest_known_part() -> None:
    model = trained(4)
    fallen = model.probabilities([7, 7, 2])  # 7 never occurs
    np.testing.assert_array_equal(fallen, model.probabilities([8, 7, 2]))
    assert not np.array_equal(fallen, model.probabilities([7, 7, 3]))
    np.testing.assert_array_equal(model.probabilities([7]), model.probabilities([2, 3, 7]))


def test_training_text_is_likelier_than_noise() -> None:
    model = trained(4)
    noise = np.random.default_rng(0).integers(1, SIZE, 500)
    made = model.nll(*laid([row for row in corpus(seed=6) if len(row) > 1])).mean()
    assert made < 1.9 < math.log(SIZE) - 0.1 < model.nll(noise, np.array([0, 500])).mean()


def test_discounts_follow_the_counts_of_counts() -> None:
    counts = np.repeat([1, 2, 3, 4, 9], [8, 4, 2, 1, 3])
    assert discounts(counts) == pytest.approx((0.5, 1.25, 2.0))
    assert discounts(np.array([1, 1, 2, 5])) == (0.5, 1.0, 1.5)  # no count of three
    assert discounts(np.repeat([1, 2, 3, 4], [1, 4, 9, 9]))[1] == 1.25


def test_foreign_ids_and_empty_rows_are_refused() -> None:
    with pytest.raises(ModelError, match="vocabulary of 9"):
        train(np.array([0, 9]), np.array([0, 2]), end=END, vocab_size=SIZE)
    with pytest.raises(ModelError, match="vocabulary"):
        trained(2).nll(np.array([0, -1]), np.array([0, 2]))
    with pytest.raises(ModelError, match="two tokens"):
        train(np.array([1, 2]), np.array([0, 1, 2]), end=END, vocab_size=SIZE)


@pytest.mark.parametrize("order", [2, 3, 4])
def test_perplexity_is_nltks(order: int) -> None:
    lm = pytest.importorskip("nltk.lm")
    from nltk.util import everygrams

    rows = [[str(t) for t in row[1:]] for row in corpus() if len(row) > 1 and END not in row[1:]]
    padded = [["<s>"] * (order - 1) + row + ["</s>"] for row in rows]
    theirs = lm.KneserNeyInterpolated(order, discount=0.3)
    theirs.fit([everygrams(row, max_len=order) for row in padded], [t for r in padded for t in r])
    tokens, starts = laid([[END, *map(int, row), END] for row in rows])
    ours = train(tokens, starts, end=END, vocab_size=SIZE, order=order, discount=0.3)
    losses = iter(ours.nll(tokens, starts) / math.log(2))
    # from three words on, nltk counts "<s> <s>" as one more pair that a word can follow
    near = 1e-9 if order == 2 else 2e-3
    for row in padded[:20]:
        for at in range(order - 1, len(row)):
            context = row[at - order + 1 : at]
            assert next(losses) == pytest.approx(-theirs.logscore(row[at], context), rel=near)


def test_rows_are_laid_end_to_end() -> None:
    tokens, starts = laid_out([[4, 5], [], [6]])
    assert (tokens.tolist(), starts.tolist()) == ([4, 5, 6], [0, 2, 2, 3])
    assert [part.tolist() for part in laid_out([])] == [[], [0]]


def test_size_counts_each_ngram_and_context() -> None:
    rows = [[END, 1, 2, END]]
    model = train(*laid_out(rows), end=END, vocab_size=SIZE, order=2)
    # nine single tokens under the empty context; three pairs seen, one that only begins the row
    pairs = len(model.levels[1].keys)
    assert model.parameters == (SIZE + 1) + (pairs + SIZE)
    assert model.memory_bytes == 8 * (model.parameters + SIZE + pairs)
