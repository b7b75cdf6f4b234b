"""Token by token decoding and scoring of rows, on tensors."""

from __future__ import annotations

import pytest
import torch
from tiny_models import MAKERS, logits, tiny
from torch.nn import functional

from luthier.models import _decode
from luthier.models._decode import decode, score_rows
from luthier.models.generate import Sampling

PROMPTS = [[10, 20, 30, 40, 50, 60, 70], [11, 21], list(range(5, 25))]


def columns(steps: list[list[int | None]]) -> list[list[int]]:
    return [[t for t in column if t is not None] for column in zip(*steps, strict=True)]


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_greedy_tokens_are_the_likeliest_of_the_full_logits(kind: str) -> None:
    model = tiny(kind)
    answers = columns(list(decode(model, PROMPTS, [12, 12, 12], Sampling())))
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        whole = logits(model.network, [*prompt, *answer])
        assert whole[len(prompt) - 1 : -1].argmax(-1).tolist() == answer


def test_each_prompt_has_its_own_room() -> None:
    answers = columns(list(decode(tiny(), PROMPTS, [3, 7, 1], Sampling())))
    assert [len(a) for a in answers] == [3, 7, 1]


def test_a_full_prompt_beside_a_short_one_does_not_pass_the_last_position() -> None:
    model = tiny("gpt2")  # learned positions: there is none behind the last
    full = [7 + i % 300 for i in range(126)]
    long, short = columns(list(decode(model, [full, [11, 21]], [2, 40], Sampling())))
    assert len(long) == 2
    assert [short] == columns(list(decode(model, [[11, 21]], [40], Sampling())))


def test_the_caller_ends_an_answer() -> None:
    seen = [0, 0, 0]

    def ended(i: int) -> bool:
        seen[i] += 1
        return i == 1 and seen[1] == 2

    answers = columns(list(decode(tiny(), PROMPTS, [6, 6, 6], Sampling(), ended)))
    assert [len(a) for a in answers] == [6, 2, 6]


def test_drawn_tokens_do_not_depend_on_the_batch() -> None:
    sampling = Sampling(temperature=1.0, top_p=0.9, seed=5)
    together = columns(list(decode(tiny(), PROMPTS, [9] * 3, sampling)))
    alone = [columns(list(decode(tiny(), [p], [9], sampling)))[0] for p in PROMPTS]
    assert together == alone
    assert together != columns(list(decode(tiny(), PROMPTS, [9] * 3, Sampling())))


def test_draws_follow_the_probabilities_and_top_p_cuts_the_tail() -> None:
    scores = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]])).expand(4000, 4)
    seeds = [torch.Generator().manual_seed(i) for i in range(4000)]
    drawn = _decode._choose(scores, Sampling(temperature=1.0), seeds)
    shares = functional.one_hot(drawn, 4).float().mean(0)
    torch.testing.assert_close(shares, scores[0].exp(), atol=0.03, rtol=0)
    cut = _decode._choose(scores, Sampling(temperature=1.0, top_p=0.7), seeds)
    shares = functional.one_hot(cut, 4).float().mean(0)
    torch.testing.assert_close(shares, torch.tensor([0.625, 0.375, 0, 0]), atol=0.03, rtol=0)


def test_top_p_of_almost_nothing_is_greedy() -> None:
    greedy = list(decode(tiny(), PROMPTS, [9] * 3, Sampling()))
    assert list(decode(tiny(), PROMPTS, [9] * 3, Sampling(temperature=2.0, top_p=1e-6))) == greedy


def test_scores_of_padded_rows_equal_each_alone() -> None:
    model = tiny("gemma2")
    rows = [([*p, 33, 44, 2], len(p)) for p in PROMPTS]
    expected = []
    for ids, prompt in rows:
        scores = torch.log_softmax(logits(model.network, ids), dim=-1)
        expected.append(-sum(float(scores[i - 1, ids[i]]) for i in range(prompt, len(ids))))
    assert score_rows(model, rows) == pytest.approx(expected, rel=1e-4)
