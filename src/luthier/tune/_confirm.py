"""Whether the best settings of a search gain anything: other seeds, both settings, pairs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from luthier.core.errors import LuthierError
from luthier.core.progress import Progress

if TYPE_CHECKING:
    from luthier.tune._trials import Job

CONFIRMED = "confirm.jsonl"
CONFIDENCE = 0.95


def confirm(job: Job, best: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Run the best settings and the base with seeds that the search has not seen.

    A run that fails, since it diverges for instance, is counted and does not end the search.

    Args:
        job: The search; its folder keeps each run, so that a killed one goes on.
        best: The settings the search found.
        progress: Shows the runs.

    Returns:
        ``seeds``; ``values`` of ``best`` and ``default``, None of a run that failed; ``failed``,
        how many did of each; the first ``problem`` of each; ``gain`` (mean difference where both
        came to their end, positive where the best is better) with its ``low`` and ``high``;
        ``verdict``: ``better``, ``worse``, ``cannot tell apart``; if runs failed, ``default
        fails`` where more of the default did, else ``best fails``; ``not confirmed`` if no seeds
        were asked for or too few to say.
    """
    from luthier.tune._study import direction

    seeds = [job.base.seed + 1 + number for number in range(job.spec.confirm)]
    made = _made(Path(job.folder))
    values: dict[str, list[float | None]] = {"default": [], "best": []}
    problems = {"default": "", "best": ""}
    with progress.task("confirming", 2 * len(seeds)) as task:
        for seed in seeds:
            for name, settings in (("default", {}), ("best", best)):
                if (name, seed) not in made:
                    made[name, seed] = _tried(job, settings, seed)
                    _keep(Path(job.folder), name, seed, *made[name, seed])
                value, problem = made[name, seed]
                values[name].append(value)
                problems[name] = problems[name] or problem
                task.advance(1, f"{name} failed" if value is None else f"{name} {value:.4g}")
    sign = -1 if direction(job.spec) == "minimize" else 1
    pairs = zip(values["best"], values["default"], strict=True)
    gains = [sign * (own - base) for own, base in pairs if own is not None and base is not None]
    failed = {name: own.count(None) for name, own in values.items()}
    told = {"seeds": seeds, "values": values, "failed": failed, "problem": problems}
    return {**told, **verdict(gains, **failed)}


def _tried(job: Job, settings: dict[str, Any], seed: int) -> tuple[float | None, str]:
    """The figure of a run; None, and why, if it failed."""
    from luthier.tune._trials import attempt

    try:
        return attempt(job, settings, seed)[f"validation_{job.spec.metric}"], ""
    except LuthierError as error:
        return None, error.what


def verdict(gains: Sequence[float], *, default: int = 0, best: int = 0) -> dict[str, Any]:
    """What differences between pairs of runs say (Student 1908, paired).

    Args:
        gains: Of each seed; positive where the best settings are better.
        default: Runs of the project file's settings that failed.
        best: Runs of the best settings that failed.
    """
    found = _compared(gains)
    if default or best:
        found["verdict"] = "default fails" if default > best else "best fails"
    return found


def _compared(gains: Sequence[float]) -> dict[str, Any]:
    if len(gains) < 2:
        gain = {"mean": gains[0] if gains else None, "low": None, "high": None}
        return {"gain": gain, "verdict": "not confirmed"}
    from scipy.stats import t

    n = len(gains)
    mean = sum(gains) / n
    spread = math.sqrt(sum((g - mean) ** 2 for g in gains) / (n - 1))
    half = float(t.ppf((1 + CONFIDENCE) / 2, n - 1)) * spread / math.sqrt(n)
    low, high = mean - half, mean + half
    said = "better" if low > 0 else "worse" if high < 0 else "cannot tell apart"
    return {"gain": {"mean": mean, "low": low, "high": high}, "verdict": said}


def _made(folder: Path) -> dict[tuple[str, int], tuple[float | None, str]]:
    path = folder / CONFIRMED
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    whole = [line for line in lines if line.endswith("\n")]
    path.write_text("".join(whole), encoding="utf-8")  # a killed process may leave half a line
    told = [json.loads(line) for line in whole]
    return {(o["settings"], o["seed"]): (o["value"], o.get("problem", "")) for o in told}


def _keep(folder: Path, name: str, seed: int, value: float | None, problem: str) -> None:
    told = {"settings": name, "seed": seed, "value": value, "problem": problem}
    with (folder / CONFIRMED).open("a", encoding="utf-8") as file:
        file.write(json.dumps(told) + "\n")
