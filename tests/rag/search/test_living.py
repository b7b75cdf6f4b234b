"""What a slice holds is what `Slice.holds` says, for hundreds of slices."""

from __future__ import annotations

import random

import numpy as np
from stored_rows import passages_of, some_slice, table

from luthier.rag.access import Slice
from luthier.rag.search.living import Living, Slices, chosen
from luthier.rag.search.segment import gathered, plain, segment_of

CHANCE = random.Random(7)
DOCUMENTS = [f"doc{i:02d}" for i in range(60)]
PASSAGES = sorted((p for d in DOCUMENTS for p in passages_of(d, CHANCE)), key=lambda p: p.id)
SEGMENT = segment_of(gathered([plain(table(PASSAGES))]), "none")
WHOLE = Living(SEGMENT, np.empty(0, np.int32))


def test_a_slice_holds_what_its_rule_says() -> None:
    living = WHOLE.without(DOCUMENTS[10:14])
    assert living.count == sum(p.document_id not in DOCUMENTS[10:14] for p in PASSAGES)
    found = 0
    for seed in range(600):
        part = some_slice(random.Random(seed), DOCUMENTS)
        for one, gone in ((WHOLE, []), (living, DOCUMENTS[10:14])):
            held = chosen(one, part)
            expected = [
                i for i, p in enumerate(PASSAGES) if part.holds(p) and p.document_id not in gone
            ]
            rows = held.rows.tolist() if held.mask is not None else list(range(len(PASSAGES)))
            assert rows == expected, part
            assert held.count == len(expected)
            found += held.count
    assert found > 300


def test_removed_twice_is_removed_once() -> None:
    once = WHOLE.without(["doc01"])
    assert once.without(["doc01", "unknown"]) is once
    assert WHOLE.without(["unknown"]) is WHOLE
    twice = once.without(["doc00"])
    assert twice.dead.tolist() == [
        i for i, p in enumerate(PASSAGES) if p.document_id in ("doc00", "doc01")
    ]


def test_counts_are_of_living_rows() -> None:
    living = WHOLE.without(DOCUMENTS[:30])
    fresh = segment_of(gathered([living.table()]), "none")
    assert fresh.rows["id"].to_pylist() == [
        p.id for p in PASSAGES if p.document_id not in DOCUMENTS[:30]
    ]
    assert living.words == fresh.words.lengths.sum()
    names = living.segment.words.terms.to_arrow().to_pylist()
    places = fresh.words.terms.find(names)
    expected = np.where(places >= 0, fresh.words.df[places], 0)
    assert living.df.tolist() == expected.tolist()


def test_only_the_slices_asked_for_last_are_kept() -> None:
    slices = Slices([WHOLE], most=2)
    parts = [Slice(frozenset([name])) for name in ("user1", "user2", "user3")]
    first = slices.of(parts[0])
    second = slices.of(parts[1])
    assert slices.of(Slice(frozenset(["user1"]))) is first
    slices.of(parts[2])  # the second goes
    assert slices.of(parts[0]) is first
    assert slices.of(parts[1]) is not second
