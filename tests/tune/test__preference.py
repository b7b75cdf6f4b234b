"""What the preference objectives sum is what each row's log-probability by itself gives."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import examples, plan, tiny
from torch.nn.functional import logsigmoid

from luthier.core.ledger import Ledger
from luthier.core.records import Example, Message
from luthier.models.load import Model
from luthier.tune import preference
from luthier.tune._objective import tensors
from luthier.tune._preference import Answers, Judged, Pairs, reference_logps
from luthier.tune.methods import Lora, apply
from luthier.tune.preference import Dpo, Kto, Orpo
from luthier.tune.tune import TuneSpec

Built = Pairs | Judged
TUNING = TuneSpec(max_length=64, seed=5)


def pairs(count: int) -> list[Example]:
    import dataclasses

    worse = [e.answer for e in examples(count, begin=50)]
    return [
        dataclasses.replace(row, rejected=(Message("assistant", said),))
        for row, said in zip(examples(count), worse, strict=True)
    ]


def objective(spec: Dpo | Orpo | Kto, model: Model, rows: Sequence[Example] | None = None) -> Built:
    given = pairs(6) if rows is None else rows
    return preference.build(spec, given, model, tuning=TUNING, plan=plan(), ledger=Ledger())


def drifted(model: Model) -> Model:
    """The model a while later: other weights, as if it had learned."""
    torch.manual_seed(9)
    with torch.no_grad():
        for weight in model.network.parameters():
            weight.add_(torch.randn_like(weight) * 0.05)
    return model


def logp(model: Model, messages: Sequence[Message]) -> tuple[float, int]:
    """Log-probability of the last answer by transformers' own forward pass, and its tokens."""
    prompt = model.renderer.prompt_ids(messages[:-1])
    ids = torch.tensor(model.renderer.render(messages).ids)
    with torch.inference_mode():
        table = model.network(ids[None]).logits[0, :-1].float().log_softmax(-1)
    own = table.gather(1, ids[1:, None])[len(prompt) - 1 :]
    return float(own.sum()), len(own)


def alone(model: Model, rows: Sequence[Example]) -> tuple[torch.Tensor, torch.Tensor]:
    """(log-probabilities, tokens) of better and worse answers: [pairs, 2]."""
    found = [[logp(model, row.messages), logp(model, (*row.prompt, *row.rejected))] for row in rows]
    both = torch.tensor(found)
    return both[..., 0], both[..., 1]


def total(some: Built, model: Model, rows: Sequence[int], micro: int = 128) -> float:
    parts = some.micro_batches(rows, plan(micro=micro))
    return sum(float(some.loss(model, tensors(p.arrays, "cpu")).detach()) for p in parts)


@pytest.mark.parametrize("kind", ["llama", "gemma2", "gpt2"])
def test_dpo_compares_the_model_with_what_it_was(kind: str) -> None:
    model = tiny(kind)
    some, rows = objective(Dpo(beta=0.3), model), pairs(6)
    before, _ = alone(model, rows)
    assert total(some, model, range(6)) == pytest.approx(6 * np.log(2), rel=1e-4)
    after, _ = alone(drifted(model), rows)
    ratio = after - before
    wanted = -logsigmoid(0.3 * (ratio[:, 0] - ratio[:, 1]))
    assert total(some, model, [4, 1, 3]) == pytest.approx(float(wanted[[4, 1, 3]].sum()), rel=1e-3)
    figures = some.measure(model, plan())
    rewards = 0.3 * ratio
    assert figures["loss"] == pytest.approx(float(wanted.mean()), rel=1e-3)
    assert figures["margin"] == pytest.approx(
        float((rewards[:, 0] - rewards[:, 1]).mean()), rel=1e-2
    )
    assert figures["reward_chosen"] == pytest.approx(float(rewards[:, 0].mean()), rel=1e-2)
    assert figures["accuracy"] == float((rewards[:, 0] > rewards[:, 1]).float().mean())


def test_ipo_and_rpo_count_per_token() -> None:
    model = tiny()
    rows = pairs(4)
    ipo = objective(Dpo(loss_type="ipo", beta=0.5), model, rows)
    rpo = objective(Dpo(rpo_alpha=2.0), model, rows)
    before, tokens = alone(model, rows)
    after, _ = alone(drifted(model), rows)
    ratio = after - before
    by_token = ratio / tokens
    wanted = (by_token[:, 0] - by_token[:, 1] - 1.0) ** 2
    assert total(ipo, model, range(4)) == pytest.approx(float(wanted.sum()), rel=1e-3)
    sigmoid = -logsigmoid(0.1 * (ratio[:, 0] - ratio[:, 1]))
    plain = -(after / tokens)[:, 0]
    assert total(rpo, model, range(4)) == pytest.approx(
        float((sigmoid + 2 * plain).sum()), rel=1e-3
    )


def test_orpo_needs_no_reference() -> None:
    model = tiny()
    rows = pairs(5)
    some = objective(Orpo(beta=0.5), model, rows)
    logps, tokens = alone(drifted(model), rows)
    mean = (logps / tokens).double()
    odds = mean - torch.log1p(-mean.exp())
    wanted = -mean[:, 0] - 0.5 * logsigmoid(odds[:, 0] - odds[:, 1])
    assert total(some, model, range(5)) == pytest.approx(float(wanted.sum()), rel=1e-4)
    assert some.measure(model, plan())["loss"] == pytest.approx(float(wanted.mean()), rel=1e-4)


