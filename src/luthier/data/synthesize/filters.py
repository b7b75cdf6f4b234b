"""Which drafts become rows: their form, their novelty, and what a judge says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field, field_validator

from luthier.core.records import Message
from luthier.core.spec import Spec
from luthier.data.duplicates import words_of
from luthier.data.synthesize.drafts import Draft
from luthier.data.synthesize.journal import Call
from luthier.data.synthesize.writer import Answer, Writer
from luthier.models.generate import Sampling

if TYPE_CHECKING:
    from luthier.models.encode import Vectors

Encode = Callable[[Sequence[str]], "Vectors"]
_SCORE = re.compile(r"(?<![\d.])([1-5])(?![\d.]*\d)")
_APOLOGY = re.compile(
    r"(?i)\b(?:as an ai\b|i(?:'m| am) (?:sorry|unable)|i (?:cannot|can't) (?:help|assist|answer))"
)


class FormSpec(Spec):
    """What a row must look like."""

    min_question_words: int = Field(2, ge=1)
    """Words of the question."""
    max_question_words: int = Field(200, ge=1)
    """Words of the question."""
    max_answer_words: int = Field(400, ge=1)
    """Words of the answer."""
    answer_pattern: str | None = None
    """A regular expression that the whole answer must match."""
    answer_json: bool = False
    """Whether the answer must be JSON."""

    @field_validator("answer_pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return pattern


class NoveltySpec(Spec):
    """How far a row must be from all that is there: training rows, test items, rows written."""

    max_rouge_l: float = Field(0.7, gt=0, le=1)
    """ROUGE-L (F-measure) of two questions from which they count as the same (Wang et al. 2023)."""
    max_similarity: float | None = Field(0.95, gt=0, le=1)
    """Cosine of the encoder's vectors of two questions; null switches it off."""


class JudgeSpec(Spec):
    """The model reads each row again and gives it a mark."""

    min_score: int = Field(4, ge=1, le=5)
    """Lowest mark that stands."""
    rubric: str = "Is the question clear, and is the answer correct and to the point?"
    """What it is asked to judge by."""


def form_problem(draft: Draft, spec: FormSpec, labels: frozenset[str]) -> str | None:
    """Why a draft's form is wrong, or None.

    Args:
        draft: The draft.
        spec: Settings.
        labels: All labels that training rows have; a classification draft must have one of them.
    """
    question, answer = len(draft.question.split()), len(draft.answer.split())
    if draft.label and draft.label not in labels:
        return "unknown label"
    if question < spec.min_question_words or not answer:
        return "too short"
    if question > spec.max_question_words or answer > spec.max_answer_words:
        return "too long"
    if _APOLOGY.search(draft.answer):
        return "the model declines"
    if spec.answer_pattern and not re.fullmatch(spec.answer_pattern, draft.answer, re.DOTALL):
        return "answer does not match the pattern"
    if spec.answer_json:
        try:
            json.loads(draft.answer)
        except ValueError:
            return "answer is not JSON"
    return None


class Known:
    """The questions that are there already, and how near a new one comes to them.

    Args:
        questions: Of all rows, test items among them.
        spec: Settings.
        encode: Texts to normalised vectors; needed if ``max_similarity`` is set.
    """

    def __init__(self, questions: Sequence[str], spec: NoveltySpec, encode: Encode | None) -> None:
        self._spec, self._encode = spec, encode if spec.max_similarity is not None else None
        self._questions: list[str] = []
        self._words: list[frozenset[str]] = []
        self._holders: dict[str, list[int]] = {}
        self._vectors: list[Vectors] = []
        self._add(list(dict.fromkeys(questions)))

    def problem(self, question: str) -> str | None:
        """Why a question is not new, or None; a new one is known from now on."""
        if self._most_alike(question) >= self._spec.max_rouge_l:
            return "not new (ROUGE-L)"
        if self._encode is not None and self._spec.max_similarity is not None:
            vector = self._encode([question])
            near = max((float((v @ vector[0]).max()) for v in self._vectors), default=0.0)
            if near >= self._spec.max_similarity:
                return "not new (embedding)"
            self._vectors.append(vector)
            if len(self._vectors) > 64:
                self._vectors = [np.concatenate(self._vectors)]
        self._note(question)
        return None

    def _add(self, questions: list[str]) -> None:
        for question in questions:
            self._note(question)
        if self._encode is not None and questions:
            self._vectors.append(self._encode(questions))

    def _note(self, question: str) -> None:
        words = frozenset(words_of(question))
        for word in words:
            self._holders.setdefault(word, []).append(len(self._questions))
        self._questions.append(question)
        self._words.append(words)

    def _most_alike(self, question: str) -> float:
        """The highest ROUGE-L with any known question.

        It is computed only where the shared words allow it to reach the limit: a common
        subsequence has no more words than both questions share.
        """
        said = words_of(question)
        shared: dict[int, int] = {}
        for word in set(said):
            for index in self._holders.get(word, ()):
                shared[index] = shared.get(index, 0) + 1
        best = 0.0
        for index, common in shared.items():
            theirs = words_of(self._questions[index])
            spare = len(said) - len(set(said))  # repeated words may be matched again
            bound = 2 * (common + spare) / (len(said) + len(theirs))
            if bound > best and bound >= self._spec.max_rouge_l:
                best = max(best, rouge_l(said, theirs))
        return best


def rouge_l(one: Sequence[str], other: Sequence[str]) -> float:
    """F-measure of the longest common subsequence of words, 0 to 1 (Lin 2004, section 3)."""
    if not one or not other:
        return 0.0
    row = [0] * (len(other) + 1)
    for word in one:
        before = 0
        for j, theirs in enumerate(other, 1):
            here = row[j]
            row[j] = before + 1 if word == theirs else max(here, row[j - 1])
            before = here
    return 2 * row[-1] / (len(one) + len(other))


def judged(drafts: Sequence[Draft], spec: JudgeSpec, writer: Writer) -> list[str | None]:
    """For each draft why the judge refuses it, or None."""
    prompts = [
        f"{spec.rubric}\n\nQuestion: {d.question}\nAnswer: {d.answer}\n\n"
        "Give a mark from 1 (bad) to 5 (very good). Reply with the number only."
        for d in drafts
    ]
    calls = [Call((Message("user", p),), Sampling(max_new_tokens=8)) for p in prompts]
    return [_mark(answer, spec) for answer in writer.ask(calls)]


def _mark(answer: Answer, spec: JudgeSpec) -> str | None:
    if answer.problem:
        return f"not judged: {answer.problem}"
    found = _SCORE.search(answer.text)
    if found is None:
        return "no mark in the judge's reply"
    return None if int(found[1]) >= spec.min_score else "judged too low"
