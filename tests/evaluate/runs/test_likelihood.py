"""Choices and texts have the likelihoods the model gives each alone, however many are scored."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from suite_fakes import Told, choices, echo, untemplated
from tiny_models import CHATML, logits, tiny
from torch.nn import functional

from luthier.core.records import Message
from luthier.evaluate.runs.likelihood import (
    choices_by_score,
    how_choices_are_made,
    ids_digest,
    score_choices,
    score_texts,
)
from luthier.evaluate.runs.plain import give_renderer
from luthier.evaluate.suite import Item

ITEMS = [
    Item(f"c{n}", "choice", (Message("user", text),), (right,), ("four", "six strings", "many"))
    for n, (text, right) in enumerate(
        [
            ("How many strings has a violin?", "four"),
            ("And a guitar?", "six strings"),
            ("Lute:", "many"),
        ]
    )
]
TEXTS = [Item(f"t{n}", "text", references=(text,)) for n, text in enumerate(
    ["The text is wrapped.", "one two three " * 40, "Über den Wolken: größer."]
)]  # fmt: skip


def alone(network: object, ids: list[int], answer: list[int]) -> float:
    whole = logits(network, [*ids, *answer])[len(ids) - 1 : -1]
    return float(functional.cross_entropy(whole, torch.tensor(answer), reduction="sum"))


@pytest.mark.parametrize("template", [None, CHATML])
def test_options_have_the_likelihood_they_have_alone(template: str | None) -> None:
    model = tiny(template=template) if template else untemplated()
    assert give_renderer(model) == ("chat" if template else "plain")
    answers = score_choices(model, ITEMS, lambda _: None)
    for item, answer in zip(ITEMS, answers, strict=True):
        prompt = model.renderer.prompt_ids(item.messages)
        assert answer.prompt_ids_sha256 == ids_digest(prompt)
        for option, nats in zip(item.options, answer.option_nats, strict=True):
            written = option if template else f" {option}"
            ids = model.tokenizer(written, add_special_tokens=False)["input_ids"]
            assert math.isclose(nats, alone(model.network, prompt, ids), rel_tol=1e-4)
        assert answer.reply.text == item.options[int(np.argmin(answer.option_nats))]
        assert answer.nll_nats == answer.option_nats[item.options.index(item.reference)]


@pytest.mark.parametrize("batch", [1, 3, 16])
def test_scores_do_not_depend_on_how_many_are_scored_at_once(batch: int) -> None:
    model = tiny(template=CHATML)
    items, texts = ITEMS * 6, TEXTS * 6
    whole = [a.option_nats for a in score_choices(model, items, lambda _: None)]
    cut = [
        a.option_nats
        for at in range(0, len(items), batch)
        for a in score_choices(model, items[at : at + batch], lambda _: None)
    ]
    np.testing.assert_allclose(cut, whole, rtol=1e-5, atol=1e-5)
    whole_texts = [a.nll_nats for a in score_texts(model, texts, lambda _: None)]
    cut_texts = [
        a.nll_nats
        for at in range(0, len(texts), batch)
        for a in score_texts(model, texts[at : at + batch], lambda _: None)
    ]
    np.testing.assert_allclose(np.array(cut_texts, float), np.array(whole_texts, float), rtol=1e-5)


def test_a_choice_that_does_not_fit_is_told_not_cut() -> None:
    model, said = tiny(template=CHATML), []
    long = Item("l", "choice", (Message("user", "word " * 200),), ("a",), ("a", "b"))
    first, second = score_choices(model, [long, ITEMS[0]], said.append)
    assert (first.reply.finish_reason, first.option_nats) == ("context", ())
    assert len(second.option_nats) == 3
    assert sum(said) == 2


def test_answerers_that_tell_likelihoods_choose_by_them() -> None:
    items = choices().items
    found = choices_by_score(Told(echo, likely=["red"]), items)
    assert found is not None
    assert [answer.reply.text for answer in found] == ["red", "red"]
    assert found[1].nll_nats == 3.0
    assert choices_by_score(Told(echo), items) is None
    assert how_choices_are_made(Told(echo)) == "asked"
    assert how_choices_are_made(Told(echo, likely=["!"])) == "likelihood"
