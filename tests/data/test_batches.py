"""Batches in this process, in several, and on Ray: the same results in the same order."""

from __future__ import annotations

import functools
import importlib.util
import os
import time
from collections.abc import Iterator

import pytest
from pydantic import TypeAdapter

from luthier.core.errors import DataError, ResourceError
from luthier.core.progress import Quiet
from luthier.core.spec import digest_of
from luthier.data.batches import AHEAD, Embedded, Processes, Ray, RunnerSpec, map_batches

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="pip install 'luthier[ray]' to test Ray"
)


def _slow_first(batch: list[int], factor: int = 3) -> list[int]:
    if batch[0] == 0:
        time.sleep(0.2)
    return [factor * number for number in batch]


def _refuses(batch: list[int]) -> int:
    if 5 in batch:
        raise DataError("five is refused", where="rows.csv:5", mend="Take six.")
    return sum(batch)


def _dies(batch: list[int]) -> int:
    os._exit(3)


BATCHES = [[n, n + 1] for n in range(0, 20, 2)]


def _mapped(runner: RunnerSpec, function: object = _slow_first) -> list[object]:
    return list(map_batches(function, iter(BATCHES), runner=runner, progress=Quiet()))  # type: ignore[arg-type]


@pytest.mark.parametrize("runner", [Embedded(), Processes(workers=2)], ids=lambda r: r.kind)
def test_same_results_in_the_same_order(runner: RunnerSpec) -> None:
    assert _mapped(runner) == [[3 * a, 3 * b] for a, b in BATCHES]
    five_times = functools.partial(_slow_first, factor=5)
    assert _mapped(runner, five_times) == [[5 * a, 5 * b] for a, b in BATCHES]


@pytest.mark.parametrize("runner", [Embedded(), Processes(workers=2)], ids=lambda r: r.kind)
def test_errors_come_through_whole_after_the_results_before_them(runner: RunnerSpec) -> None:
    results = map_batches(_refuses, BATCHES, runner=runner, progress=Quiet())
    assert [next(results), next(results)] == [1, 5]
    with pytest.raises(DataError, match="five is refused") as caught:
        next(results)
    assert (caught.value.where, caught.value.mend) == ("rows.csv:5", "Take six.")


def test_batches_are_taken_only_as_needed() -> None:
    taken: list[int] = []

    def endless() -> Iterator[list[int]]:
        while True:
            taken.append(len(taken))
            yield [len(taken)]

    results = map_batches(_refuses, endless(), runner=Processes(workers=1), progress=Quiet())
    assert [next(results), next(results)] == [1, 2]
    assert len(taken) <= 2 + AHEAD
    results.close()  # type: ignore[attr-defined]


def test_a_dead_worker_ends_with_what_to_do() -> None:
    with pytest.raises(ResourceError, match="worker process died"):
        _mapped(Processes(workers=1), _dies)


def test_no_batches() -> None:
    assert not list(map_batches(_refuses, [], runner=Embedded(), progress=Quiet()))


def test_where_it_runs_is_no_part_of_the_numbers() -> None:
    assert digest_of(Processes(workers=2)) == digest_of(Processes(workers=7))
    adapter: TypeAdapter[RunnerSpec] = TypeAdapter(RunnerSpec)
    assert adapter.validate_json('{"kind": "ray", "address": "auto"}') == Ray(address="auto")


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_it_says_what_to_install() -> None:
    with pytest.raises(ResourceError, match="Ray is not installed"):
        _mapped(Ray())


@needs_ray
def test_ray_gives_the_same_rows_in_the_same_order() -> None:
    here = Ray(workers=2)
    assert _mapped(here) == _mapped(Embedded())
    with pytest.raises(DataError, match="five is refused") as caught:
        _mapped(here, _refuses)
    assert caught.value.where == "rows.csv:5"


@needs_ray
def test_an_unreachable_cluster_ends_with_what_to_do() -> None:
    with pytest.raises(ResourceError, match="no Ray cluster"):
        _mapped(Ray(address="auto"))
