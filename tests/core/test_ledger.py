"""Rows in = rows out + rows in the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from luthier.config import Project
from luthier.core.errors import LeakageError
from luthier.core.ledger import Entry, Ledger, read_ledger


def filled() -> Ledger:
    ledger = Ledger()
    ledger.refuse("empty answer", "faq.csv:3")
    ledger.refuse("too long", "faq.csv:5", "x" * 500)
    ledger.refuse("empty answer", "faq.csv:9")
    ledger.change("spaces trimmed", "faq.csv:2")
    return ledger


def test_counts_by_reason_most_frequent_first() -> None:
    ledger = filled()
    assert ledger.refused == 3
    assert list(ledger.reasons().items()) == [("empty answer", 2), ("too long", 1)]
    assert ledger.reasons("changed") == {"spaces trimmed": 1}


def test_details_are_shortened() -> None:
    assert filled().entries[1].detail == "x" * 200


def test_round_trip(tmp_path: Path) -> None:
    ledger = filled()
    ledger.write(tmp_path)
    assert read_ledger(tmp_path).entries == ledger.entries
    Ledger().write(tmp_path)
    assert read_ledger(tmp_path).entries == []


def test_within_the_limit_is_no_error() -> None:
    filled().check(rows_in=6, rows_out=3, limit=0.5, stage="prepare")
    Ledger().check(rows_in=0, rows_out=0, limit=0.0, stage="prepare")


def test_past_the_limit_each_reason_has_a_place_and_the_setting_is_named() -> None:
    with pytest.raises(LeakageError) as caught:
        filled().check(rows_in=5, rows_out=2, limit=0.5, stage="prepare")
    assert str(caught.value).splitlines() == [
        "prepare refused 3 of 5 rows, more than the limit of 50%: 2 x empty answer (faq.csv:3), "
        "1 x too long (faq.csv:5)",
        "  Mend the rows, or set `data.max_refused` to 0.6 if so many may be left out.",
    ]


@pytest.mark.parametrize(
    ("stage", "key"),
    [
        ("collect", "data.max_refused"),
        ("clean", "data.clean.max_refused"),
        ("annotate", "data.annotate.max_refused"),
        ("synthesize", "data.synthesize.max_refused"),
        ("tune", "tune.max_refused"),
    ],
)
def test_the_setting_named_is_one_that_projects_have(stage: str, key: str) -> None:
    with pytest.raises(LeakageError) as caught:
        filled().check(rows_in=4, rows_out=1, limit=0.1, stage=stage)
    assert f"`{key}` to 0.75" in caught.value.mend
    spec: Any = Project
    for name in key.split(".")[:-1]:
        form = spec.model_fields[name].annotation
        spec = next(
            kind
            for kind in (form, *get_args(form))
            if isinstance(kind, type) and hasattr(kind, "model_fields")
        )
    assert "max_refused" in spec.model_fields


def test_three_reasons_are_told_and_the_others_counted() -> None:
    ledger = filled()
    for reason in ("a", "b"):
        ledger.refuse(reason, "")
    ledger.refuse("b", "faq.csv:9")
    with pytest.raises(LeakageError, match=r"2 x b, 1 x too long \(faq.csv:5\), 1 for other ") as e:
        ledger.check(rows_in=6, rows_out=0, limit=0.1, stage="collect")
    assert e.value.mend.endswith("none is left.")  # no limit would help


def test_changed_rows_are_not_told_as_refused() -> None:
    ledger = Ledger()
    ledger.change("spaces trimmed", "a.csv:1")
    ledger.refuse("empty answer", "a.csv:2")
    with pytest.raises(LeakageError, match=r"10%: 1 x empty answer \(a.csv:2\)"):
        ledger.check(rows_in=2, rows_out=1, limit=0.1, stage="collect")


def test_rows_that_vanish_are_a_defect() -> None:
    with pytest.raises(AssertionError, match="7 rows in, 3 out, 3 in the ledger"):
        filled().check(rows_in=7, rows_out=3, limit=1.0, stage="prepare")


def test_an_entry_says_what_and_where() -> None:
    assert filled().entries[0] == Entry("refused", "empty answer", "faq.csv:3", "")
