"""Models without a chat template are asked with plain text."""

from __future__ import annotations

import pytest
from suite_fakes import untemplated
from tiny_models import tiny

from luthier.core.errors import ModelError
from luthier.core.records import Message
from luthier.evaluate.runs.plain import PlainRenderer, continued, give_renderer
from luthier.models.generate import LocalModel, Sampling

TURNS = (Message("system", "Be brief."), Message("user", "How many strings?"))


def test_turns_stand_one_behind_another() -> None:
    renderer = PlainRenderer(tiny().tokenizer)
    told = renderer.tokenizer.decode(renderer.prompt_ids(TURNS))
    assert told == "Be brief.\n\nHow many strings?"
    assert len(renderer.prompt_ids([])) == 1
    with pytest.raises(ModelError, match="offered tools"):
        renderer.prompt_ids(TURNS, "[{}]")


def test_an_answer_stands_behind_a_space() -> None:
    renderer = PlainRenderer(tiny().tokenizer)
    decode = renderer.tokenizer.decode
    assert decode(continued(renderer, "How many?", "Four")) == " Four"
    assert decode(continued(renderer, "How many?\n", "Four")) == "\nFour"
    assert decode(continued(renderer, "", "Four")) == "Four"


def test_a_model_without_template_answers_and_scores() -> None:
    model = untemplated()
    assert give_renderer(model) == "plain"
    local = LocalModel(model)
    (reply,) = local.generate([TURNS], Sampling(max_new_tokens=3))
    assert reply.prompt_tokens == len(model.renderer.prompt_ids(TURNS))
    (score,) = local.score([TURNS], ["Four."])
    assert score is not None
    assert score.tokens == len(continued(PlainRenderer(model.tokenizer), "x", "Four."))
