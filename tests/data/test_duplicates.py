"""Near-duplicates: found when near, never called so when not."""

from __future__ import annotations

import random

from hypothesis import given, settings, strategies as st

from luthier.data.duplicates import DuplicatesSpec, survivors, words_of

SPEC = DuplicatesSpec()


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = words_of(text)
    return {tuple(words[i : i + 3]) for i in range(len(words) - 2)}


def _similarity(one: str, other: str) -> float:
    a, b = _shingles(one), _shingles(other)
    return len(a & b) / len(a | b)


@given(st.lists(st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=14), max_size=25))
@settings(max_examples=80, deadline=None)
def test_against_the_definition(rows: list[list[str]]) -> None:
    texts = [" ".join(row) for row in rows]
    found = survivors(texts, SPEC)
    for index, stands in enumerate(found):
        assert found[stands] == stands <= index
        if stands != index:
            assert _similarity(texts[index], texts[stands]) >= SPEC.threshold
        elif len(rows[index]) >= SPEC.min_words:
            for other in set(found[:index]):
                if len(rows[other]) >= SPEC.min_words:
                    # MinHash misses a pair at the threshold once in 1,000; equal ones never
                    assert _shingles(texts[index]) != _shingles(texts[other])


def test_layout_and_case_do_not_matter() -> None:
    one = "Return the lowest index in S where substring sub is found."
    other = "return  the lowest\nindex, in S where *substring* sub is found"
    assert survivors([one, other], SPEC) == [0, 0]


def test_short_texts_are_never_near_duplicates() -> None:
    assert survivors(["Close it.", "Close it.", "", ""], SPEC) == [0, 1, 2, 3]


def test_recall_and_precision_on_edited_texts() -> None:
    draw = random.Random(0)
    vocabulary = [f"w{n}" for n in range(2000)]
    originals = [" ".join(draw.choices(vocabulary, k=100)) for _ in range(300)]
    edited = []
    for text in originals:
        words = text.split()
        words[draw.randrange(100)] = "changed"
        edited.append(" ".join(words))
    found = survivors([*originals, *edited], SPEC)
    assert found[:300] == list(range(300))
    assert sum(found[300 + n] == n for n in range(300)) >= 298


def test_chains_do_not_collapse() -> None:
    words = [f"w{n}" for n in range(60)]
    chain = [" ".join(words[n : n + 40]) for n in range(0, 20, 2)]
    found = survivors(chain, SPEC)
    assert len(set(found)) > 1
    for index, stands in enumerate(found):
        assert _similarity(chain[index], chain[stands]) >= SPEC.threshold
