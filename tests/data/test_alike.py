"""Rows alike to a test item are found exactly, and kept out of training."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import pytest

from luthier.core.errors import LeakageError
from luthier.core.ledger import Ledger
from luthier.core.records import Example, Message, Side
from luthier.data.alike import overlaps, without_likes
from luthier.evaluate.leakage import check


def row_of(name: str, question: str, answer: str, side: Side = "") -> Example:
    messages = (Message("user", question), Message("assistant", answer))
    return Example(name, messages, f"rows.csv:{name}", name, "fact", side=side)


def test_training_rows_like_a_test_item_are_refused_and_the_test_side_stays() -> None:
    long = "when the string of a violin breaks on a cold day in november in the town of cremona"
    rows = [
        row_of("t1", f"What happens {long}?", "It is replaced.", "test"),
        row_of("a", f"What happens {long}?", "Nothing.", "train"),
        row_of("b", f"what HAPPENS, {long}", "it is replaced", "validation"),
        row_of("c", f"What happens {long}, then?", "It is replaced.", "train"),
        row_of("d", "How many strings has a guitar?", "Six.", "train"),
    ]
    ledger = Ledger()
    kept = without_likes(rows, ledger)
    assert [e.id for e in kept] == ["t1", "d"]
    assert ledger.reasons() == {"too like a test question": 3}


def test_a_test_item_alike_to_many_rows_takes_them_all() -> None:
    said = " ".join(f"w{n}" for n in range(60))
    rows = [row_of("t", said, "Tune it.", "test")]
    rows += [row_of(f"a{n}", f"{said} v{n}", "Tune it.", "train") for n in range(5)]
    rows += [row_of(f"b{n}", f"q{n} r{n} s{n}", f"t{n}", "train") for n in range(60)]
    ledger = Ledger()
    assert [e.id for e in without_likes(rows, ledger)] == ["t", *(f"b{n}" for n in range(60))]
    assert ledger.refused == 5


def test_rows_without_words_are_alike_only_if_the_same() -> None:
    test = [row_of("t", "?!", "...", "test")]
    train = [row_of("a", "!!", "...", "train"), row_of("b", "?!", "--", "train")]
    found = list(overlaps(train, test))
    assert [(o.kind, o.other_id) for o in found] == [("same", "b")]


def test_each_item_is_shown_with_the_row_it_is_most_like() -> None:
    said = [f"w{n}" for n in range(40)]
    item = row_of("t", " ".join(said), "yes", "test")
    near = row_of("near", " ".join([*said, "x", "y"]), "yes")
    nearer = row_of("nearer", " ".join([*said, "x"]), "yes")
    filler = [row_of(f"f{n}", f"quite other words {n}", "no") for n in range(10)]
    (found,) = overlaps([near, nearer, near, *filler], [item])
    assert (found.kind, found.other_id) == ("near-duplicate", "nearer")
    assert 0.8 < found.similarity < 1


def test_the_leak_in_clinc150_is_found() -> None:
    """Its test set holds two questions that stand word for word in its training set."""
    folder = Path(os.environ.get("LUTHIER_DATA", "")) / "clinc150"
    if not (folder / "data_full.json").is_file():
        pytest.skip("NOT TESTED: set LUTHIER_DATA to a folder that holds clinc150/data_full.json")
    sets = json.loads((folder / "data_full.json").read_text(encoding="utf-8"))
    train, test = (
        [row_of(f"{name}:{n}", text, label) for n, (text, label) in enumerate(sets[name])]
        for name in ("train", "test")
    )
    report = check(train, test, [])
    same = sorted(o.text for o in report.overlaps if o.kind == "same")
    assert same == ["what's your designation", "where did you grow up"]
    with pytest.raises(LeakageError, match="66 of 4,500 test items"):
        report.require_clean()
    sides: list[Example] = [dataclasses.replace(row, side="test") for row in test]
    ledger = Ledger()
    kept = without_likes([*train, *sides], ledger)
    assert len(kept) + ledger.refused == len(train) + len(test)
    assert not check([e for e in kept if not e.side], test, []).leaks
