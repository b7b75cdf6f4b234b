"""Run a function over batches in this process, in several, or on Ray: same results, same order.

The function gets one batch and must depend on nothing else, so where it runs cannot change what
comes out. Past this process it and the batches are pickled: use functions of a module, or
``functools.partial`` of them.
"""

from __future__ import annotations

import concurrent.futures
import importlib
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import Annotated, Any, Literal, TypeVar, assert_never

from pydantic import Field

from luthier.core.errors import LuthierError, ResourceError
from luthier.core.progress import Progress
from luthier.core.spec import Spec, runtime

Batch = TypeVar("Batch")
Result = TypeVar("Result")

AHEAD = 2
"""Batches under way for each worker: enough to keep it busy, few enough to bound memory."""


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


def _in_processes(
    function: Callable[[Batch], Result], batches: Iterable[Batch], workers: int
) -> Iterator[Result]:
    workers = workers or len(os.sched_getaffinity(0))
    context = multiprocessing.get_context("spawn")  # a fork would copy locks of running threads
    pool = concurrent.futures.ProcessPoolExecutor(workers, mp_context=context)
    try:
        yield from _in_order(
            lambda batch: pool.submit(function, batch), lambda one: one.result(), batches, workers
        )
    except BrokenProcessPool as error:
        raise ResourceError(
            "a worker process died, often because memory ran out",
            where="runner.workers",
            mend="Use fewer workers, or the embedded runner.",
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _on_ray(
    function: Callable[[Batch], Result], batches: Iterable[Batch], runner: Ray
) -> Iterator[Result]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anyone
    try:
        ray: Any = importlib.import_module("ray")
    except ImportError as error:
        raise ResourceError(
            "Ray is not installed",
            where="runner.kind",
            mend="pip install 'luthier[ray]', or use the runner `processes`.",
        ) from error
    ours = not ray.is_initialized()
    if ours:
        _connect(ray, runner.address)
    try:
        workers = runner.workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        remote = ray.remote(max_retries=2)(function)
        yield from _in_order(remote.remote, ray.get, batches, workers)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, LuthierError):
            raise error.cause from error
        raise
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
        raise ResourceError(
            "a Ray worker died, often because memory ran out",
            where="runner.workers",
            mend="Use fewer workers, or nodes with more memory.",
        ) from error
    finally:
        if ours:
            ray.shutdown()


def _connect(ray: Any, address: str | None) -> None:
    local: dict[str, Any] = {} if address else {"include_dashboard": False}
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level="error", **local)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ResourceError(
            f"no Ray cluster could be reached: {error}",
            where="runner.address",
            mend="Start one with `ray start --head`, or leave the address out.",
        ) from error


def _in_order(
    submit: Callable[[Batch], Any],
    wait: Callable[[Any], Result],
    batches: Iterable[Batch],
    workers: int,
) -> Iterator[Result]:
    under_way: deque[Any] = deque()
    for batch in batches:
        under_way.append(submit(batch))
        if len(under_way) >= AHEAD * workers:
            yield wait(under_way.popleft())
    while under_way:
        yield wait(under_way.popleft())
