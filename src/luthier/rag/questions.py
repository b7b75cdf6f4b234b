"""Questions made from a corpus, to measure retrieval where nobody has written any.

Each is made from one sentence: a number or a name in it is the answer, and some of its other words
are the question, or the whole of it with a gap (a cloze, Taylor 1953), or a language model words
it. A question is kept only
if it is fair, and the ledger tells why the others were not:

- its answer stands at a known place of its document
- the question does not have the answer in it
- no sentence of another document (with its title) has both the answer and half of the question's
  words
- its title does not give it away: the question has not all words of a title of two words or more
- asked for real, the search finds its document, and does not already find it by the title alone

Made questions share words with their passage, so they flatter search by words: compare
configurations on them, and do not take the level for that of real questions.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from pydantic import Field

from luthier.core.ledger import Ledger
from luthier.core.records import Document, Passage
from luthier.core.spec import Spec
from luthier.rag.access import ANYONE, Slice, Viewer
from luthier.rag.measure import Search, Sought
from luthier.rag.reading.sentences import sentences
from luthier.rag.reading.terms import Term, meant, stems, terms

GAP = "____"
_SHORTEST, _LONGEST = 6, 40  # meaningful words of a sentence that is asked about
_SHARED = 0.5  # share of a question's words from which another sentence may answer it, too
_FOUND = 20  # places among which its document must be found

Holding = dict[str, list[tuple[str, frozenset[str]]]]
Generate = Callable[[Sequence[str]], Sequence[str]]
"""Answers prompts, one text for each."""
PROMPT = (
    "Write one short question that the sentence answers with exactly '{answer}'. Use other words "
    "than the sentence where you can, and do not write the answer.\n\nDocument: {title}\n"
    "Sentence: {sentence}\nQuestion:"
)


class MadeSpec(Spec):
    """Which questions are made."""

    per_document: int = Field(2, ge=1, le=100)
    """At most so many for each document."""
    most: int = Field(500, ge=1)
    """At most so many in all, spread over the documents."""
    style: Literal["words", "cloze"] = "words"
    """``words`` asks with some of the sentence's meaningful words, as people type into a search;
    ``cloze`` with the whole sentence and a gap, which every search finds."""
    words: int = Field(3, ge=3)
    """Words of a question of that style."""


@dataclasses.dataclass(frozen=True, slots=True)
class Made:
    """A made question.

    Attributes:
        text: The question.
        answer: A stretch of its document.
        document_id: Which.
        start: Offset of the answer in the document's text.
        end: Offset behind it.
        kind: ``number`` or ``name``.
        who: A viewer who may see the document: one of its access list, or anyone.
    """

    text: str
    answer: str
    document_id: str
    start: int
    end: int
    kind: str
    who: Viewer

    @property
    def id(self) -> str:
        """Stable: of its place and wording."""
        own = f"{self.document_id}\0{self.start}\0{self.text}"
        return f"made-{hashlib.sha256(own.encode()).hexdigest()[:12]}"

    def sought(self) -> Sought:
        """As `luthier.rag.measure.measure` takes it."""
        relevant = {self.document_id: 1.0}
        return Sought(
            self.id, self.text, relevant, self.kind, self.who, self.document_id, (self.answer,)
        )


def make_questions(
    documents: Iterable[Document],
    spec: MadeSpec,
    ledger: Ledger,
    *,
    search: Search | None = None,
    generate: Generate | None = None,
    seed: int = 0,
) -> list[Made]:
    """Make questions and keep the fair ones.

    Args:
        documents: What is asked about; one that nobody may see is left out.
        spec: See `MadeSpec`.
        ledger: Gets a line for each question that was refused.
        search: Asks each question as its viewer, and its title alone; None leaves that check out.
        generate: Words the questions instead of the template; those that break a rule are refused.
        seed: Changes which sentences are asked about.

    Returns:
        In the order of the documents; the same for the same documents and seed.
    """
    held = [one for one in documents if one.access and one.text.strip()]
    made: list[Made] = []
    waiting = _candidates(held, spec, seed)
    where = _holding(held, waiting)
    while waiting and len(made) < spec.most:
        batch, waiting = waiting[: spec.most], waiting[spec.most :]
        made += _worded(batch, spec, ledger, where, search, generate)
    order = {one.id: place for place, one in enumerate(held)}
    return sorted(made[: spec.most], key=lambda one: (order[one.document_id], one.start))


@dataclasses.dataclass(frozen=True, slots=True)
class _Candidate:
    document: Document
    sentence: tuple[int, int]
    answer: tuple[int, int]
    kind: str


def _candidates(documents: Sequence[Document], spec: MadeSpec, seed: int) -> list[_Candidate]:
    """One of each document, then a second of each, in an order that the seed decides."""
    turns: list[list[_Candidate]] = [[] for _ in range(spec.per_document)]
    for one in documents:
        fit = [
            _Candidate(one, span, answer, kind)
            for span in sentences(one.text)
            if (found := _answer(one, span)) is not None
            for answer, kind in [found]
        ]
        fit.sort(key=lambda c: _drawn(seed, c))
        for turn, candidate in zip(turns, fit, strict=False):
            turn.append(candidate)
    for turn in turns:
        turn.sort(key=lambda c: _drawn(seed, c))
    return [candidate for turn in turns for candidate in turn]


def _drawn(seed: int, one: _Candidate) -> str:
    own = f"{seed}\0{one.document.id}\0{one.sentence[0]}"
    return hashlib.sha256(own.encode()).hexdigest()


def _answer(document: Document, span: tuple[int, int]) -> tuple[tuple[int, int], str] | None:
    """The first number or name of a sentence that is not in its title."""
    text = document.text[span[0] : span[1]]
    if "\n" in text or not _SHORTEST <= len(meant(text)) <= _LONGEST:
        return None
    titled = stems(document.title)
    found = terms(text)
    for index, term in enumerate(found):
        if term.stem in titled or term.empty or not (term.number or term.name):
            continue
        if term.number and not _plain(text, term):
            continue
        if term.name and index == 0 and not _known_name(document.text, text[: term.end]):
            continue
        last = index
        while term.name and last + 1 < len(found) and _joined(text, found[last], found[last + 1]):
            last += 1
        place = (span[0] + term.start, span[0] + found[last].end)
        return place, "number" if term.number else "name"
    return None


def _plain(text: str, term: Term) -> bool:
    """Whether a number is in digits and no part of a time, a score or a range."""
    around = text[max(0, term.start - 1) : term.start] + text[term.end : term.end + 1]
    return text[term.start].isdigit() and not set(around) & set(":-–/")


def _known_name(text: str, word: str) -> bool:
    """Whether a word at the start of a sentence has its capital inside of one, too."""
    return re.search(rf"[\w,] {re.escape(word)}\b", text) is not None


def _joined(text: str, left: Term, right: Term) -> bool:
    return right.name and text[left.end : right.start] == " "


def _worded(
    batch: Sequence[_Candidate],
    spec: MadeSpec,
    ledger: Ledger,
    where: Holding,
    search: Search | None,
    generate: Generate | None,
) -> list[Made]:
    texts = [_template(one, spec) for one in batch]
    if generate is not None:
        prompts = [
            PROMPT.format(
                answer=_text(one.document, one.answer),
                title=one.document.title,
                sentence=_text(one.document, one.sentence),
            )
            for one in batch
        ]
        texts = [" ".join(told.split()) for told in generate(prompts)]
    made = []
    for one, text in zip(batch, texts, strict=True):
        question = Made(
            text, _text(one.document, one.answer), one.document.id, *one.answer, one.kind,
            ANYONE if ANYONE & set(one.document.access) else ANYONE | {one.document.access[0]},
        )  # fmt: skip
        if reason := _unfair(question, one.document, where, search):
            ledger.refuse(reason, one.document.origin, f"{text} ({question.answer})")
        else:
            made.append(question)
    return made


def _template(one: _Candidate, spec: MadeSpec) -> str:
    text = _text(one.document, one.sentence)
    start, end = one.answer[0] - one.sentence[0], one.answer[1] - one.sentence[0]
    if spec.style == "cloze":
        return f"{text[:start]}{GAP}{text[end:]}"
    answer = stems(text[start:end])
    kept = {t.stem: text[t.start : t.end] for t in meant(text) if t.stem not in answer}
    drawn = sorted(
        kept, key=lambda stem: _drawn(0, one) + hashlib.sha256(stem.encode()).hexdigest()
    )
    chosen = set(drawn[: spec.words])
    return " ".join(word for stem, word in kept.items() if stem in chosen)


def _unfair(
    one: Made,
    document: Document,
    where: Holding,
    search: Search | None,
) -> str:
    """Why a question is not kept; "" if it is fair."""
    asked, answer = stems(one.text), stems(one.answer)
    if len(asked) < _SHORTEST // 2:
        return "question with too few words"
    if answer & asked:
        return "question with its answer in it"
    titled = stems(document.title)
    if len(titled) > 1 and titled <= asked:
        return "question that names the title"
    if document.text[one.start : one.end] != one.answer:
        return "answer that does not stand in the document"
    others = [own for id_, own in where[_longest(answer)] if id_ != document.id and answer <= own]
    if any(len(asked & own) >= _SHARED * len(asked) for own in others):
        return "question that another document may answer"
    if search is None:
        return ""
    part = Slice(one.who)
    if document.id not in _documents(search(one.text, part, _FOUND)):
        return "question that no search finds"
    first = _documents(search(document.title, part, 1)) if document.title.strip() else []
    if first == [document.id] and len(asked & titled) * 2 >= len(asked):
        return "question that the title gives away"
    return ""


def _holding(documents: Sequence[Document], candidates: Sequence[_Candidate]) -> Holding:
    """By the longest word of each answer, all sentences that have it: their document and words."""
    made: Holding = {_longest(stems(_text(one.document, one.answer))): [] for one in candidates}
    for one in documents:
        titled = stems(one.title)
        for start, end in sentences(one.text):
            own = stems(one.text[start:end])
            for word in own & made.keys():
                made[word].append((one.id, own | titled))
    return made


def _longest(words: frozenset[str]) -> str:
    return max(words, key=lambda word: (len(word), word), default="")


def _documents(found: Sequence[Passage]) -> list[str]:
    return list(dict.fromkeys(passage.document_id for passage in found))


def _text(document: Document, span: tuple[int, int]) -> str:
    return document.text[span[0] : span[1]]
