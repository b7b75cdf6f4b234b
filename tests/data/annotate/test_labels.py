from __future__ import annotations

import datetime as dt
import threading
from pathlib import Path

import pytest

from luthier.core.errors import StoreError
from luthier.core.ledger import Entry
from luthier.core.records import read_table
from luthier.data.annotate.labels import (
    Label,
    current,
    in_scheme,
    note_import,
    read_labels,
    save_label,
    save_labels,
    votes_of,
    when,
)

EARLY, LATE = when("2026-01-01T10:00:00Z"), when("2026-01-01T11:00:00+00:00")


def test_labels_come_back_as_they_were_saved(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "labels.parquet"
    labels = [Label("a", "anna", "x", EARLY, 3.5, "sure?"), Label("b", "anna", "", EARLY)]
    assert read_labels(path) == []
    assert save_labels(path, labels) == 2
    assert read_labels(path) == labels


def test_saying_the_same_again_adds_nothing_and_a_change_of_mind_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    assert save_label(path, Label("a", "anna", "x", EARLY))
    assert not save_label(path, Label("a", "anna", "x", LATE))
    assert save_label(path, Label("a", "anna", "y", LATE))
    assert [one.label for one in read_labels(path)] == ["x", "y"]
    assert current(read_labels(path))["a", "anna"].label == "y"


def test_an_old_file_imported_late_does_not_win() -> None:
    labels = [Label("a", "anna", "new", LATE), Label("a", "anna", "old", EARLY)]
    assert current(labels)["a", "anna"].label == "new"


def test_passed_over_rows_and_the_adjudicator_are_no_votes() -> None:
    labels = [
        Label("a", "anna", "x", EARLY),
        Label("a", "bert", "", EARLY),
        Label("a", "judge", "y", EARLY),
    ]
    assert votes_of(labels, without="judge") == {"a": {"anna": "x"}}


def test_two_pages_may_save_at_once(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"

    def work(who: str) -> None:
        for row in range(8):
            save_label(path, Label(f"r{row}", who, "x", EARLY))

    threads = [threading.Thread(target=work, args=(who,)) for who in ("anna", "bert", "carl")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(current(read_labels(path))) == 24


def test_a_damaged_table_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    path.write_bytes(b"no table")
    with pytest.raises(StoreError, match="cannot read"):
        save_label(path, Label("a", "anna", "x", EARLY))
    assert path.read_bytes() == b"no table"


def test_times_are_utc() -> None:
    assert when("2026-01-01T12:00:00+02:00") == "2026-01-01T10:00:00.000000+00:00"
    assert when(0) == "1970-01-01T00:00:00.000000+00:00"
    assert when(dt.datetime(2026, 1, 1, 10)) == EARLY  # noqa: DTZ001
    with pytest.raises(ValueError):
        when("yesterday")


def test_labels_of_another_scheme_are_set_aside_whole() -> None:
    first, second, third = (when(f"2026-01-0{day}T00:00:00Z") for day in (1, 2, 3))
    labels = [
        Label("a", "anna", "yes", first),
        Label("a", "anna", "perhaps", second),  # what counts is the latest: no longer known
        Label("b", "anna", "perhaps", first),
        Label("b", "anna", "no", second),  # said otherwise since
        Label("c", "bert", "", third),
        Label("c", "anna", "perhaps", first),
    ]
    counted, aside = in_scheme(labels, ("yes", "no"))
    assert [(one.row_id, one.annotator) for one in aside] == [("a", "anna"), ("c", "anna")]
    assert [(one.row_id, one.label) for one in counted] == [("b", "no"), ("c", "")]
    assert in_scheme(labels, ("yes", "no", "perhaps")) == (labels, [])


def test_imports_leave_their_lines_once(tmp_path: Path) -> None:
    one, two = (Entry("refused", "unknown row", f"a.csv:{n}", "r") for n in (1, 2))
    labels = tmp_path / "annotation" / "labels.parquet"
    note_import(labels, [one])
    path = note_import(labels, [two, one])
    assert read_table(path, Entry) == [one, two]
