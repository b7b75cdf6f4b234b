"""BM25 and TF-IDF are as their formulas say, with C and with numpy."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from searching import BOTH, sentences, switched

from luthier.rag.search.lexical import (
    Postings,
    bm25_idf,
    cosine_idf,
    postings_from,
    postings_of,
    word_counts,
)

TEXTS = [*sentences(300, seed=1), "", "word1 " * 400]
ROWS = [text.split() for text in TEXTS]


@pytest.fixture(params=BOTH)
def postings(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Postings]:
    for _ in switched(request.param, monkeypatch):
        yield made()


def made() -> Postings:
    column = pa.array(TEXTS)
    empty = pa.array([""] * len(TEXTS))
    pieces = [(empty[:120], column[:120]), (column[120:], empty[120:])]  # a title counts as well
    return postings_of(pieces, "none")


def terms_of(postings: Postings, *names: str) -> list[int]:
    return list(postings.find([name.encode() for name in names])[0])


def test_postings_hold_what_the_rows_have(postings: Postings) -> None:
    again = postings_from(postings.arrays())
    assert again.lengths.tolist() == [len(row) for row in ROWS]
    assert 0 < len(again.frequent) < len(again.terms)  # both ways of keeping rows
    for term, name in enumerate(again.terms.to_arrow().to_pylist()):
        rows, counts = again.rows_of(term)
        found = dict(zip(rows.tolist(), counts.tolist(), strict=True))
        word = name.decode()
        expected = {i: min(255, row.count(word)) for i, row in enumerate(ROWS) if word in row}
        assert found == expected
        assert again.df[term] == len(expected)
    assert set(again.terms.to_arrow().to_pylist()) == {w.encode() for row in ROWS for w in row}


def test_bm25_is_as_its_formula_says(postings: Postings) -> None:
    names, k1, b = ["word0", "word7", "word41"], 1.2, 0.6
    mean = sum(map(len, ROWS)) / len(ROWS)
    df = [sum(n in row for row in ROWS) for n in names]
    weights = [bm25_idf(count, len(ROWS)) for count in df]
    assert weights[0] == pytest.approx(
        math.log(1 + (len(ROWS) - df[0] + 0.5) / (df[0] + 0.5)), rel=1e-6
    )
    rows, scores = postings.best(
        terms_of(postings, *names), weights, (k1 * (1 - b), k1 * b / mean), None, len(ROWS)
    )
    expected = {}
    for i, row in enumerate(ROWS):
        counts = [min(255, row.count(n)) for n in names]
        norm = k1 * (1 - b + b * len(row) / mean)
        score = sum(w * c / (c + norm) for w, c in zip(weights, counts, strict=True) if c)
        if score:
            expected[i] = score
    assert dict(zip(rows.tolist(), scores.tolist(), strict=True)) == pytest.approx(expected, 1e-5)
    order = sorted(zip(-scores, rows, strict=True))
    assert [row for _, row in order] == rows.tolist()


def test_the_cosine_is_as_its_formula_says(postings: Postings) -> None:
    idf = np.array([cosine_idf(n, len(ROWS)) for n in postings.df.tolist()], np.float32)
    norms = postings.norms(idf)
    words = [name.decode() for name in postings.terms.to_arrow().to_pylist()]
    counts = np.array([[min(255, row.count(w)) for w in words] for row in ROWS])
    dense = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0) * idf
    assert norms == pytest.approx(np.linalg.norm(dense, axis=1), rel=1e-5)
    terms = terms_of(postings, "word3", "word9")
    rows, scores = postings.best(terms, (idf[terms] ** 2).tolist(), norms, None, 10)
    whole = (dense[:, terms] @ idf[terms]) / np.where(norms > 0, norms, 1)
    assert scores == pytest.approx(np.sort(whole)[::-1][:10], rel=1e-5)
    assert whole[rows] == pytest.approx(scores, rel=1e-5)


def test_only_marked_rows_are_found_and_counted(postings: Postings) -> None:
    mask = (np.arange(len(ROWS)) % 3 == 1).astype(np.uint8)
    terms = terms_of(postings, "word0", "word20")
    weights = [1.0, 1.0]
    whole, scores = postings.best(terms, weights, (1.0, 0.0), None, len(ROWS))
    kept = mask[whole] > 0
    for most in (0, 1, 5, len(ROWS)):
        rows, found = postings.best(terms, weights, (1.0, 0.0), mask, most)
        assert rows.tolist() == whole[kept][:most].tolist()
        assert found.tolist() == scores[kept][:most].tolist()
    expected = [sum(n.decode() in ROWS[i] for i in np.flatnonzero(mask))
                for n in postings.terms.to_arrow().to_pylist()]  # fmt: skip
    assert postings.alive_df(mask).tolist() == expected


def test_terms_are_found_with_the_rows_that_have_them(postings: Postings) -> None:
    names = [b"word3", b"none", b"word50"]
    numbers, df = postings.find(names)
    assert numbers[1] == -1
    assert list(df) == [sum(n.decode() in row for row in ROWS) for n in names]
    _, halved = postings.find(names, postings.df // 2)
    assert list(halved) == [count // 2 for count in df]
    rows, _ = postings.best(numbers, [0.0, 9.0, 1.0], (1.0, 0.0), None, len(ROWS))
    assert sorted(rows) == [i for i, row in enumerate(ROWS) if "word50" in row]


def test_with_k1_of_0_repetitions_do_not_count(postings: Postings) -> None:
    terms = terms_of(postings, "word1", "word2")
    _, scores = postings.best(terms, [1.0, 1.0], (0.0, 0.0), None, len(ROWS))
    assert set(scores.tolist()) == {1.0, 2.0}


def test_c_and_numpy_answer_the_same_to_the_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = []
    for kind in BOTH:
        for _ in switched(kind, monkeypatch):
            one = made()
            terms = terms_of(one, *(f"word{i}" for i in range(0, 60, 4)))
            weights = np.linspace(0.1, 3, len(terms)).tolist()
            rows, scores = one.best(terms, weights, (0.375, 0.0137), None, 200)
            answers.append((rows.tobytes(), scores.tobytes(), one.starts.tobytes()))
    assert answers[0] == answers[1]


def test_words_are_counted_as_they_are_written() -> None:
    counts = word_counts(pa.array(["Cats", ""]), pa.array(["cats CATS dog", "dog naïve"]))
    assert counts == {"cats": 1, "dog": 2, "naïve": 1}
