"""Split a question that asks several things into the questions it is made of.

Each part is searched for besides the whole, so that passages about one side of a comparison are not
crowded out by the other (Press et al. 2023, "Measuring and narrowing the compositionality gap";
Khot et al. 2023, "Decomposed prompting").
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field

from luthier.core.spec import Spec
from luthier.models.generate import Generate
from luthier.rag.queries._model import tell
from luthier.rag.queries.fold import leans, with_words
from luthier.rag.queries.language import Language, plain, words

_QUESTION_END = re.compile(r"(?<=[?？؟])\s+")
_LONGEST = 500  # characters; what is longer is pasted text, not a question of parts
_PROMPT = (
    "If the question asks several things, write each as a question of its own, one on a line. If "
    "it asks one thing, repeat it. Write nothing else.\n\nQuestion: {question}\n\nQuestions:"
)
_MARKS = re.compile(r"^\s*(?:[-*•]|\(?\d+[.):])\s*")


class SplitRules(Spec):
    """Several sentences, "... and who ...", and comparisons are split."""

    kind: Literal["rules"] = "rules"
    """Tag."""
    weight: float = Field(0.5, gt=0, le=1)
    """Of each part; the whole question has 1."""
    parts: int = Field(4, ge=2)
    """Most parts; a question of more is not split."""


class SplitModel(Spec):
    """A language model splits; the rules do it where its reply is no good."""

    kind: Literal["model"] = "model"
    """Tag."""
    weight: float = Field(0.5, gt=0, le=1)
    """Of each part; the whole question has 1."""
    parts: int = Field(4, ge=2)
    """Most parts; a question of more is not split."""
    max_new_tokens: int = Field(128, ge=16)
    """Longest reply, in tokens."""


def split_by_rules(question: str, language: Language, most: int) -> list[str]:
    """The parts of a question; none if it asks one thing.

    Args:
        question: The question, whole.
        language: Joins, comparisons and question words.
        most: A question of more parts is not split.
    """
    if len(question) > _LONGEST:
        return []
    if sides := _compared(question, language):
        return sides if len(sides) <= most else []
    parts = [
        part
        for sentence in _QUESTION_END.split(question)
        for part in _joined(sentence.strip(), language)
    ]
    if not 2 <= len(parts) <= most or not all(language.content(part) for part in parts):
        return []
    subject = [word for word in language.content(parts[0]) if not word.islower()]
    return [parts[0], *(_with_subject(part, subject, language) for part in parts[1:])]


def split_by_model(
    question: str, spec: SplitModel, model: Generate, language: Language
) -> tuple[list[str], str]:
    """The parts as a language model writes them, and why they cannot be used, or "".

    A part must share a word with the question, and be no longer than it by much.
    """
    told = tell(
        model,
        _PROMPT.format(question=question),
        max_new_tokens=spec.max_new_tokens,
        temperature=0.0,
        seed=0,
    )
    if told.problem:
        return [], told.problem
    lines = [_MARKS.sub("", line).strip() for line in told.text.splitlines()]
    parts = list(dict.fromkeys(line for line in lines if line))
    if len(parts) > spec.parts:
        return [], f"the reply has {len(parts)} parts"
    asked = {plain(word) for word in language.content(question)}
    for part in parts:
        if len(part) > len(question) + 100:
            return [], f"a part is too long ({len(part)} characters)"
        if not asked & {plain(word) for word in language.content(part)}:
            return [], "a part is about something else"
    return (parts if len(parts) > 1 else []), ""


def _compared(question: str, language: Language) -> list[str]:
    """Both sides of a comparison, each with what they are compared in."""
    for pattern in language.comparisons:
        if found := pattern.fullmatch(question):
            sides = found.groupdict()
            a, b, in_what = sides["A"], sides["B"], sides.get("C") or ""
            for head in language.heads:  # "the population of France and Germany"
                shared = re.match(rf"(.+\b{re.escape(head)})\s+\S", a, re.IGNORECASE)
                if shared and not re.search(rf"\b{re.escape(head)}\b", b, re.IGNORECASE):
                    b = f"{shared[1]} {b}"
            return [f"{side} {in_what}".strip() for side in (a, b)]
    return []


def _joined(sentence: str, language: Language) -> list[str]:
    """The questions of one sentence: "when was X built and who built it"."""
    for pattern in language.joins:
        for found in pattern.finditer(sentence):
            first, second = sentence[: found.start()], sentence[found.end() :]
            following = words(second)[:1]
            if following and plain(following[0]) in language.question_words and first.strip():
                return [first.strip(" ,"), *_joined(second.strip(), language)]
    return [sentence] if sentence else []


def _with_subject(part: str, subject: list[str], language: Language) -> str:
    """A later part with the names of the first, if it leans on them."""
    said = {plain(word) for word in words(part)}
    names = [word for word in subject if plain(word) not in said]
    return with_words(part, names) if leans(part, language) else part
