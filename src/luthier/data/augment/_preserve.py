"""Whether a row without a label still has its parent's answer.

A label stands up to much; an answer hangs on each fact of the question. No encoder sees a lost
"each" in fifty words, so sentences are compared one by one, and what can be held literally is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

import numpy as np

from luthier.core.records import Example
from luthier.data.augment._checks import Made, Verdicts
from luthier.data.augment._neighbours import Encode
from luthier.data.augment._pieces import count_span, protected
from luthier.data.augment._word_lists import REFERRING, RELATIONS, STOP_WORDS
from luthier.data.augment.sentences import question_at, sentences

ANSWER = "its answer stands in it no longer"
QUESTION = "question not kept"
SENTENCE = "a sentence means something else"
LOST = "a sentence is lost or added"
_WORDS = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_ANSWER_WORDS = 12


def names_at_starts(texts: Iterable[str]) -> frozenset[str]:
    """Words that begin sentences with a capital and never stand in lower case: names, by and large.

    Args:
        texts: Questions and answers of all training rows.

    Returns:
        The words in lower case.
    """
    capitals, lower = set[str](), set[str]()
    for text in texts:
        for word in _WORDS.findall(text):
            (capitals if word[0].isupper() else lower).add(word.lower())
    return frozenset(capitals - lower - STOP_WORDS - REFERRING)


def spans_of(row: Example, keep: Collection[str]) -> frozenset[str]:
    """Words that stay in one row: names it has elsewhere, and an answer that stands in it."""
    names = {span.lower() for span in protected(row.question) if span[:1].isupper()}
    found = frozenset(keep) | names
    if not row.label and _answer_stands(row):
        found |= {word.lower() for word in _WORDS.findall(row.answer)}
    return found


def kept_in(row: Example, keep: Collection[str]) -> frozenset[str]:
    """Words that no augmenter alters in one row; in rows without a label, what ties facts too."""
    found = spans_of(row, keep)
    return found if row.label else found | RELATIONS


def check_answers(
    made: Sequence[Made], encode: Encode, least: float, keep: Collection[str]
) -> Verdicts:
    """Refuse rows without a label whose answer need not be right any more.

    Args:
        made: Candidates; those with a label pass.
        encode: The encoder.
        least: Least cosine of each altered sentence to what became of it, both ways.
        keep: Words never altered, in lower case.
    """
    plain = [one for one in made if not one.row.label]
    found: Verdicts = {}
    pairs: dict[str, tuple[list[str], list[str], str]] = {}
    for one in plain:
        old, new = one.parent.question, one.row.question
        before, after = (sentences(text, keep) for text in (old, new))
        asked = before[question_at([s for s, _ in before])][0] if before else ""
        said_before, said_after = [s for s, _ in before], [s for s, _ in after]
        gone = [s for s in said_before if s not in said_after]
        come = [s for s in said_after if s not in said_before]
        may_go = [s for s, kept in before if not kept and s != asked]
        if _answer_stands(one.parent) and _answers_in(new, one.parent) < 1:
            found[one.row.id] = ANSWER
        elif asked in gone and ("?" in asked) != any("?" in s for s in come):
            found[one.row.id] = QUESTION
        elif one.kind == "sentences" and not come and all(s in may_go for s in gone):
            continue
        elif bool(gone) != bool(come):
            found[one.row.id] = LOST
        elif gone:
            pairs[one.row.id] = (gone, come, asked)
    return found | _compared(pairs, encode, least)


def _compared(
    pairs: dict[str, tuple[list[str], list[str], str]], encode: Encode, least: float
) -> Verdicts:
    """Reasons by id, from the sentences that went, those that came and the question itself."""
    texts = list(dict.fromkeys(s for gone, come, _ in pairs.values() for s in (*gone, *come)))
    if not texts:
        return {}
    place = {text: i for i, text in enumerate(texts)}
    vectors = encode(texts)
    found: Verdicts = {}
    for name, (gone, come, asked) in pairs.items():
        old, new = ([place[s] for s in some] for some in (gone, come))
        cosines = np.asarray(vectors[old] @ vectors[new].T, dtype=np.float64)
        kept = cosines.max(axis=1)
        if asked in gone and not kept[gone.index(asked)] >= least:
            found[name] = QUESTION
        elif not (kept >= least).all() or not (cosines.max(axis=0) >= least).all():
            found[name] = SENTENCE
    return found


def _answer_stands(row: Example) -> bool:
    """Whether the answer is a short span of the question."""
    words = len(row.answer.split())
    return 0 < words <= _ANSWER_WORDS and _answers_in(row.question, row) > 0


def _answers_in(text: str, row: Example) -> int:
    return count_span(text.lower(), row.answer.strip(" .\n").lower())
