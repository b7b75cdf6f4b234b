"""Run a function over batches in this process, in several, or on Ray: same results, same order.

The function gets one batch and must depend on nothing else, so where it runs cannot change what
comes out. Past this process it and the batches are pickled: use functions of a module, or
``functools.partial`` of them.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import importlib
import itertools
import multiprocessing
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import Annotated, Any, Literal, TypeVar, assert_never

from pydantic import Field

from luthier.core.errors import ResourceError
from luthier.core.progress import Progress
from luthier.core.spec import Spec, runtime

Batch = TypeVar("Batch")
Result = TypeVar("Result")

AHEAD = 2
"""Batches under way for each worker: enough to keep it busy, few enough to bound memory."""
RETRIES = 2
"""How often Ray gives a batch to another worker after one died."""
WAIT_S = 10.0
"""How long a named cluster may take to answer, in seconds."""
LONGEST = 30
"""Characters a temporary folder's name may have for Ray's sockets to fit in it."""


class Embedded(Spec):
    """In this process, one batch after the other."""

    kind: Literal["embedded"] = "embedded"
    """``embedded``: nothing is started."""


class Processes(Spec):
    """In several processes of this machine."""

    kind: Literal["processes"] = "processes"
    """``processes``: as many as there are workers."""
    workers: int = runtime(default=0, ge=0, le=1024)
    """Processes; 0 means one for each core this process may use."""


class Ray(Spec):
    """On a Ray cluster (``pip install 'luthier[ray]'``)."""

    kind: Literal["ray"] = "ray"
    """``ray``: tasks of a Ray cluster."""
    address: str | None = runtime(default=None)
    """``host:port`` of a running cluster or ``auto``; null starts one on this machine."""
    workers: int = runtime(default=0, ge=0, le=65536)
    """Batches worked on at once; 0 means one for each core of the cluster."""


RunnerSpec = Annotated[Embedded | Processes | Ray, Field(discriminator="kind")]


def map_batches(
    function: Callable[[Batch], Result],
    batches: Iterable[Batch],
    *,
    runner: RunnerSpec,
    progress: Progress,
    title: str = "Working",
    total: int | None = None,
) -> Iterator[Result]:
    """Apply a function to each batch and yield the results in the order of the batches.

    Batches are taken as they are needed: at most two for each worker are under way.

    Args:
        function: Gets one batch. Past this process it must be picklable.
        batches: Read as a stream.
        runner: Where to run.
        progress: Shows one bar.
        title: What the bar says.
        total: How many batches there are, if that is known.

    Raises:
        ResourceError: A worker died (often for lack of memory), or Ray is missing or unreachable.
        Exception: Whatever the function raises; results before it have been yielded.
    """
    match runner:
        case Embedded():
            results: Iterator[Result] = map(function, batches)
        case Processes():
            results = _in_processes(function, batches, runner.workers)
        case Ray():
            results = _on_ray(function, batches, runner)
        case _:
            assert_never(runner)
    with progress.task(title, total) as task:
        for result in results:
            task.advance()
            yield result


@contextlib.contextmanager
def ready(runner: RunnerSpec) -> Iterator[None]:
    """Keep a Ray cluster at hand, so that several ``map_batches`` use one; else nothing is done.

    A cluster is joined at ``address``, or started on this machine: without dashboard and reports
    of use, and its processes and its folder go when the block ends. Inside the block of another,
    or where the caller called ``ray.init``, that one is used.

    Args:
        runner: Where batches will run.

    Raises:
        ResourceError: Ray is missing or unreachable.
    """
    if not isinstance(runner, Ray):
        yield
        return
    ray = _import_ray()
    if ray.is_initialized():
        yield
        return
    with contextlib.ExitStack() as stack:
        stack.enter_context(_quiet())
        settings: dict[str, Any] = {"address": runner.address}
        if runner.address is None:
            settings = _local(runner, stack.enter_context(_folder()))
        stack.callback(ray.shutdown)
        _connect(ray, settings)
        yield


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Ray's nodes report off standard output, and SIGTERM what it was."""
    worker: Any = importlib.import_module("ray._private.worker")
    on_sigterm = None
    prints, worker.print_to_stdstream = worker.print_to_stdstream, lambda *_, **__: None
    if threading.current_thread() is threading.main_thread():
        on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        worker.print_to_stdstream = prints
        if on_sigterm is not None:
            signal.signal(signal.SIGTERM, on_sigterm)


