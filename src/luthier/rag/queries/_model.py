"""Ask a language model for a few words, and believe it only after a look.

What a model returns becomes the text of a search and nothing else, so that it can widen no access;
a bad reply costs quality, and that is what is checked here.
"""

from __future__ import annotations

import dataclasses

from luthier.core.errors import LuthierError
from luthier.core.records import Message
from luthier.models.generate import Generate, Sampling
from luthier.rag.queries.language import Language, plain

_OPENERS = "\"'`*-•–\u201c\u201d "


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    """A reply, or why there is none.

    Attributes:
        text: The reply without white space around it; "" if it was refused.
        problem: Why it was refused, or "".
    """

    text: str
    problem: str = ""


def tell(
    model: Generate, prompt: str, *, max_new_tokens: int, temperature: float, seed: int
) -> Told:
    """What a model says to a prompt; its errors are told, not raised, for a search must go on."""
    sampling = Sampling(max_new_tokens=max_new_tokens, temperature=temperature, seed=seed)
    try:
        (reply,) = model.generate([[Message("user", prompt)]], sampling)
    except LuthierError as error:
        return Told("", f"the model failed: {error.what}")
    if reply.finish_reason == "context":
        return Told("", "the prompt is longer than the model reads")
    if not reply.text.strip():
        return Told("", "the reply is empty")
    return Told(reply.text.strip())


def one_line(told: Told, *, about: str, most_characters: int, language: Language) -> Told:
    """A reply that must be one question of a bearable length about the same things.

    Args:
        told: The reply.
        about: See `on_topic`.
        most_characters: Longest that is believed.
        language: Says which words have content.
    """
    if told.problem:
        return told
    line = told.text.splitlines()[0].strip(_OPENERS)
    _, colon, rest = line.partition(":")
    if colon and rest.strip() and len(line) - len(rest) <= 30 and "question" in line.lower()[:30]:
        line = rest.strip(_OPENERS)  # "Standalone question: ..."
    if not line:
        return Told("", "the reply is empty")
    if len(line) > most_characters:
        return Told("", f"the reply is too long ({len(line)} characters)")
    return on_topic(Told(line), about=about, language=language)


def on_topic(told: Told, *, about: str, language: Language) -> Told:
    """A reply that shares a word of content with what it must be about; others are made up."""
    said = {plain(word) for word in language.content(about)}
    if told.text and not said & {plain(word) for word in language.content(told.text)}:
        return Told("", "the reply is about something else")
    return told
