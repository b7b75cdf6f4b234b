"""What a store folder says of itself, and the lock of the one who writes."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from luthier.core.errors import ResourceError, StoreError
from luthier.rag.stores import _record
from luthier.rag.stores._record import RECORD_FILE, Record, read_record, writing


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    assert read_record(tmp_path) == Record()
    record = Record("passages-1", 1, 8, search={"ef": 5}).with_version(3, 7, "first", 10)
    record.write(tmp_path)
    assert read_record(tmp_path) == record
    assert record.newest is not None
    assert (record.newest.native, record.newest.version.number) == (3, 1)


def test_no_more_versions_stay_than_are_kept() -> None:
    record = Record()
    for native in range(5):
        record = record.with_version(native, 1, "", 3)
    assert [v.number for v in record.versions] == [3, 4, 5]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1, "kept": [{}]}', '{"kept": []}'])
def test_a_damaged_record_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / RECORD_FILE).write_text(text)
    with pytest.raises(StoreError, match="damaged"):
        read_record(tmp_path)


def test_another_format_is_refused(tmp_path: Path) -> None:
    Record().write(tmp_path)
    told = json.loads((tmp_path / RECORD_FILE).read_text())
    (tmp_path / RECORD_FILE).write_text(json.dumps({**told, "format": 99}))
    with pytest.raises(StoreError, match="format 99"):
        read_record(tmp_path)


def test_one_writes_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_record, "_WAIT_S", 0.0)
    with writing(tmp_path), pytest.raises(StoreError, match="another process"), writing(tmp_path):
        pass
    monkeypatch.setattr(_record, "_WAIT_S", 60.0)
    order: list[str] = []

    def second() -> None:
        with writing(tmp_path):
            order.append("second")

    thread = threading.Thread(target=second)
    with writing(tmp_path):
        thread.start()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ResourceError, match="cannot write here"), writing(folder):
            pass
