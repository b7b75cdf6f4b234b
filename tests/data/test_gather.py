"""One pass over the rows keeps all that the split needs, and knows the twins either way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given, settings, strategies as st

from luthier.core.ledger import Ledger
from luthier.core.records import Example, Message, Side, write_table
from luthier.data._gather import Gathered, gather, group_of
from luthier.data.alike import Likes
from luthier.data.duplicates import DuplicatesSpec, survivors

SPEC = DuplicatesSpec()
WORDS = [f"word{n}" for n in range(14)]


def _row(number: int, question: str) -> Example:
    messages = (Message("user", question), Message("assistant", "yes"))
    return Example(f"id{number}", messages, f"f:{number}", f"g{number}", "row", label="b")


def _gathered(
    folder: Path,
    rows: list[Example],
    made: list[Example],
    *,
    known: bool = False,
    kept: dict[str, Side] | None = None,
) -> tuple[Gathered, Ledger]:
    table, ledger = folder / "rows.parquet", Ledger()
    write_table(table, rows, Example)
    said = ["\n".join(m.content for m in row.messages) for row in rows]
    twins = np.asarray(survivors(said, SPEC)) if known else None
    with Likes() as likes:
        return gather(table, made, SPEC, twins, kept or {}, likes, ledger), ledger


TEXTS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 13), st.booleans()), min_size=1, max_size=12
)


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_known_twins_or_not_the_same_comes_of_it(
    tmp_path_factory: object, drawn: list[tuple[int, int, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("rows")  # type: ignore[attr-defined]
    rows = []
    for number, (turn, swap, loud) in enumerate(drawn):
        words = WORDS[turn:] + WORDS[:turn]
        words[swap] = "other" if swap % 2 else words[swap]
        said = " ".join(words)
        rows.append(_row(number, said.upper() if loud else said))
    made = [_row(99, "made of a document")]
    (one, ledger), (other, again) = (
        _gathered(folder, rows, made, known=known) for known in (False, True)
    )
    assert one == other
    assert ledger.entries == again.entries
    assert len(one.stubs) == len(one.standing_for) == len(one.rows) + 1
    assert one.rows_in == len(rows) == len(one.rows) + ledger.refused
    assert all(one.standing_for[s] == s <= n for n, s in enumerate(one.standing_for))


def test_what_is_kept_of_a_row(tmp_path: Path) -> None:
    rows = [_row(0, "Where is it?"), _row(1, "WHERE  is it?"), _row(2, "Who is it?")]
    found, ledger = _gathered(tmp_path, rows, [])
    assert [(s.id, s.group, s.kind, s.label, s.parent) for s in found.stubs] == [
        ("id0", "g0", "row", "b", ""),
        ("id2", "g2", "row", "b", ""),
    ]
    assert found.rows == [0, 2]
    assert [(e.reason, e.origin) for e in ledger.entries] == [("repeated row", "f:1")]


def _alone(question: str, place: str) -> Example:
    """A row whose source names no group."""
    messages = (Message("user", question), Message("assistant", "yes"))
    return Example(place, messages, place, place, "row")


def test_a_row_without_a_group_is_named_by_what_it_asks() -> None:
    here, there = _alone("Where is it?", "a.csv:2"), _alone("where  IS it?", "b.csv:9")
    assert group_of(here, {}) == group_of(there, {}) != group_of(_alone("Who?", "a.csv:2"), {})
    assert group_of(_row(1, "Where is it?"), {}) == "g1"
    assert group_of(here, {"a.csv:2": "test"}) == "a.csv:2"


def test_a_row_kept_on_the_test_side_stays_before_any_other(tmp_path: Path) -> None:
    rows = [_alone("Where is it?", "train.csv:2"), _alone("where is it?", "test.csv:2")]
    found, ledger = _gathered(tmp_path, rows, [], kept={"test.csv:2": "test"})
    assert [stub.id for stub in found.stubs] == ["test.csv:2"]
    assert [(e.reason, e.origin) for e in ledger.entries] == [("repeated row", "train.csv:2")]
    found, _ = _gathered(tmp_path, rows, [], kept={"train.csv:2": "train"})
    assert [stub.id for stub in found.stubs] == ["train.csv:2"]
