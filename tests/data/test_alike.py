"""Rows alike to a test item are found exactly, and kept out of training."""

from __future__ import annotations

import random

from luthier.core.ledger import Ledger
from luthier.core.records import Example, Message, Side
from luthier.data import alike
from luthier.data.alike import without_likes


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


def test_the_prefix_filter_finds_what_brute_force_finds() -> None:
    pick = random.Random(5)
    vocabulary = [f"w{i}" for i in range(60)]
    rows = []
    for i in range(120):
        text = [pick.choice(vocabulary) for _ in range(15)]
        rows.append(row_of(f"a{i}", " ".join(text), "yes"))
        text[pick.randrange(15)] = pick.choice(vocabulary)
        rows.append(row_of(f"b{i}", " ".join(text), "yes"))
    train, test = rows[::2], rows[1::2]
    sets = [alike._shingles(row) for row in rows]
    counts = {s: sum(s in one for one in sets) for one in sets for s in one}
    weight = {s: alike.math.log1p(len(rows) / n) for s, n in counts.items()}
    brute = {
        item.id
        for item in test
        if any(
            alike._jaccard(alike._shingles(item), alike._shingles(row), weight) >= alike.NEAR
            for row in train
        )
    }
    assert 5 < len(brute) < 120
    assert set(alike._near(train, test)) == brute
