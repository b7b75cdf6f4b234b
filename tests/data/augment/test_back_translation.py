"""There and back: spans are masked, and put back or the text is given up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from luthier.core.errors import ConfigError
from luthier.core.records import Message
from luthier.data.augment._pieces import protected
from luthier.data.augment.back_translation import (
    BackTranslationAugmenter,
    ModelEngine,
    back_translated,
    mask,
    unmask,
)
from luthier.models.generate import Reply, Sampling


class Translator:
    """A model that shouts in Spanish and says it again in English with one more word."""

    def __init__(self, finish: str = "stop") -> None:
        self.finish = finish
        self.asked: list[str] = []

    def generate(
        self, conversations: Sequence[Sequence[Message]], sampling: Sampling
    ) -> list[Reply]:
        self.asked += [c[-1].content for c in conversations]
        said = []
        for conversation in conversations:
            language, text = conversation[-1].content.split(": ", 1)
            english = f"well{sampling.seed} " + text.removeprefix("¡").lower()
            said.append("¡" + text if language == "Spanish" else english)
        return [Reply(s, 1, 1, 0.0, self.finish) for s in said]  # type: ignore[arg-type]


SPEC = BackTranslationAugmenter(engine=ModelEngine(prompt="{language}: {text}"))


def _back(texts: list[str], number: int, model: Any, spec: Any = SPEC) -> list[list[str]]:
    return back_translated(texts, spec, number, 0, model)


def test_by_a_model() -> None:
    model = Translator()
    found = _back(["send 5 to `X`", "", "hello"], 2, model)
    assert found[0] == ["well0 send 5 to `X`", "well1 send 5 to `X`"]
    assert found[1:] == [[], ["well0 hello", "well1 hello"]]
    assert model.asked[:2] == ["Spanish: send QZ0Z to QZ1Z", "Spanish: hello"]


def test_cold_sampling_gives_one() -> None:
    cold = BackTranslationAugmenter(engine=ModelEngine(prompt="{language}: {text}", temperature=0))
    assert _back(["hello"], 3, Translator(), cold) == [["well0 hello"]]


def test_a_translation_cut_off_is_not_used() -> None:
    assert _back(["hello"], 1, Translator("length")) == [[]]


def test_a_model_is_needed_and_the_prompt_has_its_places() -> None:
    with pytest.raises(ConfigError, match="needs a model"):
        _back(["hello"], 1, None)
    with pytest.raises(ValidationError, match="must hold"):
        ModelEngine(prompt="translate {text}")


def test_lost_and_doubled_spans_give_the_text_up() -> None:
    text, spans = mask("send 5 to John, not 6")
    assert text == "send QZ0Z to QZ1Z, not QZ2Z"
    assert unmask("pay qz0z and qz2z to QZ1Z", spans) == "pay 5 and 6 to John"
    assert unmask("pay QZ0Z and QZ2Z", spans) is None
    assert unmask(f"{text} QZ0Z", spans) is None
    assert unmask("", []) is None


@given(st.lists(st.sampled_from(["send", "5", "`a b`", "[x]", '"q"', "1.5", "John"])))
def test_masks_hide_all_spans_and_come_off_again(words: list[str]) -> None:
    text = "so " + " ".join(words)
    masked, spans = mask(text)
    assert not [s for s in protected(masked) if not s.startswith("QZ")]
    assert unmask(masked, spans) == text
