"""How good one answer is: overlap with the reference, equality, support by the passages.

All figures lie between 0 and 1, higher is better, except perplexity (1 or more, lower is better).
Normalisation and token F1 are those of SQuAD (Rajpurkar et al. 2016, arXiv:1606.05250): lower
case, punctuation and the articles a, an, the left out. Answers that are data (kind ``form``) are
compared otherwise, because there punctuation separates words and decides what is said.
"""

from __future__ import annotations

import itertools
import json
import math
import re
import string
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from luthier.data.alike import words

FORM = "form"
"""The kind of question whose answer is data in a given shape, such as one line of JSON."""

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_REFUSALS = re.compile(
    r"\W*(?:(?:i am |i'm )?sorry|i (?:do not|don['’]t) know|(?:i )?cannot answer"
    r"|(?:this|that|it) is not in the documents|the documents do not|there is no answer"
    r"|unanswerable|no answer)\b",
    re.IGNORECASE,
)


def normalise(text: str) -> str:
    """SQuAD's normal form: lower case, no punctuation, no articles, single spaces."""
    bare = text.lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def token_f1(answer: str, reference: str, *, kind: str = "") -> float:
    """Harmonic mean of precision and recall over the tokens of answer and reference.

    Args:
        answer: What a route said.
        reference: What it should have said.
        kind: ``form`` counts the words between punctuation (``{"a":"b"}`` has two, however it
            is spaced); any other kind counts SQuAD's normalised tokens.

    Returns:
        0 to 1. A reference that normalises to nothing (``*``) must be met literally.
    """
    if kind == FORM:
        said, wanted = words(answer), words(reference)
    else:
        said, wanted = normalise(answer).split(), normalise(reference).split()
    if not wanted or not said:
        return float(_squeezed(answer) == _squeezed(reference))
    common = sum((Counter(said) & Counter(wanted)).values())
    return 2 * common / (len(said) + len(wanted))


def exact_match(answer: str, reference: str, *, kind: str = "") -> bool:
    """Whether answer and reference are the same.

    Args:
        answer: What a route said.
        reference: What it should have said.
        kind: ``form`` demands the same characters, white space aside; any other kind the same
            normal form, as SQuAD does.
    """
    if kind == FORM or not normalise(reference):
        return _squeezed(answer) == _squeezed(reference)
    return normalise(answer) == normalise(reference)


def refuses(answer: str, sentences: Collection[str] = ()) -> bool:
    """Whether an answer is none: empty, or it says that there is none.

    Args:
        answer: What a route said.
        sentences: What this project says where it does not answer.
    """
    said = answer.strip()
    return not said or said in sentences or _REFUSALS.match(said) is not None


def json_match(answer: str, reference: str, *, kind: str = FORM) -> bool | None:
    """Whether the answer is JSON with the reference's content (order of keys aside).

    Returns:
        None where the question does not ask for it: another kind, or a reference that is
        not JSON itself.
    """
    if kind != FORM:
        return None
    wanted = _canonical(reference)
    return None if wanted is None else _canonical(answer) == wanted


def faithfulness(answer: str, passages: Sequence[str]) -> float | None:
    """Share of the answer's words that are backed by the passages it was given.

    A word is backed if it stands in a passage next to the same neighbour as in the answer
    (lexical bigram precision; an answer of one word is looked up alone). This is strict on
    paraphrase and blind to negation, but needs no judge and never changes between runs.

    Args:
        answer: What the route said.
        passages: Texts of the passages in its prompt.

    Returns:
        0 to 1; None without passages, or where the answer has no words to check.
    """
    said = words(answer)
    if not passages or not said:
        return None
    texts = [words(passage) for passage in passages]
    if len(said) == 1:
        return float(any(said[0] in text for text in texts))
    pairs = {pair for text in texts for pair in itertools.pairwise(text)}
    held = [pair in pairs for pair in itertools.pairwise(said)]
    left, right = [False, *held], [*held, False]
    return sum(a or b for a, b in zip(left, right, strict=True)) / len(said)


def perplexity(scores: Iterable[tuple[float, int]]) -> float | None:
    """exp(total negative log-likelihood / total tokens) of reference answers.

    Args:
        scores: (nats, tokens) of each reference. Tokens are the route's own, so perplexities
            of models with different tokenizers cannot be compared.

    Returns:
        1 or more (infinite past the range of floats), or None without tokens.
    """
    pairs = list(scores)
    tokens = sum(count for _, count in pairs)
    if not tokens:
        return None
    mean = math.fsum(nats for nats, _ in pairs) / tokens
    return math.exp(mean) if mean < 700 else math.inf


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _canonical(text: str) -> str | None:
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except (ValueError, RecursionError):
        return None
