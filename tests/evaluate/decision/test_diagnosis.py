"""Why answers are wrong, and what mending gains."""

from __future__ import annotations

import numpy as np
from made import item, passage, row

from luthier.evaluate.decision.diagnosis import RightFirst, gains, reasons, well_formed

ITEMS = [item(n) for n in range(7)]
HELD = {one.id: frozenset({f"bridge {one.id}#0"}) for one in ITEMS} | {"4": frozenset[str]()}
ANSWERS = [
    row(ITEMS[0], ITEMS[0].answer),
    row(ITEMS[1], ""),
    row(ITEMS[2], "Long ago; in the year 1702, that is."),
    row(ITEMS[3], "By giants.", passage_ids=("bridge 3#0", "bridge 9#0")),
    row(ITEMS[4], "By giants.", passage_ids=("bridge 9#0",)),
    row(ITEMS[5], "By giants.", passage_ids=("bridge 9#0",)),
    row(ITEMS[6], "By giants."),
]
SCORES = np.array([1.0, 0, 0.4, 0, 0, 0, 0])
BY_ID = {one.id: one for one in ITEMS}
WHY = [
    "right", "refused", "badly formed", "not read", "not in the corpus", "not retrieved",
    "not retrieved",
]  # fmt: skip


def test_each_reason() -> None:
    assert reasons(ANSWERS, SCORES, BY_ID, HELD, retrieves=True) == WHY


def test_a_route_without_documents_does_not_know() -> None:
    found = reasons(ANSWERS, SCORES, BY_ID, HELD, retrieves=False)
    assert found[3] == found[5] == "not known"
    assert found[4] == "not in the corpus"


def test_gains_are_means_over_all_items() -> None:
    again = SCORES.copy()
    again[5] = 1.0
    told = gains(WHY, SCORES, {"not retrieved": again})  # type: ignore[arg-type]
    assert told["not retrieved"] == {"items": 2, "at_most": 2 / 7, "measured": 1 / 7}
    assert told["badly formed"]["at_most"] == 0.6 / 7
    assert told["refused"]["measured"] is None
    assert "not known" not in told


def test_well_formed_takes_content_for_right() -> None:
    assert well_formed(WHY, SCORES).tolist() == [1, 0, 1, 0, 0, 0, 0]  # type: ignore[arg-type]


class _Index:
    def search_many(self, queries: list[str], **part: object) -> list[list[object]]:
        return [[passage("a", "one"), passage("b", "two")] for _ in queries]


def test_the_right_passage_comes_first_or_alone() -> None:
    right = {"q": [passage("b", "two"), passage("c", "three")]}
    first = RightFirst(_Index(), right).search_many(["q", "other"])
    assert [[p.document_id for p in rows] for rows in first] == [["b", "a"], ["a", "b"]]
    alone = RightFirst(_Index(), right, alone=True).search_many(["q"])
    assert [p.document_id for p in alone[0]] == ["b"]
    new = RightFirst(_Index(), {"q": [passage("c", "three")]}).search_many(["q"])
    assert [p.document_id for p in new[0]] == ["c", "a"]  # as many as the index gives
