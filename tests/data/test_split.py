"""The split: stable under growth, whole groups, locked."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings, strategies as st
from pydantic import ValidationError

from luthier.core.ledger import Ledger
from luthier.core.records import Example, Message
from luthier.data.duplicates import DuplicatesSpec, survivors
from luthier.data.split import SplitSpec, count_sides, lock, side_of, split

SPEC = SplitSpec()


def _example(number: int, group: str, text: str = "") -> Example:
    messages = (Message("user", text or f"q{number}"), Message("assistant", "a"))
    return Example(f"id{number}", messages, f"f:{number}", group, "row")


def _split(examples: list[Example], twins: list[int] | None = None) -> tuple[list[Example], Ledger]:
    ledger = Ledger()
    own = twins if twins is not None else list(range(len(examples)))
    return split(examples, own, SPEC, 0, ledger), ledger


def test_shares_are_near_what_was_asked_for() -> None:
    sides = [side_of(f"group {n}", SPEC, 0) for n in range(20_000)]
    assert sides.count("test") / 20_000 == pytest.approx(0.2, abs=0.015)
    assert sides.count("validation") / 20_000 == pytest.approx(0.05, abs=0.01)
    assert [side_of(f"group {n}", SPEC, 1) for n in range(20_000)] != sides


def test_nothing_for_training_is_refused() -> None:
    with pytest.raises(ValidationError, match="nothing for training"):
        SplitSpec(test=0.6, validation=0.4)


WORDS = st.lists(st.sampled_from(["alpha", "beta", "gamma", "delta"]), min_size=8, max_size=10)


@given(
    rows=st.lists(st.tuples(st.sampled_from("abcdefgh"), WORDS), min_size=1, max_size=30),
    cut=st.integers(0, 30),
)
@settings(max_examples=80, deadline=None)
def test_adding_rows_never_moves_one(rows: list[tuple[str, list[str]]], cut: int) -> None:
    examples = [_example(n, group, " ".join(words)) for n, (group, words) in enumerate(rows)]
    before = _sides(examples[:cut])
    after = _sides(examples)
    assert {k: after.get(k) for k in before} == before


def _sides(examples: list[Example]) -> dict[str, str]:
    twins = survivors([e.question for e in examples], DuplicatesSpec())
    done, ledger = _split(examples, twins)
    assert len(done) + ledger.refused == len(examples)
    return {e.id: e.side for e in done}


@given(rows=st.lists(st.tuples(st.sampled_from("abcdefgh"), WORDS), min_size=2, max_size=30))
@settings(max_examples=50, deadline=None)
def test_twins_and_groups_stay_together(rows: list[tuple[str, list[str]]]) -> None:
    examples = [_example(n, group, " ".join(words)) for n, (group, words) in enumerate(rows)]
    twins = survivors([e.question for e in examples], DuplicatesSpec())
    done = {e.id: e for e in _split(examples, twins)[0]}
    sides: dict[str, set[str]] = {}
    for example in examples:
        if example.id in done:
            sides.setdefault(example.group, set()).add(done[example.id].side)
    assert all(len(found) == 1 for found in sides.values())
    for index, twin in enumerate(twins):
        one, other = done.get(f"id{index}"), done.get(f"id{twin}")
        if one and other:
            assert one.side == other.side


def test_a_twin_on_another_side_is_refused_not_moved() -> None:
    names = [f"g{n}" for n in range(100)]
    test = next(n for n in names if side_of(n, SPEC, 0) == "test")
    train = next(n for n in names if side_of(n, SPEC, 0) == "train")
    examples = [_example(0, test), _example(1, train), _example(2, train)]
    done, ledger = _split(examples, [0, 1, 0])
    assert [(e.id, e.side) for e in done] == [("id0", "test"), ("id1", "train")]
    assert ledger.entries[0].reason == "near-duplicate on another side"
    joined, _ = _split([_example(0, test), _example(1, train)], [0, 0])
    assert [e.side for e in joined] == ["test", "test"]
    assert {e.group for e in joined} == {test}


def test_lock_follows_test_rows_only() -> None:
    rows = [
        dataclasses.replace(_example(1, "a"), side="test"),
        dataclasses.replace(_example(2, "b"), side="train"),
    ]
    assert lock(rows) == lock(rows[::-1]) == lock(rows[:1])
    changed = dataclasses.replace(rows[0], messages=(Message("user", "other"),))
    assert lock([changed]) != lock(rows)
    assert count_sides(rows)["test"] == {"row": 1}
