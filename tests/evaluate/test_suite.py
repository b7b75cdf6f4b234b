"""A suite is locked: what it asks cannot change unseen, and what cannot be scored is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from luthier.core.errors import DataError
from luthier.core.records import Message
from luthier.evaluate.suite import Item, from_items, lock_path, read_suite, write_lock, write_suite

ITEMS = (
    Item("a", "qa", (Message("user", "Who?"),), ("Ada", "Ada L."), group="g", tags=("people",)),
    Item("b", "choice", (Message("user", "2+2?"),), ("4",), options=("3", "4")),
    Item("c", "text", references=("Once upon a time.",)),
    Item("d", "qa", (Message("user", "Unknown?"),), answerable=False),
)


def test_a_suite_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = write_suite(from_items("mine", ITEMS), tmp_path / "new" / "mine.jsonl")
    read = read_suite(tmp_path / "new" / "mine.jsonl")
    assert (read.name, read.digest, read.path) == ("mine", made.digest, made.path)
    unplaced = [dataclasses.replace(item, origin="") for item in read.items]
    assert unplaced == list(ITEMS)
    assert read.items[1].origin == "mine.jsonl:2"
    assert read.kinds == {"qa": 2, "choice": 1, "text": 1}


def test_order_and_origin_are_no_change_but_content_is() -> None:
    digest = from_items("x", ITEMS).digest
    moved = [dataclasses.replace(item, origin="else:1") for item in reversed(ITEMS)]
    assert from_items("y", moved).digest == digest
    other = dataclasses.replace(ITEMS[0], references=("Ada",))
    assert from_items("x", (other, *ITEMS[1:])).digest != digest


def test_a_change_since_the_lock_is_named_and_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    write_suite(from_items("mine", ITEMS), path)
    lines = path.read_text(encoding="utf-8").splitlines()
    added = json.dumps({"id": "e", "kind": "text", "references": ["x"]})
    path.write_text("\n".join([lines[0].replace("Ada L", "Eve L"), *lines[2:], added]), "utf-8")
    with pytest.raises(DataError, match=r"1 changed \(a\); 1 added \(e\); 1 gone \(b\)") as caught:
        read_suite(path)
    assert "luthier suite lock" in str(caught.value)


@pytest.mark.parametrize(
    ("lock", "said"), [(None, "is not locked"), ("{}", "cannot be read"), ("x", "cannot be read")]
)
def test_an_unlocked_suite_is_refused(tmp_path: Path, lock: str | None, said: str) -> None:
    path = tmp_path / "mine.jsonl"
    write_suite(from_items("mine", ITEMS), path)
    if lock is None:
        lock_path(path).unlink()
    else:
        lock_path(path).write_text(lock, "utf-8")
    with pytest.raises(DataError, match=said):
        read_suite(path)
    write_lock(from_items("mine", ITEMS), path)
    assert len(read_suite(path).items) == 4


def test_a_suite_that_is_not_there_and_one_without_items_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such suite"):
        read_suite(tmp_path / "none.jsonl")
    with pytest.raises(DataError, match="at least one item"):
        from_items("empty", ())


def test_items_without_reference_are_refused_by_name() -> None:
    bad = [Item(f"q{n}", "qa", (Message("user", "?"),), origin=f"rows.csv:{n}") for n in range(7)]
    with pytest.raises(DataError) as caught:
        from_items("bad", [*ITEMS, *bad])
    assert "7 of 11 items cannot be scored" in str(caught.value)
    assert "rows.csv:0 (q0): no reference" in str(caught.value)
    assert "and 2 more" in str(caught.value)
