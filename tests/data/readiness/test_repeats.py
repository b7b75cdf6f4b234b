"""Texts that come twice are counted wherever they went, and told apart from contradictions."""

from __future__ import annotations

from pathlib import Path

from luthier.core.ledger import Ledger
from luthier.core.records import Example, Message
from luthier.data.readiness.repeats import contradictions, duplicates

TEXT = "my parcel came broken and the driver left it with a neighbour on monday"


def row(number: int, text: str, label: str = "", answer: str = "") -> Example:
    turns = (Message("user", text), Message("assistant", answer or label or "an answer"))
    return Example(f"a:{number}", turns, f"a:{number}", f"a:{number}", "row", label=label)


def stage(folder: Path, **reasons: int) -> Path:
    ledger = Ledger()
    for reason, count in reasons.items():
        for _ in range(count):
            ledger.refuse(reason.replace("_", " "), "a:1")
    folder.mkdir()
    ledger.write(folder)
    return folder


def test_what_earlier_stages_left_out_is_counted(tmp_path: Path) -> None:
    earlier = {
        "clean": stage(tmp_path / "clean", exact_duplicate=3, too_short=9),
        "prepare": stage(tmp_path / "prepare", repeated_row=68),
        "collect": tmp_path,
    }
    light = duplicates([row(i, f"{i} alone") for i in range(193)], [], earlier)
    assert light.facts["left_out_by_cleaning"] == 3
    assert light.facts["left_out_by_splitting"] == 68
    assert light.colour == "yellow"


def test_the_same_text_under_two_labels_is_no_repetition_but_a_contradiction() -> None:
    rows = [row(1, TEXT, "late"), row(2, TEXT.upper(), "broken"), row(3, f"now {TEXT}", "late")]
    rows += [row(4, "thank  you", "thanks"), row(5, "Thank you", "thanks"), row(6, "no label")]
    found = duplicates(rows, [TEXT.capitalize()], {})
    assert (found.facts["exact"], found.facts["near"], found.facts["texts"]) == (1, 1, 7)
    light = contradictions(rows)
    assert light.said == "texts that stand under several labels: 1; 2 of 5 labelled rows"
    assert light.colour == "red"
    assert light.mend
    assert light.facts["pairs"] == {"broken / late": 1}
    assert light.facts["contradictions"] == [
        {"text": TEXT, "labels": ["broken", "late"], "origins": ["a:1", "a:2"]}
    ]


def test_rows_that_answer_otherwise_are_judged_by_all_they_say() -> None:
    rows = [row(1, TEXT, "late", "We look for it."), row(2, TEXT, "late", "Sorry!")]
    assert duplicates(rows, [], {}).facts["exact"] == 0
    assert contradictions(rows).colour == "green"


def test_without_labels_nothing_contradicts() -> None:
    assert contradictions([row(1, TEXT), row(2, TEXT)]).colour == "grey"
    assert contradictions([]).colour == "grey"
