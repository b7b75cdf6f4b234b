"""Question and answer pairs made from documents, in small steps.

documents -> facts (``_facts``) -> those fit to be asked, the others refused with a reason -> a
choice of them -> wordings (``_phrases``) -> Examples. Every choice is made by a hash of the
example's own id, so that adding documents never changes the others' questions.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import Field

from luthier.core.ledger import Ledger
from luthier.core.records import EVERYONE, Document, Example, Message
from luthier.core.spec import Spec
from luthier.data._facts import Fact, FactKind, facts
from luthier.data._phrases import phrase

ALL_KINDS: tuple[FactKind, ...] = (
    "summary", "default", "parameters", "parameter", "returns", "raises", "bases", "call",
)  # fmt: skip
MIN_SENTENCE_WORDS = 3
_BROKEN_OFF = re.compile(
    r"\b(?:the|a|an|of|and|or|to|is|for|with|by)$|\b(?:following|as follows|below)\b(?: \w+)?\.?$"
)
_MARKUP = re.compile(r">>>|::$|\$[^$]+\$|\\[a-zA-Z]{2,}|\|\||[=\-~_*]{4,}")
_POINTER = re.compile(
    r"\W*(?:see|copyright|this (?:module|file) was|alias (?:for|of))\b", re.IGNORECASE
)
_INTERVAL = re.compile(r"[\[(][^\[\](),]{1,20},[^\[\](),]{1,20}[\])]")


class QuestionsSpec(Spec):
    """Which questions are made from documents."""

    per_document: int = Field(default=4, ge=1, le=100)
    """At most so many facts of one document are asked for."""
    forms_per_fact: int = Field(default=1, ge=1, le=4)
    """Wordings of each question."""
    max_answer_words: int = Field(default=40, ge=1)
    """Facts with longer answers are refused."""
    max_question_chars: int = Field(default=300, ge=20)
    """Facts with longer questions are refused."""
    kinds: tuple[FactKind, ...] = ALL_KINDS
    """Kinds of facts that are asked for; ``call`` is the form question."""


def make_questions(
    documents: Iterable[Document], spec: QuestionsSpec, seed: int, ledger: Ledger
) -> tuple[list[Example], int]:
    """Make the examples of all documents.

    Args:
        documents: What is asked about.
        spec: Settings.
        seed: Changes which facts are chosen and how they are worded.
        ledger: Gets a line for each fact that is not fit to be asked.

    Returns:
        (examples, how many were considered): the second is examples plus refused ones. Fit facts
        beyond ``per_document`` are not considered.
    """
    examples: list[Example] = []
    considered = 0
    for document in documents:
        fit: list[Fact] = []
        for fact in facts(document):
            if fact.kind not in spec.kinds:
                continue
            if reason := unfit(fact, document, spec):
                considered += 1
                ledger.refuse(reason, document.origin, f"{fact.subject}: {fact.answer}")
            else:
                fit.append(fact)
        for fact in choose(fit, spec.per_document, seed):
            made = list(examples_of(fact, document, spec.forms_per_fact, seed))
            considered += len(made)
            examples += made
    return examples, considered


def unfit(fact: Fact, document: Document, spec: QuestionsSpec) -> str:
    """Why a fact cannot be asked for, or ""."""
    answer = fact.answer
    if squeeze(fact.evidence) not in squeeze(document.text):
        return "answer does not stand in the text"
    if len(answer.split()) > spec.max_answer_words:
        return "answer too long"
    if len(phrase(fact, document.kind, 0)) > spec.max_question_chars:
        return "question too long"
    match fact.kind:
        case "summary" | "returns" | "raises" | "parameter":
            return _unfit_sentence(answer)
        case "call":
            return "" if _is_call(answer) else "not a JSON call signature"
        case _:
            return ""


def _unfit_sentence(answer: str) -> str:
    if len(answer.split()) < MIN_SENTENCE_WORDS:
        return "sentence too short"
    if answer.endswith((":", ",", "--")) or _BROKEN_OFF.search(answer):
        return "sentence breaks off"
    if _MARKUP.search(answer) or _POINTER.match(answer):
        return "sentence is markup or a pointer"
    closed = _INTERVAL.sub("", answer)
    if any(closed.count(a) != closed.count(b) for a, b in ("()", "[]", "{}")):
        return "sentence with an open bracket"
    if answer.count('"') % 2 or answer.count("`") % 2:
        return "sentence with an open quote"
    return ""


def _is_call(answer: str) -> bool:
    call = json.loads(answer)
    return "\n" not in answer and bool(call["required"] or call["optional"] or call.get("variadic"))


def choose(fit: Sequence[Fact], limit: int, seed: int) -> list[Fact]:
    """At most ``limit`` facts: one of each kind before a second of any, else by hash."""
    turn: dict[FactKind, int] = {}
    ranked = []
    for fact in sorted(fit, key=lambda f: draw(seed, f.subject, f.kind, f.detail, f.answer)):
        turn[fact.kind] = turn.get(fact.kind, 0) + 1
        ranked.append((turn[fact.kind], draw(seed, "kind", fact.subject, fact.kind), fact))
    kept = {id(fact) for *_, fact in sorted(ranked, key=lambda r: r[:2])[:limit]}
    return [fact for fact in fit if id(fact) in kept]


def examples_of(fact: Fact, document: Document, forms: int, seed: int) -> Iterable[Example]:
    """One example for each wording of a fact."""
    label = (
        f"{fact.kind}-{fact.detail}"
        if fact.kind in ("default", "parameter", "raises")
        else fact.kind
    )
    kind: Literal["fact", "form"] = "form" if fact.kind == "call" else "fact"
    first = draw(seed, "wording", document.id, label)
    for number in range(forms):
        question = phrase(fact, document.kind, first + number)
        yield Example(
            id=f"{document.id}?{label}-{number + 1}",
            messages=(Message("user", question), Message("assistant", fact.answer)),
            origin=document.origin,
            group=document.group,
            kind=kind,
            document_id=document.id,
            closed=EVERYONE not in document.access,
        )


def draw(seed: int, *names: str) -> int:
    """A number from 0 to 2**64 - 1 that depends on these names alone."""
    data = "\x1f".join((str(seed), *names)).encode()
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big")


def squeeze(text: str) -> str:
    """Every run of white space as one space."""
    return " ".join(text.split())
