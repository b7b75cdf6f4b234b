from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given, strategies as st

from luthier.core.ledger import Ledger
from luthier.core.records import Document, Example, Message
from luthier.data.annotate._guess import Guess
from luthier.data.annotate._merge import (
    By,
    Given,
    best_guess,
    label_documents,
    label_rows,
    merge,
    queue_of,
)
from luthier.data.annotate.adjudicate import Resolved
from luthier.data.annotate.items import Item, items_of
from luthier.data.annotate.query import QueueSpec

NAMES = ("x", "y")
ITEMS = [Item(i, f"text {i}", f"f:{i}", "x" if i == "e" else "") for i in "abcde"]


def _guess(best: Sequence[int]) -> Guess:
    chances = np.array([[0.5, 0.5] if b < 0 else np.eye(2)[b] * 0.8 + 0.1 for b in best])
    chances = chances.reshape(-1, 2)
    return Guess(chances, np.array(best, dtype=int), chances.max(axis=1))


GUESSES: dict[By, Guess] = {
    "functions": _guess([1, 1, 0, -1, 1]),
    "automatic": _guess([1, 1, 1, 1, 1]),
}
PEOPLE = {"a": Resolved("x", 1.0, 2), "b": Resolved("", 0.5, 2)}


def test_people_win_and_disagreement_waits() -> None:
    given_ = merge(ITEMS, PEOPLE, GUESSES, ("functions", "automatic"), NAMES)
    assert {k: (g.label, g.by) for k, g in given_.items()} == {
        "a": ("x", "people"),
        "c": ("x", "functions"),
        "d": ("y", "automatic"),
        "e": ("x", "source"),
    }
    turned = merge(ITEMS, PEOPLE, GUESSES, ("automatic",), NAMES)
    assert (turned["c"].label, turned["c"].by) == ("y", "automatic")


def test_the_queue_holds_open_rows_with_a_guess() -> None:
    guess = _guess([1, -1, -1, 0, 1])
    given_ = merge(ITEMS, PEOPLE, {}, (), NAMES)
    rows = queue_of(QueueSpec(size=2), ITEMS, given_, PEOPLE, guess, NAMES, None, None, 0)
    assert [(r.row_id, r.rank, r.strategy) for r in rows] == [
        ("c", 1, "margin"),
        ("d", 2, "margin"),
    ]
    assert (rows[1].guess, round(rows[1].confidence, 2)) == ("x", 0.9)
    assert queue_of(QueueSpec(size=0), ITEMS, given_, PEOPLE, guess, NAMES, None, None, 0) == []


def test_the_queue_does_with_what_there_is() -> None:
    def encode(texts: Sequence[str]) -> np.ndarray:
        return np.eye(len(texts), 5, dtype=np.float32)

    one = queue_of(QueueSpec(), ITEMS, {}, {}, None, NAMES, None, encode, 0)
    two = queue_of(QueueSpec(), ITEMS, {}, {}, None, NAMES, None, None, 0)
    assert [q[0].strategy for q in (one, two)] == ["k-center", "random"]
    assert (len(one), one[0].guess) == (5, "")
    assert best_guess({}) is None
    assert best_guess(GUESSES) is GUESSES["automatic"]


def _document(name: str, kind: str) -> Document:
    return Document(name, name, f"text {name}", f"f:{name}", kind, name)


def _row(name: str, label: str) -> Example:
    said = (Message("user", f"q {name}"), Message("assistant", label or "answer"))
    return Example(name, said, f"r:{name}", name, "row", label=label)


def _labelled(
    documents: Sequence[Document],
    rows: Sequence[Example],
    said: dict[str, Given],
    ledger: Ledger,
    *,
    keep: bool = True,
) -> tuple[list[Document], list[Example]]:
    examples = label_rows(rows, said, ledger)
    taken = {row.id for row in rows}
    kept, made = label_documents(documents, said, taken, "keep" if keep else "refuse", ledger)
    return kept, examples + made


def test_a_labelled_document_becomes_an_example() -> None:
    ledger = Ledger()
    kept, rows = _labelled(
        [_document("a", "row"), _document("b", "text"), _document("c", "module")],
        [_row("r", ""), _row("s", "y")],
        {"a": Given("a", "x", "people", 1.0), "r": Given("r", "y", "functions", 0.8)},
        ledger,
    )
    assert [d.id for d in kept] == ["b", "c"]
    assert [(r.id, r.label, r.answer) for r in rows] == [
        ("r", "y", "answer"),
        ("s", "y", "y"),
        ("a", "x", "x"),
    ]
    made = rows[2]
    assert (made.question, made.document_id, made.group, made.origin) == ("text a", "a", "a", "f:a")
    assert [(e.reason, e.detail) for e in ledger.entries] == [
        ("labelled by functions", "y"),
        ("labelled by people", "x"),
    ]


_KINDS = st.sampled_from(["row", "text", "module"])
_NAMES = st.sampled_from("abcdef")


@given(
    st.dictionaries(_NAMES, _KINDS),
    st.dictionaries(_NAMES, st.sampled_from(["", "x"])),
    st.sets(_NAMES),
    st.sets(_NAMES),
    st.lists(st.sampled_from([-1, 0, 1]), min_size=24, max_size=24),
    st.permutations(["functions", "automatic"]).flatmap(
        lambda both: st.sampled_from([tuple(both), tuple(both[:1]), ()])
    ),
    st.booleans(),
)
def test_rows_in_are_rows_out_and_refused(
    documents: dict[str, str],
    rows: dict[str, str],
    labelled: set[str],
    torn: set[str],
    guessed: list[int],
    order: tuple[By, ...],
    keep: bool,
) -> None:
    ledger = Ledger()
    texts = [_document(name, kind) for name, kind in documents.items()]
    examples = [_row(name, label) for name, label in rows.items()]
    people = {name: Resolved("y", 1.0, 1) for name in labelled}
    people |= {name: Resolved("", 0.5, 2) for name in torn}
    items = items_of(texts, examples)
    guesses: dict[By, Guess] = {
        "functions": _guess(guessed[: len(items)]),
        "automatic": _guess(guessed[12 : 12 + len(items)]),
    }
    given_ = merge(items, people, guesses, order, NAMES)
    kept, out = _labelled(texts, examples, given_, ledger, keep=keep)
    ledger.check(rows_in=len(texts) + len(rows), rows_out=len(kept) + len(out), limit=1, stage="t")
    assert len({r.id for r in out}) == len(out)
    assert all(r.label == rows[r.id] for r in out if rows.get(r.id))
    told = ledger.reasons("changed")
    now = sum(bool(r.label) for r in out) - sum(map(bool, rows.values()))
    assert sum(told.values()) == now, "each label that was given has a line"
    assert {reason.split()[-1] for reason in told} <= {"people", *order}
    assert not any(r.label for r in out if r.id in torn and not rows.get(r.id))
