"""Check an answer sentence by sentence against its passages, before it leaves.

A sentence is supported where a passage bears it out by its words (`luthier.rag.reading.evidence`:
numbers, names and denials must agree), or where nothing strict disagrees and a scorer, such as a
cross-encoder, says so. What is not supported is kept, marked or dropped. Numbers of passages that
do not support their sentence are taken out. In a stream a sentence leaves when it has been checked.

What is not seen: a claim that needs two passages at once, and paraphrase without a scorer. Both
count as not supported, which is the safe side.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection, Sequence
from typing import Literal, assert_never

from pydantic import Field

from luthier.core.records import Passage
from luthier.core.spec import Spec
from luthier.rag.reading.evidence import Evidence, evidence, is_short, short_evidence, stretches
from luthier.rag.reading.sentences import Segmenter
from luthier.rag.reading.spans import find
from luthier.rag.reading.terms import meant

LEAST = 0.6
"""Evidence from which a sentence is supported: on the strict side of what benchmarks/citations.py
finds best on one half."""
_NUMBERS = re.compile(r"[ \t]*\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\]")
_WORD_BEFORE = re.compile(r"\w+$")

Scorer = Callable[[Sequence[tuple[str, str]]], Sequence[float]]
"""How well the second text of each pair bears out the first; higher is better."""


class SupportSpec(Spec):
    """What becomes of sentences that no passage supports."""

    unsupported: Literal["keep", "mark", "drop"] = "mark"
    """``keep`` leaves them, ``mark`` writes ``mark`` behind them, ``drop`` takes them out."""
    mark: str = Field("[not in the documents]", min_length=1)
    """What stands behind a sentence that is not supported."""
    nothing_left: str = Field("This is not in the documents.", min_length=1)
    """The answer where every sentence was dropped."""
    number: bool = False
    """Write the numbers of the passages behind each sentence they support."""
    least: float = Field(LEAST, ge=0.0, le=1.0)
    """Evidence from which a sentence is supported, 0 to 1."""


@dataclasses.dataclass(frozen=True, slots=True)
class Judge:
    """A scorer and the score from which it is believed.

    Attributes:
        score: Of pairs of claim and passage sentence.
        least: From `luthier.rag.abstain.threshold_at`, say, on claims known to be wrong.
    """

    score: Scorer
    least: float


@dataclasses.dataclass(frozen=True, slots=True)
class Sentence:
    """A checked sentence.

    Attributes:
        said: As the model said it, white space behind it included.
        text: As it leaves; "" if it was dropped.
        supported: Whether a passage supports it; None where it claims nothing.
        passages: Ids of those that do.
        score: The best evidence, 0 to 1.
        why: What disagrees with it, in words; "" if nothing does.
        numbers_removed: Citations taken out of it.
    """

    said: str
    text: str
    supported: bool | None
    passages: tuple[str, ...] = ()
    score: float = 0.0
    why: str = ""
    numbers_removed: int = 0


class Checker:
    """Checks one answer, whole or as it comes.

    Args:
        spec: What becomes of what is not supported.
        passages: Those in the prompt, in order: the first is ``[1]``.
        question: What is answered; short answers are held against it.
        judge: A second opinion where words alone do not suffice.
        free: Sentences that need no support, such as that of an abstention.

    Attributes:
        sentences: Those checked so far.
    """

    def __init__(
        self,
        spec: SupportSpec,
        passages: Sequence[Passage],
        question: str = "",
        *,
        judge: Judge | None = None,
        free: Collection[str] = (),
    ) -> None:
        self.spec, self.passages, self.question, self.judge = spec, passages, question, judge
        self.sentences: list[Sentence] = []
        self._free = {one.strip() for one in (*free, spec.nothing_left)}
        self._places = [stretches(p) for p in passages]
        self._rows = find(question, passages) if question.strip() else []
        self._cutter = Segmenter()

    def feed(self, piece: str) -> str:
        """What may leave after one more piece."""
        return "".join(self._checked(one) for one in self._cutter.feed(piece))

    def end(self) -> str:
        """What leaves at the end."""
        rest = "".join(self._checked(one) for one in self._cutter.end())
        if any(s.said.strip() for s in self.sentences) and not any(s.text for s in self.sentences):
            return self.spec.nothing_left
        return rest

    @property
    def citations(self) -> tuple[str, ...]:
        """Ids of the passages that support a sentence that left, in the order of the passages."""
        cited = {one for s in self.sentences if s.text for one in s.passages}
        return tuple(p.id for p in self.passages if p.id in cited)

    def _checked(self, said: str) -> str:
        sentence = self._check(said)
        self.sentences.append(sentence)
        return sentence.text

    def _check(self, said: str) -> Sentence:
        claim = _NUMBERS.sub(lambda m: m[0] if self._is_code(m) else "", said).strip()
        if claim in self._free or claim.endswith("?") or not meant(claim):
            text, removed = self._with_numbers(said, set(range(1, len(self.passages) + 1)))
            return Sentence(said, text, None, numbers_removed=removed)
        found = self._evidence(claim)
        right = {i for i, one in enumerate(found, 1) if one.score >= self.spec.least}
        if not right and self.judge is not None:
            right = self._judged(claim, self.judge, found)
        best = max(found, key=lambda e: e.score, default=Evidence(0.0, why="no passages"))
        text, removed = self._with_numbers(said, right)
        ids = tuple(self.passages[i - 1].id for i in sorted(right))
        why = "" if right else best.why or "too little of it is there"
        if not right:
            text = self._unsupported(text)
        elif self.spec.number and not _NUMBERS.search(text):
            text = _before_space(text, f" [{', '.join(map(str, sorted(right)))}]")
        return Sentence(said, text, bool(right), ids, best.score, why, removed)

    def _evidence(self, claim: str) -> list[Evidence]:
        """What each passage says."""
        if self._rows and is_short(claim):
            return [short_evidence(claim, self.question, self._rows, p) for p in self.passages]
        return [evidence(claim, places) for places in self._places]

    def _judged(self, claim: str, judge: Judge, found: Sequence[Evidence]) -> set[int]:
        """Numbers of passages that the judge believes; none where something strict disagrees."""
        pairs: list[tuple[str, str]] = []
        numbers: list[int] = []
        for i, (one, places) in enumerate(zip(found, self._places, strict=True), 1):
            if not one.why and places:
                text = self.passages[i - 1].shown
                pairs += [(claim, text[p.start : p.end]) for p in places]
                numbers += [i] * len(places)
        scores = judge.score(pairs) if pairs else []
        return {i for i, score in zip(numbers, scores, strict=True) if score >= judge.least}

    def _unsupported(self, text: str) -> str:
        match self.spec.unsupported:
            case "keep":
                return text
            case "mark":
                return _before_space(text, f" {self.spec.mark}")
            case "drop":
                return ""
            case never:
                assert_never(never)

    def _with_numbers(self, said: str, right: Collection[int]) -> tuple[str, int]:
        """The sentence with the numbers of right passages alone, and how many were taken out."""
        removed = 0

        def kept(match: re.Match[str]) -> str:
            nonlocal removed
            if self._is_code(match):
                return match[0]
            given = [int(n) for n in re.findall(r"\d+", match[1])]
            good = [n for n in dict.fromkeys(given) if n in right]
            removed += len(given) - len(good)
            if len(good) == len(given):
                return match[0]
            space = match[0][: match[0].index("[")]
            return f"{space}[{', '.join(map(str, good))}]" if good else ""

        return _NUMBERS.sub(kept, said), removed

    def _is_code(self, match: re.Match[str]) -> bool:
        """Whether brackets are an index (``argv[1]``) rather than a citation."""
        before = match.string[: match.start()]
        if before.count("`") % 2:
            return True
        word = _WORD_BEFORE.search(before)
        if word is None or match[0][0] != "[":
            return False
        code = word[0] + match[0]
        return code in self.question or any(code in p.shown for p in self.passages)


def check(
    text: str,
    passages: Sequence[Passage],
    spec: SupportSpec,
    question: str = "",
    *,
    judge: Judge | None = None,
    free: Collection[str] = (),
) -> tuple[str, tuple[Sentence, ...], tuple[str, ...]]:
    """Check a whole answer; see `Checker` for the arguments.

    Returns:
        The answer as it may leave, its sentences, and the ids of the passages that support it.
    """
    checker = Checker(spec, passages, question, judge=judge, free=free)
    left = checker.feed(text) + checker.end()
    return left, tuple(checker.sentences), checker.citations


def _before_space(text: str, more: str) -> str:
    body = text.rstrip()
    return body + more + text[len(body) :]
