"""Tuning by several processes: torchrun starts this module in each, and one process waits.

python -m torch.distributed.run --standalone --nproc-per-node 2 -m luthier.tune.worker job-1.json
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from luthier.core import errors
from luthier.core.errors import LuthierError, ResourceError
from luthier.core.progress import Progress, Quiet
from luthier.setup.plan import Plan
from luthier.tune.track import LOG
from luthier.tune.tune import TuneSpec, open_model, tune

OUTPUT, ERROR, SUMMARY = "worker.log", "error.json", "summary.json"
ALIVE = "processes.lock"  # held by each process as long as it lives
LOOK_S = 0.3  # between two looks at how far the processes are
SHOWN_LINES = 12  # of what a process wrote before it died


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """What every process is told.

    Attributes:
        model: The model's folder.
        rows: Folder of the prepared rows.
        texts: Folder of the collected documents, for pretraining; else "".
        spec: Of the tuning.
        plan: Of one process.
        launcher: The process that waits; without it the others end.
    """

    model: str
    rows: str
    texts: str
    spec: dict[str, Any]
    plan: dict[str, Any]
    launcher: int


def tune_in_processes(
    model: Path,
    rows: Path,
    texts: Path | None,
    spec: TuneSpec,
    plan: Plan,
    folder: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Tune as ``tune.tune`` does, in as many processes as the plan says.

    Args:
        model: The model's folder.
        rows: Folder of the prepared rows.
        texts: Folder of the documents to learn, or None.
        spec: Hyperparameters.
        plan: ``processes`` of them, each with its threads or its GPU.
        folder: See ``tune.tune``.
        progress: Shows the loss as the leading process tells it.

    Raises:
        LuthierError: What a process raised.
        ResourceError: A process died without a word.
    """
    told = dataclasses.asdict(plan)
    settings = spec.model_dump(mode="json")
    paths = str(model.resolve()), str(rows.resolve()), str(texts.resolve()) if texts else ""
    job = Job(*paths, settings, told, os.getpid())
    for stale in folder.glob("job-*.json"):
        stale.unlink()
    path = folder / f"job-{os.getpid()}.json"
    path.write_text(json.dumps(dataclasses.asdict(job)), encoding="utf-8")
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
        *("--nproc-per-node", str(plan.processes), "-m", __name__, str(path)),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": str(plan.threads)}
    _wait_for_all(folder)  # those of a run whose launcher was killed just now
    with (folder / OUTPUT).open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
        try:
            _watch(process, folder, progress)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            path.unlink()  # a process that begins only now finds nothing to do
            _wait_for_all(folder)
    if process.returncode:
        raise _failure(folder)
    summary: dict[str, Any] = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    for name in (OUTPUT, SUMMARY, ALIVE):
        (folder / name).unlink()
    return summary


def _watch(process: subprocess.Popen[bytes], folder: Path, progress: Progress) -> None:
    """Show each step the leading process logs, until all have ended."""
    log, seen = folder / LOG, 0
    with progress.task("tuning") as task:
        while True:
            ended = process.poll() is not None
            if log.is_file():
                lines = log.read_text(encoding="utf-8").split("\n")[:-1]
                for line in lines[seen:]:
                    loss = json.loads(line).get("train/loss")
                    task.advance(loss is not None, f"loss {loss:.3f}" if loss is not None else "")
                seen = max(seen, len(lines))
            if ended:
                return
            time.sleep(LOOK_S)


def _wait_for_all(folder: Path) -> None:
    """Wait until no process writes to a folder any more."""
    with (folder / ALIVE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)


def _failure(folder: Path) -> LuthierError:
    """What went wrong in the processes, as they told it or as far as can be seen."""
    path = folder / ERROR
    if path.is_file():
        told = json.loads(path.read_text(encoding="utf-8"))
        path.unlink()
        kind: type[LuthierError] = getattr(errors, told.pop("kind"))
        return kind(told["what"], where=told["where"], mend=told["mend"])
    lines = (folder / OUTPUT).read_text(encoding="utf-8", errors="replace").splitlines()
    return ResourceError(
        "a process of the tuning died: " + " | ".join(lines[-SHOWN_LINES:]),
        where=str(folder / OUTPUT),
        mend="Is there memory enough for setup.processes? With 1 nothing is shared out.",
    )


def main(path: Path) -> None:
    """The work of one process; the leading one writes the results."""
    from luthier.data.prepare import read_documents, read_examples
    from luthier.tune._labelled import read_terms
    from luthier.tune._world import join, leave

    parent, folder = os.getppid(), path.parent
    alive = os.open(folder / ALIVE, os.O_RDWR | os.O_CREAT)  # as long as the process lives
    fcntl.flock(alive, fcntl.LOCK_SH)
    job = Job(**json.loads(path.read_text(encoding="utf-8")))
    threading.Thread(target=_end_with, args=(job.launcher, parent), daemon=True).start()
    spec, plan = TuneSpec.model_validate_json(json.dumps(job.spec)), Plan.read(job.plan)
    rows = Path(job.rows)
    world = join(plan.parallel, plan.device)
    with _told(folder, leads=world.leads):
        train = read_examples(rows, "train")
        summary = tune(
            open_model(Path(job.model), spec, plan, train),
            train,
            read_examples(rows, "validation"),
            read_documents(Path(job.texts)) if job.texts else [],
            spec,
            plan,
            folder,
            Quiet(),
            losses=read_terms(rows),
            world=world,
        )
        if world.leads:
            (folder / SUMMARY).write_text(json.dumps(summary), encoding="utf-8")
    leave()


@contextlib.contextmanager
def _told(folder: Path, *, leads: bool) -> Iterator[None]:
    """Leave an error where the waiting process finds it."""
    try:
        yield
    except LuthierError as error:
        if leads:
            kind = type(error).__name__
            told = {"kind": kind, "what": error.what, "where": error.where, "mend": error.mend}
            (folder / ERROR).write_text(json.dumps(told), encoding="utf-8")
        raise SystemExit(1) from error


def _end_with(launcher: int, parent: int) -> None:
    """End this process when the one that waits for it is gone, or torchrun, which started it."""
    while os.getppid() == parent:
        try:
            os.kill(launcher, 0)
        except OSError:
            break
        time.sleep(LOOK_S)
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
