"""Optimizers compared on the project's own tuning task; each run is an artifact of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from luthier.core.errors import ConfigError, ResourceError, TuneError
from luthier.core.progress import Task
from luthier.core.store import Artifact
from luthier.data import prepare as data
from luthier.stages.work import Work
from luthier.tune import compare
from luthier.tune.tune import TUNE_VERSION, TuneSpec

_VERSION = 2  # of the page; the runs have their own
_ONCE = "One run of each is one seed: differences of a few hundredths are noise as often as not."
_NOTES = (
    "steps to: until the loss at which the best run has made nine tenths of its fall.",
    "↑ ↓: the highest or the lowest of the rates tried; one beyond may be better.",
    "state: of the optimizer; memory: what the run took beyond what the process had.",
)


def compare_optimizers(work: Work, kinds: Sequence[str]) -> Artifact:
    """Try each optimizer at three learning rates, run the best of each whole, hold them together.

    Runs that were made before are not made again, and a killed one goes on where it stopped.

    Args:
        work: Up to the stage before tuning.
        kinds: Names of optimizers.

    Returns:
        A folder with ``optimizers.json``, ``curves.svg`` and ``curves.html``; its summary holds
        ``outcomes`` and ``target``.

    Raises:
        ConfigError: The project tunes nothing, or has no validation rows to decide by.
        TuneError: Every run of every optimizer diverged.
    """
    base = work.project.tune
    if base is None:
        raise ConfigError("this project tunes nothing", mend="Add a section `tune`.")
    job = _job(work, base)
    outcomes = []
    runs: list[Artifact] = []
    with work.progress.task("comparing optimizers", len(kinds) * (len(compare.FACTORS) + 1)) as bar:
        for kind in kinds:
            tried = []
            for spec in compare.settings(base, kind):
                made = _attempt(work, job, spec, compare.SHORT, bar)
                runs.append(made)
                tried.append((spec, dict(made.summary)))
            best, whole = compare.best_of(tried), None
            if best is not None:
                runs.append(_attempt(work, job, best, 1.0, bar))
                whole = best, dict(runs[-1].summary)
            else:
                bar.advance(note=f"{kind} diverged at every rate")
            outcomes.append(compare.outcome(kind, tried, whole))
    if all(o.failed for o in outcomes):
        raise TuneError(
            f"no run came to its end: {outcomes[0].failed}",
            where=f"optimizer {outcomes[0].kind}",
        )
    return _write(work, runs, outcomes)


def _job(work: Work, base: TuneSpec) -> compare.Job:
    from luthier.tune._labelled import read_terms

    rows = work.made.get("contexts") or work.rows
    validation = data.read_examples(rows.path, "validation")
    if not validation:
        raise ConfigError(
            "there are no validation rows to decide by",
            where="data.split.validation",
            mend="Set it to 0.1, for instance.",
        )
    return compare.Job(
        model=work.model_folder,
        train=data.read_examples(rows.path, "train"),
        validation=validation,
        documents=data.read_documents(work.finished(work.learned()).path)
        if base.objective.kind == "pretrain"
        else [],
        plan=dataclasses.replace(work.plan, processes=1),
        losses=read_terms(rows.path),
    )


def _attempt(work: Work, job: compare.Job, spec: TuneSpec, share: float, bar: Task) -> Artifact:
    kind = spec.optimizer.kind
    bar.advance(0, f"{kind} at {spec.peak_lr:g}{'' if share < 1 else ', whole'}")
    inputs: dict[str, Any] = {
        "model": work.made["model"],
        "rows": work.made.get("contexts") or work.rows,
        "tune": spec,
        "share": share,
        "tune_version": TUNE_VERSION,
        "precision": work.plan.arithmetic,
    }
    if spec.objective.kind == "pretrain":
        inputs["documents"] = work.made.get("open") or work.texts

    def fill(folder: Path) -> dict[str, Any]:
        return compare.attempt(job, spec, folder, share=share)

    recorded = {"plan": dataclasses.asdict(job.plan)}
    made = work.store.make(
        "attempt", compare.COMPARE_VERSION, inputs, fill, recorded=recorded, resumable=True
    )
    bar.advance(1)
    return made


def _write(work: Work, runs: list[Artifact], outcomes: list[compare.Outcome]) -> Artifact:
    from luthier.evaluate.page import Page, Section, write_page
    from luthier.tune._curves import figure, write_svg

    target = compare.target(outcomes)
    told = {"outcomes": [dataclasses.asdict(o) for o in outcomes], "target": target}
    curves = [
        (f"{o.kind} {o.lr:g}", [(tokens, loss) for _, tokens, loss in o.curve])
        for o in outcomes
        if o.curve
    ]

    def fill(folder: Path) -> dict[str, Any]:
        text = json.dumps(told, indent=2, allow_nan=False)
        (folder / "optimizers.json").write_text(text + "\n", encoding="utf-8")
        title = f"{work.project.name}: optimizers"
        write_svg(folder / "curves.svg", title, curves)
        head, *rows = compare.table(outcomes, target)
        shown = Section("Validation loss", figure(curves), header=head, rows=rows, text=_NOTES)
        intro = "The same model, rows, tokens and seed for each"
        best = min((o.loss, o.kind, o.lr) for o in outcomes if o.loss is not None)
        found = f"{best[1]} came lowest: {best[0]:.3f} at a learning rate of {best[2]:g}."
        with contextlib.suppress(ResourceError):  # without plotly the SVG shows the same
            write_page(Page(title, intro, (found, _ONCE), (shown,)), folder / "curves.html")
        return told

    made = work.store.make("optimizers", _VERSION, {"runs": runs}, fill)
    work.store.keep("optimizers", made)
    return made