def _in_processes(
    function: Callable[[Batch], Result], batches: Iterable[Batch], workers: int
) -> Iterator[Result]:
    workers = workers or len(os.sched_getaffinity(0))
    context = multiprocessing.get_context("spawn")  # a fork would copy locks of running threads
    pool = concurrent.futures.ProcessPoolExecutor(workers, context, _as_worker)

    def submit(batch: Batch) -> concurrent.futures.Future[Result]:
        try:
            return pool.submit(function, batch)
        except OSError as error:  # also where one died while the next was being started
            raise BrokenProcessPool(str(error)) from error

    try:
        yield from _in_order(submit, lambda one: one.result(), batches, AHEAD * workers)
    except BrokenProcessPool as error:
        # one that was started while another died would be waited for in vain
        for process in (pool._processes or {}).values():
            process.kill()
        raise ResourceError(
            "a worker process died, often because memory ran out",
            where="data.runner.workers",
            mend="Use fewer workers, or the embedded runner.",
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _as_worker() -> None:
    """Leave Ctrl-C to the process that started this one, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    starter = multiprocessing.parent_process()
    assert starter is not None  # this is a process of a pool

    def end() -> None:
        starter.join()
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()


def _on_ray(
    function: Callable[[Batch], Result], batches: Iterable[Batch], runner: Ray
) -> Iterator[Result]:
    batches = iter(batches)
    first = list(itertools.islice(batches, 1))
    if not first:  # nothing need be started for an empty table
        return
    ray = _import_ray()
    with ready(runner):
        cores = max(1, int(ray.cluster_resources().get("CPU", 1)))
        fewer = 0 < runner.workers < cores
        call = ray.remote(max_retries=RETRIES)(_call)
        held = ray.put(function)  # sent once, however many batches there are
        try:
            yield from _in_order(
                lambda batch: call.remote(held, batch),
                ray.get,
                itertools.chain(first, batches),
                runner.workers if fewer else AHEAD * cores,
            )
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except ray.exceptions.RayError as error:
            raise ResourceError(
                f"a Ray worker or its node died, often because memory ran out "
                f"({type(error).__name__})",
                where="data.runner.workers",
                mend="Use fewer workers, or nodes with more memory.",
            ) from error


def _call(function: Callable[[Batch], Result], batch: Batch) -> Result:
    return function(batch)


def _import_ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anyone
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # the first error is told, once
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise ResourceError(
            "Ray is not installed",
            where="data.runner.kind",
            mend="pip install 'luthier[ray]', or use the runner `processes`.",
        ) from error


def _local(runner: Ray, folder: str) -> dict[str, Any]:
    """How a cluster is started on this machine."""
    return {
        "address": "local",
        "num_cpus": runner.workers or len(os.sched_getaffinity(0)),
        "include_dashboard": False,
        "_temp_dir": folder,
    }


@contextlib.contextmanager
def _folder() -> Iterator[str]:
    """Where a local cluster keeps its sockets; their whole names may have 107 characters."""
    usual = tempfile.gettempdir()
    folder = tempfile.mkdtemp(prefix="ray-", dir=usual if len(usual) <= LONGEST else "/tmp")
    try:
        yield folder
    finally:
        for _ in range(100):  # processes that are about to end may still write
            shutil.rmtree(folder, ignore_errors=True)
            if not os.path.lexists(folder):
                break
            time.sleep(0.05)


def _connect(ray: Any, settings: dict[str, Any]) -> None:
    try:
        host, colon, port = settings["address"].removeprefix("ray://").rpartition(":")
        if colon:  # where nobody listens Ray itself would try for a quarter of an hour
            socket.create_connection((host, int(port)), timeout=WAIT_S).close()
        ray.init(log_to_driver=False, logging_level="error", **settings)
    except Exception as error:  # Ray raises just that where its processes don't come up
        raise ResourceError(
            f"no Ray cluster could be started or reached: {error}",
            where="data.runner.address",
            mend="Start one with `ray start --head`, or leave the address out; for one that asks "
            "for a token set RAY_AUTH_MODE=token.",
        ) from error


def _in_order(
    submit: Callable[[Batch], Any],
    wait: Callable[[Any], Result],
    batches: Iterable[Batch],
    at_once: int,
) -> Iterator[Result]:
    under_way: deque[Any] = deque()
    for batch in batches:
        under_way.append(submit(batch))
        if len(under_way) >= at_once:
            yield wait(under_way.popleft())
    while under_way:
        yield wait(under_way.popleft())
