"""Arrays are read back as they were written; what is damaged is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from luthier.core.errors import StoreError
from luthier.rag.search.arrays import checksum, read_arrays, write_arrays


def test_arrays_come_back(tmp_path: Path) -> None:
    arrays = {
        "numbers": np.arange(5, dtype=np.int64),
        "none": np.empty((0, 3), np.float32),
        "table": np.arange(12, dtype=np.uint8).reshape(3, 4),
        "empty": np.empty(0, np.int32),
    }
    write_arrays(tmp_path / "a.bin", arrays)
    found = read_arrays(tmp_path / "a.bin")
    assert list(found) == list(arrays)
    for name, values in arrays.items():
        assert found[name].dtype == values.dtype
        assert found[name].shape == values.shape
        assert (found[name] == values).all()
        assert found[name].__array_interface__["data"][0] % 64 == 0 or not values.size
    with pytest.raises(ValueError):
        found["numbers"][0] = 1  # the file is not to be changed


def test_a_file_that_is_short_or_another_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_arrays(path, {"numbers": np.arange(500)})
    whole = path.read_bytes()
    for bytes_ in (b"", b"x", b"x" * 100, whole[:40], whole[:-8], b"LUTHARR1" + b"\xff" * 50):
        path.write_bytes(bytes_)
        with pytest.raises(StoreError, match="cannot read these arrays"):
            read_arrays(path)
    path.unlink()
    with pytest.raises(StoreError, match="cannot read"):
        read_arrays(path)


def test_a_checksum_tells_one_changed_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(100))
    before = checksum(path)
    path.write_bytes(bytes(99) + b"\x01")
    assert checksum(path) != before
