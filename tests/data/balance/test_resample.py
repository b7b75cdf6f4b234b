"""Copies and omissions: counts, lineage, and rows that stay when others come."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given, settings, strategies as st

from luthier.core.ledger import Ledger
from luthier.core.records import Example, Message
from luthier.data.balance._resample import counts_of, generator, over_sample, under_sample


def rows_of(counts: dict[str, int]) -> list[Example]:
    return [
        Example(
            f"{label}-{i}",
            (Message("user", f"{label} {i}"), Message("assistant", label)),
            f"rows.csv:{label}{i}",
            f"group-{i}",
            "",
            side="train",
            label=label,
        )
        for label, count in counts.items()
        for i in range(count)
    ]


many = st.dictionaries(st.sampled_from("abcd"), st.integers(1, 12), min_size=2)
share = st.floats(0.05, 1.0)


@settings(max_examples=40, deadline=None)
@given(many, share, st.integers(0, 99))
def test_copies_fill_every_class_up(counts: dict[str, int], ratio: float, seed: int) -> None:
    rows = rows_of(counts)
    copies = over_sample(rows, ratio, seed)
    goal = math.ceil(ratio * max(counts.values()))
    assert counts_of([r.label for r in [*rows, *copies]]) == {
        label: max(count, goal) for label, count in sorted(counts.items())
    }
    by_id = {row.id: row for row in rows}
    assert len({row.id for row in [*rows, *copies]}) == len(rows) + len(copies)
    for copy in copies:
        parent = by_id[copy.parent]
        assert (copy.messages, copy.label, copy.group, copy.side, copy.origin) == (
            parent.messages,
            parent.label,
            parent.group,
            parent.side,
            parent.origin,
        )


@settings(max_examples=40, deadline=None)
@given(many, share, st.integers(0, 99))
def test_no_row_is_left_out_in_silence(counts: dict[str, int], ratio: float, seed: int) -> None:
    rows, ledger = rows_of(counts), Ledger()
    kept = under_sample(rows, ratio, seed, ledger)
    goal = math.ceil(min(counts.values()) / ratio)
    assert counts_of([r.label for r in kept]) == {
        label: min(count, goal) for label, count in sorted(counts.items())
    }
    assert len(rows) == len(kept) + ledger.refused
    gone = {entry.origin for entry in ledger.entries}
    assert gone == {row.origin for row in rows} - {row.origin for row in kept}
    assert kept == [row for row in rows if row in kept]  # in their old order


def test_an_id_that_is_taken_is_not_given_to_a_copy() -> None:
    rows = rows_of({"a": 3, "b": 1})
    clash = Example("b-0+1", rows[0].messages, "x:1", "g", "", side="train", label="a")
    copies = over_sample([*rows, clash], 1.0, 0)
    assert [copy.id for copy in copies] == ["b-0+2", "b-0+3", "b-0+4"]


def test_draws_follow_from_the_seed() -> None:
    rows = rows_of({"a": 40, "b": 10})
    first, again, other = (over_sample(rows, 1.0, seed) for seed in (1, 1, 2))
    assert first == again
    assert Counter(c.parent for c in first) != Counter(c.parent for c in other)
    ids = [[r.id for r in under_sample(rows, 1.0, seed, Ledger())] for seed in (1, 1, 2)]
    assert ids[0] == ids[1] != ids[2]


def test_one_more_row_moves_at_most_one() -> None:
    rows = rows_of({"a": 40, "b": 10})
    before = {r.id for r in under_sample(rows, 1.0, 5, Ledger())}
    after = {r.id for r in under_sample([*rows, *rows_of({"a": 41})[40:]], 1.0, 5, Ledger())}
    assert len(before - after) <= 1


def test_generators_differ_by_what_they_are_for() -> None:
    assert generator(1, "a").integers(2**60) == generator(1, "a").integers(2**60)
    assert generator(1, "a").integers(2**60) != generator(1, "b").integers(2**60)


@pytest.mark.parametrize("ratio", [0.3, 1.0])
def test_a_balanced_set_is_left_alone(ratio: float) -> None:
    rows, ledger = rows_of({"a": 5, "b": 5}), Ledger()
    assert over_sample(rows, ratio, 0) == []
    assert under_sample(rows, ratio, 0, ledger) == rows
    assert ledger.entries == []
