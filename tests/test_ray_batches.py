"""Batches on a local Ray cluster: what comes out, and what is told when a worker fails or dies."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from luthier.core.errors import DataError, ResourceError
from luthier.core.progress import Quiet
from luthier.data.batches import Ray, map_batches, ready

HERE = Ray(workers=2)
BATCHES = [[n, n + 1] for n in range(0, 20, 2)]


def _times(batch: list[int], factor: int) -> list[int]:
    return [factor * number for number in batch]


def _refuses(batch: list[int]) -> int:
    if 5 in batch:
        raise DataError("five is refused", where="rows.csv:5", mend="Take six.")
    return sum(batch)


def _fails(batch: list[int]) -> int:
    raise KeyError("no such column")


def _dies(batch: list[int], once: str = "") -> int:
    """Die as if killed for memory; with ``once``, only where that file is not there yet."""
    if batch[0] == 4 and not (once and Path(once).exists()):
        Path(once or os.devnull).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return sum(batch)


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """One local cluster for all tests."""
    pytest.importorskip("ray", reason="pip install 'luthier[ray]' to test Ray")
    with ready(HERE):
        yield


def _mapped(function: Any) -> list[Any]:
    return list(map_batches(function, iter(BATCHES), runner=HERE, progress=Quiet()))


def test_ray_gives_the_same_rows_in_the_same_order() -> None:
    five_times = functools.partial(_times, factor=5)
    assert _mapped(five_times) == [[5 * a, 5 * b] for a, b in BATCHES]


def test_errors_on_ray_come_through_as_they_were_raised() -> None:
    with pytest.raises(DataError, match="five is refused") as caught:
        _mapped(_refuses)
    assert (caught.value.where, caught.value.mend) == ("rows.csv:5", "Take six.")
    with pytest.raises(KeyError) as plain:
        _mapped(_fails)
    assert type(plain.value) is KeyError


def test_ray_gives_the_batch_of_a_killed_worker_to_another(tmp_path: Path) -> None:
    once = functools.partial(_dies, once=str(tmp_path / "died"))
    assert _mapped(once) == [a + b for a, b in BATCHES]
    assert (tmp_path / "died").exists()


def test_a_batch_that_kills_every_worker_ends_with_what_to_do(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ResourceError, match="Ray worker or its node died") as caught:
        _mapped(_dies)
    assert caught.value.where == "data.runner.workers"
    assert capfd.readouterr().out == ""  # Ray itself would print there
