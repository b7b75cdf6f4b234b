from __future__ import annotations

from pathlib import Path

import pytest

from luthier.core.errors import DataError
from luthier.data.annotate._filled import (
    Scheme,
    read_utf8,
    seconds_of,
    time_of,
    write_guidelines,
)


def test_times_and_durations_that_are_none_are_none() -> None:
    assert time_of("2026-01-01T10:00:00Z") == "2026-01-01T10:00:00.000000+00:00"
    assert [time_of(v) for v in ("soon", None, True, 1e300)] == ["", "", "", ""]
    assert seconds_of("4.5") == 4.5
    assert [seconds_of(v) for v in ("long", None, True, -1, "nan")] == [None] * 5


def test_guidelines_are_written_where_there_are_any(tmp_path: Path) -> None:
    assert write_guidelines(tmp_path, Scheme(("a", "b"))) == []
    assert write_guidelines(tmp_path, Scheme(("a", "b"), "Ask.")) == [tmp_path / "guidelines.md"]


@pytest.mark.parametrize(
    ("content", "told"), [(b"", "empty"), (b"caf\xe9", "not UTF-8: byte 0xe9")]
)
def test_files_that_cannot_be_read_say_why(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "f.csv").write_bytes(content)
    with pytest.raises(DataError, match=told):
        read_utf8(tmp_path / "f.csv")
    with pytest.raises(DataError, match="cannot read"):
        read_utf8(tmp_path / "none.csv")
