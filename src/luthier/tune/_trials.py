"""Trials of a search: chosen by Optuna, kept in SQLite, run here or in several processes."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from luthier.core.errors import LuthierError, ResourceError
from luthier.core.progress import Progress, Quiet, Task
from luthier.core.space import suggest
from luthier.setup.plan import Plan
from luthier.tune._study import (
    best_so_far,
    direction,
    done,
    grid,
    importance,
    open_study,
    running,
    sampler,
    take_back,
    told_of,
)
from luthier.tune.search import SearchSpec, with_settings
from luthier.tune.tune import TuneSpec, open_model, tune

JOB, OUTPUT = "trials.json", "trials.log"
LOOK_S = 0.5
APART = 100_000  # between the seeds of processes


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """What every process of a search is told; see ``search.search``. ``worker`` is its number."""

    model: str
    rows: str
    texts: str
    base: TuneSpec
    spec: SearchSpec
    plan: Plan
    folder: str
    worker: int = 0

    def write(self) -> Path:
        """Leave the job for other processes."""
        told = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        told |= {
            "base": self.base.model_dump(mode="json"),
            "spec": self.spec.model_dump(mode="json"),
            "plan": dataclasses.asdict(self.plan),
        }
        path = Path(self.folder) / JOB
        path.write_text(json.dumps(told), encoding="utf-8")
        return path


def read_job(path: Path) -> Job:
    """Read what ``Job.write`` wrote."""
    told = json.loads(path.read_text(encoding="utf-8"))
    told |= {
        "base": TuneSpec.model_validate_json(json.dumps(told["base"])),
        "spec": SearchSpec.model_validate_json(json.dumps(told["spec"])),
        "plan": Plan.read(told["plan"]),
    }
    return Job(**told)


def run(job: Job, progress: Progress) -> None:
    """Make the trials that are not made yet.

    Raises:
        ResourceError: optuna is not installed, or a process died.
    """
    study = open_study(Path(job.folder), job.spec)
    take_back(study)
    for settings in grid(job.spec):
        study.enqueue_trial(settings, skip_if_exists=True)
    goal = _goal(job)
    with progress.task("searching", goal) as task:
        task.advance(done(study))
        if job.spec.at_once == 1:
            work(job, task)
        else:
            _in_processes(job, study, task)


def work(job: Job, task: Task) -> None:
    """Ask for a trial, run it, tell; until there are enough."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study, goal = open_study(Path(job.folder), job.spec), _goal(job)
    while True:
        with _alone(Path(job.folder)):  # else two processes might both begin the last trial
            if (number := done(study) + running(study)) >= goal:
                return
            # two processes that begin at the same moment must not draw the same
            study.sampler = sampler(job.spec, number + APART * job.worker)
            trial = study.ask()
        settings = {name: suggest(trial, name, d) for name, d in job.spec.space.items()}
        _run_trial(job, study, trial, settings)
        task.advance(1, best_so_far(study))


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While no other process of this search is in here."""
    with (folder / "asking.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run_trial(job: Job, study: Any, trial: Any, settings: dict[str, Any]) -> None:
    import optuna

    states = optuna.trial.TrialState

    def watch(step: int, figures: dict[str, float]) -> None:
        trial.report(figures[job.spec.metric], step)
        if trial.should_prune():
            raise _EndedEarlyError

    try:
        summary = attempt(job, settings, job.base.seed, watch)
    except _EndedEarlyError:
        study.tell(trial, state=states.PRUNED)
    except LuthierError as error:
        trial.set_user_attr("problem", error.what)
        trial.set_user_attr("mend", error.mend)
        study.tell(trial, state=states.FAIL)
    else:
        trial.set_user_attr("seconds", summary["seconds"])
        study.tell(trial, summary[f"validation_{job.spec.metric}"])


class _EndedEarlyError(Exception):
    """A trial that is not worth its end."""


def attempt(
    job: Job, settings: dict[str, Any], seed: int, watch: Any = lambda *_: None
) -> dict[str, Any]:
    """Tune once; what is left of a killed attempt with the same settings is gone on with.

    Args:
        job: The search.
        settings: What differs from the project file.
        seed: Of the tuning.
        watch: Told each measurement; may raise to end it.

    Returns:
        See ``tune.tune``.
    """
    from luthier.data.prepare import read_documents, read_examples
    from luthier.tune._labelled import read_terms

    changes = {"seed": seed, "metric_for_best_model": job.spec.metric, "report_to": ()}
    spec = with_settings(job.base, settings).model_copy(update=changes)
    name = hashlib.sha256(spec.model_dump_json().encode()).hexdigest()[:16]
    if job.worker:  # nor must they write to one folder where they drew the same all the same
        name += f"-{job.worker}"
    folder = Path(job.folder) / "trials" / name
    folder.mkdir(parents=True, exist_ok=True)
    train = read_examples(Path(job.rows), "train")
    try:
        summary = tune(
            open_model(Path(job.model), spec, job.plan, train),
            train,
            read_examples(Path(job.rows), "validation"),
            read_documents(Path(job.texts)) if job.texts else [],
            spec,
            job.plan,
            folder,
            Quiet(),
            losses=read_terms(Path(job.rows)),
            watch=watch,
        )
    except (LuthierError, _EndedEarlyError):
        shutil.rmtree(folder)  # nothing goes on from its checkpoints
        raise
    shutil.rmtree(folder)
    return summary


def results(job: Job) -> dict[str, Any]:
    """Everything the trials say, as plain JSON."""
    study = open_study(Path(job.folder), job.spec)
    trials = [told_of(trial) for trial in study.get_trials(deepcopy=False)]
    whole = [t for t in trials if t["state"] == "complete"]
    sign = 1 if direction(job.spec) == "minimize" else -1
    best = min(whole, key=lambda t: (sign * t["value"], t["number"]), default=None)
    states: dict[str, int] = {}
    for trial in trials:
        states[trial["state"]] = states.get(trial["state"], 0) + 1
    base = job.base.model_dump(mode="json")
    return {
        "metric": job.spec.metric,
        "direction": direction(job.spec),
        "sampler": job.spec.sampler.kind,
        "trials": trials,
        "states": states,
        "best": best and {k: best[k] for k in ("number", "settings", "value")},
        "default": {name: _at(base, name) for name in job.spec.space},
        "importance": importance(study, len(whole)),
    }


def _goal(job: Job) -> int:
    """Trials to be made; a grid has no more than its points."""
    return len(grid(job.spec)) or job.spec.trials


def _in_processes(job: Job, study: Any, task: Task) -> None:
    """Let several processes work on the study, and count what they do."""
    threads = max(1, job.plan.threads // job.spec.at_once)
    path = dataclasses.replace(job, plan=dataclasses.replace(job.plan, threads=threads)).write()
    command = [sys.executable, "-m", "luthier.tune._trials", str(path)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    output = path.with_name(OUTPUT)
    with output.open("wb") as log:
        own = [
            subprocess.Popen(
                [*command, str(worker)],
                stdout=log,
                stderr=log,
                env=environment,
                stdin=subprocess.PIPE,
            )
            for worker in range(job.spec.at_once)
        ]
        seen = done(study)
        try:
            while any(process.poll() is None for process in own):
                time.sleep(LOOK_S)
                if (now := done(study)) > seen:
                    task.advance(now - seen, best_so_far(study))
                    seen = now
        finally:
            for process in own:
                process.kill()
                process.communicate()
    if any(process.returncode for process in own):
        lines = output.read_text(encoding="utf-8", errors="replace").splitlines()
        raise ResourceError(
            "a process of the search died: " + " | ".join(lines[-6:]),
            where=str(output),
            mend="Is there memory enough for search.at_once?",
        )


def _at(tree: dict[str, Any], key: str) -> Any:
    at: Any = tree
    for part in key.split("."):
        at = at[part]
    return at


class _Silent:
    def advance(self, steps: int = 1, note: str = "") -> None:
        pass


def main(path: Path, worker: int) -> None:
    """The work of one of several processes; it ends with the one that started it."""
    import threading

    def end_with_parent() -> None:
        os.read(0, 1)  # ends when the other end of the pipe is closed
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
    work(dataclasses.replace(read_job(path), worker=worker), _Silent())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
