"""Back translation: into another language and back, which words the same thing otherwise.

R. Sennrich, B. Haddow, A. Birch, *Improving neural machine translation models with monolingual
data*, ACL 2016; as augmentation: A. Yu et al., *QANet*, ICLR 2018, section 3. Spans that must stay
travel as tokens no translator knows, and are put back afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Annotated, Literal, assert_never

from pydantic import Field, field_validator

from luthier.core.errors import ConfigError
from luthier.core.records import Message
from luthier.core.spec import Spec
from luthier.data.augment._apertium import translate
from luthier.data.augment._pieces import is_plain_word, pieces
from luthier.models.generate import Generate, Sampling

_MASK = re.compile(r"\bQZ(\d+)Z\b", re.IGNORECASE)


class ApertiumEngine(Spec):
    """Apertium on this machine; quick, rule-based, and crude."""

    kind: Literal["apertium"] = "apertium"
    language: str = Field(default="eng", pattern=r"^[a-z]{2,3}(_[A-Za-z]+)?$")
    """The rows' language, as Apertium names it."""
    through: str = Field(default="spa", pattern=r"^[a-z]{2,3}(_[A-Za-z]+)?$")
    """The language between."""


class ModelEngine(Spec):
    """The answering model, asked to translate."""

    kind: Literal["model"] = "model"
    language: str = "English"
    """The rows' language, as the model would call it."""
    through: str = "Spanish"
    """The language between."""
    prompt: str = (
        "Translate this text into {language}. Leave tokens such as QZ0Z as they are. "
        "Reply with the translation alone.\n\n{text}"
    )
    """What the model is asked, both ways; ``{language}`` and ``{text}`` are filled in."""
    temperature: float = Field(default=0.7, ge=0.0, le=2.0)
    """Of the sampling; 0 gives one translation however many are wanted."""
    max_new_tokens: int = Field(default=256, ge=1)
    """Longest translation, in tokens; longer ones are not used."""

    @field_validator("prompt")
    @classmethod
    def _has_places(cls, prompt: str) -> str:
        if "{text}" not in prompt or "{language}" not in prompt:
            raise ValueError("the prompt must hold {language} and {text}")
        return prompt


EngineSpec = Annotated[ApertiumEngine | ModelEngine, Field(discriminator="kind")]
Translator = Callable[[Sequence[str]], list[str]]


class BackTranslationAugmenter(Spec):
    """Translates a text into another language and back."""

    kind: Literal["back_translation"] = "back_translation"
    engine: EngineSpec = ApertiumEngine()
    """Who translates."""


def back_translated(
    texts: Sequence[str],
    spec: BackTranslationAugmenter,
    number: int,
    seed: int,
    answer: Generate | None = None,
    keep: Collection[str] = (),
) -> list[list[str]]:
    """For each text other wordings of it, none where a kept span got lost on the way.

    Args:
        texts: Any texts.
        spec: Settings.
        number: Wordings of each text; Apertium has but one.
        seed: Of the sampling.
        answer: The model; needed by the engine of that kind.
        keep: Words kept as they are, in lower case.

    Raises:
        ResourceError: Apertium or its language pair is missing.
        ConfigError: The engine needs a model and there is none.
    """
    masked = [mask(text, keep) for text in texts]
    found: list[dict[str, None]] = [{} for _ in texts]
    for there, back in _translators(spec.engine, number, seed, answer):
        for i, made in enumerate(back(there([m for m, _ in masked]))):
            restored = unmask(made, masked[i][1])
            if restored is not None and restored.split() != texts[i].split():
                found[i][restored] = None
    return [list(one)[:number] for one in found]


def mask(text: str, keep: Collection[str] = ()) -> tuple[str, list[str]]:
    """A text with a token in place of each kept span but negations and number words; the spans."""
    spans: list[str] = []
    said = []
    for piece in pieces(text, keep):
        if piece.kind == "kept" and not is_plain_word(piece.text):
            said.append(f"QZ{len(spans)}Z")
            spans.append(piece.text)
        else:
            said.append(piece.text)
    return "".join(said), spans


def unmask(text: str, spans: Sequence[str]) -> str | None:
    """The text with its spans again; None unless each stands there once."""
    seen = sorted(int(n) for n in _MASK.findall(text))
    if not text.strip() or seen != list(range(len(spans))):
        return None
    return _MASK.sub(lambda found: spans[int(found[1])], text)


def _translators(
    engine: ApertiumEngine | ModelEngine, number: int, seed: int, answer: Generate | None
) -> list[tuple[Translator, Translator]]:
    match engine:
        case ApertiumEngine():
            there = f"{engine.language}-{engine.through}"
            back = f"{engine.through}-{engine.language}"
            return [(lambda t: translate(t, there), lambda t: translate(t, back))]
        case ModelEngine():
            if answer is None:
                raise ConfigError(
                    "back translation by a model needs a model",
                    where="augment.augmenters.engine",
                    mend="Name a model, or set `engine: {kind: apertium}`.",
                )
            turns = number if engine.temperature > 0 else 1
            return [_by_model(engine, answer, seed + turn) for turn in range(turns)]
        case _:
            assert_never(engine)


def _by_model(engine: ModelEngine, answer: Generate, seed: int) -> tuple[Translator, Translator]:
    sampling = Sampling(
        max_new_tokens=engine.max_new_tokens, temperature=engine.temperature, seed=seed
    )

    def into(language: str, texts: Sequence[str]) -> list[str]:
        asked = [i for i, text in enumerate(texts) if text.strip()]
        prompts = [
            engine.prompt.replace("{language}", language).replace("{text}", texts[i]) for i in asked
        ]
        replies = answer.generate([[Message("user", p)] for p in prompts], sampling)
        said = [""] * len(texts)
        for i, reply in zip(asked, replies, strict=True):
            said[i] = reply.text.strip() if reply.finish_reason == "stop" else ""
        return said

    return (lambda t: into(engine.through, t)), (lambda t: into(engine.language, t))
