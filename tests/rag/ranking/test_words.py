"""k1 and b for one corpus."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest

from luthier.core.records import Passage
from luthier.rag.legs import LegsSpec
from luthier.rag.ranking import words
from luthier.rag.ranking.words import K1, B, tune_words
from luthier.rag.stores.store import rows_of

SPEC = LegsSpec(stemmer="none", k1=1.5, b=0.75)


def corpus(count: int, *, padded: bool) -> list[Passage]:
    """Texts under titles; padded ones of a subject hold more of it, and are far longer."""
    rng, made = random.Random(0), []
    for n in range(count):
        subject = [f"a{n}", f"b{n}", f"c{n}"]
        noise = [f"w{rng.randrange(60)}" for _ in range(200 if padded and n % 2 else 8)]
        text = " ".join([*subject * (3 if padded and n % 2 else 1), *noise])
        # Each short text also has a word of the neighbour's subject, twice.
        other = f"a{(n + 1) % count}"
        text = f"{text} {other} {other}" if n % 2 == 0 else text
        made.append(Passage(f"d{n}#0", f"d{n}", " ".join(subject), text, "f", 0, len(text)))
    return made


def table(passages: list[Passage]) -> pa.Table:
    return rows_of(passages, {p.document_id: "1" for p in passages})


def test_titles_are_asked_where_there_are_no_questions() -> None:
    tuned = tune_words([table(corpus(30, padded=True))], SPEC)
    assert tuned.questions == 30
    assert tuned.gain is not None
    assert tuned.best in {(k1, b) for k1 in K1 for b in B}
    assert ((tuned.k1, tuned.b) == tuned.best) == (tuned.gain.low > 0 or tuned.best == (1.5, 0.75))
    assert "30 questions" in tuned.text


def test_what_is_not_surely_better_is_not_taken() -> None:
    passages = corpus(30, padded=False)
    asked = [(f"a{n} b{n} c{n}", {f"d{n}": 1.0}) for n in range(30)]
    tuned = tune_words([table(passages)], SPEC, asked)
    assert (tuned.k1, tuned.b) == (1.5, 0.75)


def test_a_sure_gain_is_taken() -> None:
    passages = corpus(60, padded=True)
    asked = [(f"a{n}", {f"d{n}": 1.0}) for n in range(1, 60, 2)]
    strict = LegsSpec(stemmer="none", k1=2.0, b=1.0)
    tuned = tune_words([table(passages)], strict, asked)
    assert tuned.gain is not None
    assert tuned.gain.low > 0
    assert (tuned.k1, tuned.b) == tuned.best
    assert "taken" in tuned.text


def test_too_few_questions_choose_nothing() -> None:
    tuned = tune_words([table(corpus(5, padded=True))], SPEC)
    assert (tuned.k1, tuned.b, tuned.gain) == (1.5, 0.75, None)
    assert "too few" in tuned.text


def test_the_gain_told_is_that_on_questions_the_setting_was_not_chosen_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where every setting is as good as chance, the best of many looks good only on its own."""
    drawn = np.random.default_rng(1)
    monkeypatch.setattr(words, "score", lambda *_: {"ndcg@10": drawn.uniform(size=40)})
    asked = [(f"a{n} b{n} c{n}", {f"d{n}": 1.0}) for n in range(40)]
    tuned = words.tune_words([table(corpus(40, padded=False))], SPEC, asked)
    assert tuned.gain is not None
    assert tuned.gain.low < 0 < tuned.gain.high
    assert tuned.best != (SPEC.k1, SPEC.b)
    assert (tuned.k1, tuned.b) == (SPEC.k1, SPEC.b)
