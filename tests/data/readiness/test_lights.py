"""Each light turns at its mark, says why, and names the setting that mends it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import pytest

from luthier.core.records import Document, Example, Message
from luthier.data.prepare import DataSpec
from luthier.data.readiness import lights
from luthier.data.readiness.lights import Light


def row(number: int, label: str = "", kind: str = "row") -> Example:
    turns = (Message("user", f"question {number}"), Message("assistant", label or "answer"))
    return Example(f"a:{number}", turns, f"a:{number}", f"a:{number}", kind, label=label)


def rows(**counts: int) -> list[Example]:
    """So many rows of each label."""
    return [row(i, label) for label, n in counts.items() for i in range(n)]


def alpha(value: float | None) -> dict[str, object]:
    told = {
        "Cohen's kappa, anna and bert": {"value": 0.1},
        "Krippendorff's alpha": {"value": value},
    }
    return {"agreement": told}


JUDGED: list[tuple[str, Light, str]] = [
    ("enough rows", lights.size(rows(a=20), 20), "green"),
    ("few rows", lights.size(rows(a=19), 20), "yellow"),
    ("hardly a row", lights.size(rows(a=1), 20), "red"),
    ("enough items", lights.items(rows(a=100)), "green"),
    ("few items", lights.items(rows(a=99)), "yellow"),
    ("no items", lights.items([]), "red"),
    ("all open", lights.closed(rows(a=3)), "green"),
    ("one closed", lights.closed([*rows(a=3), dataclasses.replace(row(9), closed=True)]), "yellow"),
    ("even", lights.balance(rows(a=4, b=1)), "green"),
    ("uneven", lights.balance(rows(a=5, b=1)), "yellow"),
    ("lopsided", lights.balance(rows(a=20, b=1)), "red"),
    ("one class", lights.balance(rows(a=9)), "grey"),
    ("kinds, even", lights.balance([row(1), row(2, kind="form")]), "green"),
    ("nothing", lights.balance([]), "grey"),
    ("none rare", lights.rare(rows(a=10, b=10)), "green"),
    ("one of ten rare", lights.rare(rows(a=9, **{f"c{i}": 10 for i in range(9)})), "yellow"),
    ("half rare", lights.rare(rows(a=9, b=10)), "red"),
    ("no labels", lights.rare([row(1)]), "grey"),
    ("all fit", lights.lengths([10, 20], 20, 99), "green"),
    ("one of fifty does not", lights.lengths([21] + [20] * 49, 20, 99), "yellow"),
    ("one of ten does not", lights.lengths([21] + [20] * 9, 20, 99), "red"),
    ("no rows", lights.lengths([], 20, 99), "grey"),
    ("none missing", lights.missing({"repeated row": 50}, {}, 50), "green"),
    ("some missing", lights.missing({"empty answer": 5}, {}, 95), "yellow"),
    ("many missing", lights.missing({"missing value filled": 20}, {}, 80), "red"),
    ("nothing collected", lights.missing({}, {}, 0), "green"),
    ("few duplicates", lights.duplicates(1, 3, 100), "green"),
    ("duplicates", lights.duplicates(3, 2, 100), "yellow"),
    ("mostly duplicates", lights.duplicates(0, 30, 100), "red"),
    ("splitting left out many", lights.duplicates(0, 0, 193, by_splitting=68), "yellow"),
    ("cleaning left out many", lights.duplicates(0, 0, 193, by_cleaning=68), "green"),
    ("no text", lights.duplicates(0, 0, 0), "green"),
    ("one language", lights.languages({"en": 99, "de": 1}), "green"),
    ("some in another", lights.languages({"en": 90, "de": 10}), "yellow"),
    ("half in another", lights.languages({"de": 50, "en": 50}), "red"),
    ("nobody can tell", lights.languages({}), "grey"),
    ("nothing personal", lights.personal({"email": 0}), "green"),
    ("one address", lights.personal({"email": 1}), "yellow"),
    ("many", lights.personal({"email": 12, "phone": 8}), "red"),
    ("agreed", lights.agreement(alpha(0.8)), "green"),
    ("roughly agreed", lights.agreement(alpha(0.667)), "yellow"),
    ("not agreed", lights.agreement(alpha(0.66)), "red"),
    ("undefined", lights.agreement(alpha(None)), "grey"),
    ("nobody labelled", lights.agreement(None), "grey"),
]


@pytest.mark.parametrize(("light", "colour"), [j[1:] for j in JUDGED], ids=[j[0] for j in JUDGED])
def test_lights_turn_at_their_marks(light: Light, colour: str) -> None:
    assert light.colour == colour
    assert light.said
    if colour != "grey":
        assert bool(light.mend) == (colour != "green"), "what is amiss can be mended"


def test_every_setting_that_is_advised_exists() -> None:
    for _, light, _ in JUDGED:
        for name in light.mend.split("`")[1::2]:
            path = name.split(".")
            if path[0] == "data":
                assert path[1] in DataSpec.model_fields, name


SAID: list[tuple[Callable[[], Light], Sequence[str]]] = [
    (lambda: lights.size(rows(a=1200), 5000), ["1,200", "5,000"]),
    (lambda: lights.items(rows(a=100)), ["100 test items", "±0.10"]),
    (
        lambda: lights.closed([*rows(a=3), dataclasses.replace(row(9), closed=True)]),
        ["1 of 4 rows"],
    ),
    (lambda: lights.balance(rows(often=6, seldom=2)), ["often", "3.0 times", "seldom"]),
    (lambda: lights.rare(rows(a=3, b=20)), ["1 of 2 classes", "fewer than 10"]),
    (lambda: lights.lengths([5, 7, 900], 512, 1024), ["1 of 3", "512", "900"]),
    (
        lambda: lights.missing({"empty answer": 2}, {"answer": 2}, 8),
        ["missing: 2", "hundred rows: 20.0", "in: answer 2"],
    ),
    (lambda: lights.items([]), ["no test item"]),
    (lambda: lights.missing({"missing value filled": 2}, {}, 8), ["25.0; filled: 2"]),
    (lambda: lights.duplicates(1, 2, 10), ["word for word: 1", "nearly: 2", "30.0%"]),
    (
        lambda: lights.duplicates(0, 0, 193, by_splitting=68, by_cleaning=5),
        ["by splitting 68, by cleaning 5", "26.1% repeat"],
    ),
    (lambda: lights.languages({"de": 1, "en": 3}), ["75.0%", "'en'", "languages found: 2"]),
    (lambda: lights.personal({"email": 1, "iban": 0, "phone": 2}), ["1 email, 2 phone"]),
    (lambda: lights.agreement(alpha(0.7)), ["0.70"]),
]


@pytest.mark.parametrize(("make", "words"), SAID)
def test_what_was_found_is_said_in_figures(make: Callable[[], Light], words: Sequence[str]) -> None:
    assert [w for w in words if w not in make().said] == []


def test_the_rarest_classes_come_first() -> None:
    found = lights.rare(rows(a=5, b=2, c=30)).facts["classes"]
    assert list(found.items()) == [("b", 2), ("a", 5)]


def test_lengths_tell_their_spread() -> None:
    facts = lights.lengths([1, 2, 3, 4, 100], 50, 99).facts
    assert (facts["over"], facts["quantiles"]["p50"], facts["quantiles"]["p100"]) == (1, 3, 100)
    assert sum(facts["histogram"]["counts"]) == 5
    assert len(facts["histogram"]["edges"]) == len(facts["histogram"]["counts"]) + 1


def test_other_refusals_are_no_missing_values() -> None:
    told = {"missing value": 1, "empty text": 2, "not UTF-8": 40}
    assert lights.missing(told, {}, 100).facts["reasons"] == {"missing value": 1, "empty text": 2}


def test_a_row_says_all_its_turns_and_a_document_its_text() -> None:
    assert lights.said_by(row(1)) == "question 1\nanswer"
    assert lights.said_by(Document("d", "Title", "its text", "d:1", "text", "d")) == "its text"
