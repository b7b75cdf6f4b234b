"""A run is read back as it was written, with null scores as nan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from luthier.core.errors import StoreError
from luthier.evaluate.runs.rows import ITEMS, Row, from_rows, read_parts, read_run, write_run

PLAIN = {"answerer": {"name": "starter"}, "suite": {"digest": "abc"}}


def row(item_id: str, group: str = "", latency_s: float | None = None) -> Row:
    return Row(
        item_id, "qa", group, ("t",), "f:1", "[]", "", "reply é", "wanted", 3, 2, latency_s,
        None, "stop", 1.5, 2, (1.5, 2.5), ("p#0",), (), "",
    )  # fmt: skip


ROWS = [row("a", "g", 0.25), row("b")]
SCORES: list[dict[str, float]] = [{"accuracy": 1.0}, {"accuracy": 0.0, "json": 1.0}]


def test_rows_and_scores_come_back(tmp_path: Path) -> None:
    write_run(tmp_path / "run", ROWS, SCORES, PLAIN)
    assert read_parts(tmp_path / "run") == (ROWS, SCORES, PLAIN)
    read = read_run(tmp_path / "run")
    assert (read.name, read.suite_digest) == ("starter", "abc")
    assert read.groups.tolist() == ["g", "b"]
    assert read.latency_s[0] == 0.25
    assert np.isnan(read.latency_s[1])
    assert read.scores["json"].tolist()[1] == 1.0
    assert np.isnan(read.scores["json"][0])
    assert read.replies == ("reply é", "reply é")


def test_columns_are_the_same_whether_written_or_not(tmp_path: Path) -> None:
    write_run(tmp_path, ROWS, SCORES, PLAIN)
    read, held = read_run(tmp_path), from_rows(ROWS, SCORES, PLAIN)
    np.testing.assert_array_equal(read.scores["accuracy"], held.scores["accuracy"])
    assert read.item_ids.tolist() == held.item_ids.tolist()


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no folder of a run"):
        read_run(tmp_path)
    write_run(tmp_path, ROWS, SCORES, PLAIN)
    (tmp_path / ITEMS).write_bytes(b"PAR1")
    with pytest.raises(StoreError, match="no folder of a run"):
        read_run(tmp_path)
