"""Batches in this process, in several, and on Ray: the same results in the same order."""

from __future__ import annotations

import functools
import importlib.util
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from pydantic import TypeAdapter

from luthier.core.errors import DataError, ResourceError
from luthier.core.progress import Quiet
from luthier.core.spec import digest_of
from luthier.data.batches import AHEAD, Embedded, Processes, Ray, RunnerSpec, map_batches, ready

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
    if batch[0] == 4:
        os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does when memory runs out
    return sum(batch)


WAITS = """
import time
from luthier.core.progress import Quiet
from luthier.data.batches import Processes, map_batches

def wait(batch):
    print(__import__("os").getpid(), flush=True)
    time.sleep(600)

if __name__ == "__main__":
    list(map_batches(wait, [1], runner=Processes(workers=1), progress=Quiet()))
"""
HERE = Ray(workers=2)
BATCHES = [[n, n + 1] for n in range(0, 20, 2)]


def _mapped(runner: RunnerSpec, function: object = _slow_first) -> list[object]:
    return list(map_batches(function, iter(BATCHES), runner=runner, progress=Quiet()))  # type: ignore[arg-type]


def _ends(pid: int) -> bool:
    """Whether a process is gone, or goes within some seconds."""
    for _ in range(200):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def _children() -> set[int]:
    return {process.pid for process in psutil.Process().children(recursive=True)}


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


def test_a_killed_worker_ends_with_what_to_do_and_leaves_none_behind() -> None:
    with pytest.raises(ResourceError, match="worker process died") as caught:
        _mapped(Processes(workers=2), _dies)
    assert caught.value.where == "data.runner.workers"
    assert not multiprocessing.active_children()


def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    script = tmp_path / "waits.py"
    script.write_text(WAITS)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        worker = int(started.stdout.readline())
        started.kill()  # nothing of it can tidy up
    assert _ends(worker)


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
@pytest.mark.parametrize("address", ["auto", "127.0.0.1:9", "127.0.0.1:port"])
def test_an_unreachable_cluster_ends_with_what_to_do(address: str) -> None:
    with pytest.raises(ResourceError, match="no Ray cluster"):
        _mapped(Ray(address=address))


@needs_ray
def test_nothing_is_started_where_there_is_nothing_to_do() -> None:
    assert not list(map_batches(_refuses, [], runner=Ray(address="auto"), progress=Quiet()))


@needs_ray
def test_a_local_cluster_leaves_nothing_behind(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    children, on_sigterm = _children(), signal.getsignal(signal.SIGTERM)
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as ours:  # others have clusters too
        usual = set(Path("/tmp/ray").glob("*"))
        with monkeypatch.context() as patch:
            patch.setattr(tempfile, "tempdir", ours)
            with ready(HERE):
                assert len(list(Path(ours).glob("ray-*"))) == 1
                assert _mapped(HERE) == _mapped(Embedded())
        assert not list(Path(ours).glob("ray-*"))
        assert set(Path("/tmp/ray").glob("*")) == usual
    assert signal.getsignal(signal.SIGTERM) is on_sigterm
    assert capfd.readouterr() == ("", "")
    assert all(_ends(process) for process in _children() - children)