def test_kto_holds_rewards_against_the_divergence_of_the_whole_window() -> None:
    model = tiny()
    some = objective(Kto(beta=0.3, undesirable_weight=1.5), model)
    assert isinstance(some, Judged)
    assert some.made == 6
    before = some.answers.logps(model, plan()), some.others.logps(model, plan())
    assert np.array_equal(before[0], some.reference)
    drifted(model)
    window = [0, 1, 5, 8, 11]
    ratio = (some.answers.logps(model, plan()) - before[0])[window]
    point = max(0.0, float((some.others.logps(model, plan()) - before[1])[window].mean()))
    side = np.array([1, -1, -1, 1, -1])
    weight = np.where(side > 0, 1.0, 1.5)
    wanted = weight * (1 - 1 / (1 + np.exp(-side * 0.3 * (ratio - point))))
    for micro in (64, 128, 1024):
        assert total(some, model, window, micro) == pytest.approx(float(wanted.sum()), rel=1e-3)
    figures = some.measure(model, plan())
    assert figures["kl"] == pytest.approx(
        max(0.0, float((some.others.logps(model, plan()) - before[1]).mean())), abs=1e-4
    )
    assert {"loss", "accuracy", "margin"} <= set(figures)


def test_the_reference_point_is_that_of_the_model_now() -> None:
    model = tiny()
    some = objective(Kto(beta=1.0), model)
    first = total(some, model, range(4))
    assert first == pytest.approx(4 * 0.5, rel=1e-3)
    assert isinstance(some, Judged)
    some.others_reference -= 3.0  # as if the model had drifted by 3 nats
    again = total(some, model, range(4))
    sigma = 1 / (1 + np.exp(-3.0))
    assert again == pytest.approx(2 * sigma + 2 * (1 - sigma), rel=1e-3)


@pytest.mark.parametrize("spec", [Dpo(), Orpo(), Kto()])
def test_the_gradient_does_not_depend_on_the_micro_batch(spec: Dpo | Orpo | Kto) -> None:
    gradients = []
    for micro in (64, 128, 2048):
        model = tiny()
        some = objective(spec, model)
        drifted(model)
        model.network.train()
        parts = list(some.micro_batches(range(6), plan(micro=micro)))
        assert sum(p.weight for p in parts) == 6
        for part in parts:
            some.loss(model, tensors(part.arrays, "cpu")).backward()  # type: ignore[no-untyped-call]
        gradients.append(
            torch.cat([p.grad.flatten() for p in model.network.parameters() if p.grad is not None])
        )
    assert float(gradients[0].norm()) > 0
    for other in gradients[1:]:
        torch.testing.assert_close(other, gradients[0], rtol=1e-3, atol=1e-4)


def test_pairs_stay_together_and_every_row_is_in_one_part() -> None:
    some = objective(Dpo(), tiny(), pairs(17))
    parts = list(some.micro_batches(range(17), plan(micro=128)))
    assert len(parts) > 2
    assert all(p.weight == len(p.arrays["tokens"]) // 2 for p in parts)
    assert all(p.arrays["ids"].shape[0] <= 2 for p in parts)
    assert sum(p.tokens for p in parts) == some.lengths.sum()
    rows = [p.arrays["row"] for p in parts]
    assert all(
        set(r[r >= 0].tolist()) == set(range(int(2 * p.weight)))
        for r, p in zip(rows, parts, strict=True)
    )
    assert list(some.origins) == [e.origin for e in pairs(17)]


def test_an_adapter_is_off_while_the_reference_is_asked() -> None:
    model = tiny()
    plain = objective(Dpo(), model)
    assert isinstance(plain, Pairs)
    model.network = apply(Lora(r=4), copy.deepcopy(model.network), seed=0)
    for name, weight in model.network.named_parameters():
        if "lora_B" in name:
            weight.data.fill_(0.1)
    assert np.allclose(
        reference_logps(plain.answers, model, plan()), plain.reference, rtol=1e-4, atol=1e-4
    )
    assert not np.allclose(plain.answers.logps(model, plan()), plain.reference, atol=0.01)


def test_dropout_is_off_while_answers_are_judged_and_on_again_after() -> None:
    model = tiny("gpt2")
    model.network.train()
    some = objective(Dpo(), model)
    assert model.network.training
    again = objective(Dpo(), model)
    assert isinstance(some, Pairs)
    assert isinstance(again, Pairs)
    assert np.array_equal(some.reference, again.reference)


def test_no_rows() -> None:
    specs: tuple[Any, ...] = (Dpo(), Orpo(), Kto())
    for spec in specs:
        some = objective(spec, tiny(), [])
        assert len(some) == some.size == len(some.lengths) == some.made == 0
        assert list(some.micro_batches([], plan())) == []


def test_tokens_are_those_learned() -> None:
    some = objective(Dpo(), tiny(), pairs(3))
    assert isinstance(some.answers, Answers)
    count = tiny().renderer.text_ids
    wanted = [n for row in pairs(3) for n in (row.answer, row.rejected[0].content)]
    assert some.answers.tokens.tolist() == [len(count(text)) + 1 for text in wanted]
