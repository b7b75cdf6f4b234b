"""Fold a conversation into one question that can be searched for alone.

With a language model the last question is rewritten (Yu et al. 2020, "Few-shot generative
conversational query rewriting"; Vakulenko et al. 2021, "Question rewriting for conversational
question answering"). Without one, words of the turns before are added to a question that leans on
them (historical query expansion: Lin et al. 2021, "Multi-stage conversational passage retrieval").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from luthier.core.records import Message
from luthier.core.spec import Spec
from luthier.models.generate import Generate
from luthier.rag.queries._model import Told, one_line, tell
from luthier.rag.queries.language import Language, plain, words

_PROMPT = (
    "Rewrite the last question so that it can be understood without the conversation. Put names in "
    "place of words such as it, they or there. Keep its meaning and its language. Answer with the "
    "question only.\n\nConversation:\n{turns}\n\nLast question: {question}\n\nStandalone question:"
)
_TURN_CHARACTERS = 600  # of each turn that the model is shown
_ANSWER_NAMES = 4  # taken of an answer, which says more than was asked for


class FoldRules(Spec):
    """Words of earlier turns are added to a question that leans on them."""

    kind: Literal["rules"] = "rules"
    """Tag."""
    turns: int = Field(3, ge=1)
    """Earlier questions that are looked at."""
    terms: int = Field(8, ge=1)
    """Most words that are added."""


class FoldModel(Spec):
    """A language model rewrites the question; the rules do it where its reply is no good."""

    kind: Literal["model"] = "model"
    """Tag."""
    turns: int = Field(3, ge=1)
    """Earlier questions, with their answers, that the model is shown."""
    max_new_tokens: int = Field(64, ge=8)
    """Longest reply, in tokens."""


def leans(question: str, language: Language) -> bool:
    """Whether a question needs what was said before: a pronoun, "what about", or hardly a word."""
    if any(plain(word) in language.pronouns for word in words(question)):
        return True
    if any(pattern.match(question) for pattern in language.openings):
        return True
    return len(language.content(question)) < 2


def fold_by_rules(
    question: str, before: Sequence[Message], spec: FoldRules, language: Language
) -> str:
    """A question with the words of earlier turns that it needs, or as it is.

    The words are those of the questions before, back to the last that stood on its own, and after
    them the names in the last answer.

    Args:
        question: The last question.
        before: The turns before it.
        spec: How many turns and words.
        language: Pronouns, openings and stop words.
    """
    asked = [m.content for m in before if m.role == "user"][-spec.turns :]
    if not asked or not leans(question, language):
        return question
    topic = []
    for one in reversed(asked):
        topic.append(one)
        if not leans(one, language):
            break
    answer = next((m.content for m in reversed(before) if m.role == "assistant"), "")
    terms = [word for one in topic for word in language.content(one)]
    terms += _names(answer, language)[:_ANSWER_NAMES]
    taken = {plain(word) for word in words(question)} | language.pronouns
    added: list[str] = []
    for term in terms:
        if plain(term) not in taken and len(added) < spec.terms:
            taken.add(plain(term))
            added.append(term)
    return with_words(question, added)


def fold_by_model(
    question: str, before: Sequence[Message], spec: FoldModel, model: Generate, language: Language
) -> Told:
    """The question as a language model rewrites it, checked.

    Args:
        question: The last question.
        before: The turns before it.
        spec: What the model is shown, and how long it may answer.
        model: Who rewrites.
        language: Says which words have content.

    Returns:
        The question, or why the reply cannot be used.
    """
    said = [m for m in before if m.role in ("user", "assistant") and m.content.strip()]
    first = [i for i, m in enumerate(said) if m.role == "user"][-spec.turns :]
    shown = said[first[0] :] if first else []
    turns = "\n".join(f"{m.role}: {m.content[:_TURN_CHARACTERS]}" for m in shown)
    prompt = _PROMPT.format(turns=turns, question=question)
    told = tell(model, prompt, max_new_tokens=spec.max_new_tokens, temperature=0.0, seed=0)
    # what was asked must still be asked; "and there?" says nothing, so any turn will do
    about = question if language.content(question) else " ".join(m.content for m in shown)
    return one_line(told, about=about, most_characters=3 * len(question) + 200, language=language)


def with_words(question: str, added: Sequence[str]) -> str:
    """A question with words added at its end, before its question mark."""
    if not added:
        return question
    stem = question.rstrip("?？؟ ")
    return f"{stem} ({' '.join(added)}){question[len(stem) :].strip()}"


def _names(text: str, language: Language) -> list[str]:
    """Words with a capital or a digit within sentences: names, mostly."""
    found, start = [], True
    for token in text.split():
        for word in words(token):
            named = word[0].isupper() or any(c.isdigit() for c in word)
            if named and not start and plain(word) not in language.stop_words:
                found.append(word)
            start = False
        start = token.endswith((".", "!", "?", ":"))
    return found
