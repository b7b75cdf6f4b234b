"""Who is told of a run while it goes on: trackers, whoever watches, and samples of answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from luthier.core.records import Example
from luthier.core.spec import everything
from luthier.models import adapter
from luthier.models.generate import LocalModel, Sampling
from luthier.models.load import Model
from luthier.tune._history import History
from luthier.tune._loop import Observer
from luthier.tune._world import World
from luthier.tune.track import Tracker, open_trackers

if TYPE_CHECKING:
    from luthier.tune.tune import TuneSpec, Watch

SAMPLE_TOKENS = 64  # of an answer shown while the model is trained


def observer_of(
    model: Model,
    validation: Sequence[Example],
    spec: TuneSpec,
    folder: Path,
    world: World,
    watch: Watch | None,
) -> Observer:
    """Tells the trackers, answers some prompts, keeps the last weights: as far as is asked for."""
    if not world.leads:
        return Observer()
    trackers: list[Tracker] = []
    # answering takes the weights whole, and all processes at once
    shown = 0 if world.sharded else spec.samples
    prompts = [example.prompt for example in validation[:shown]]
    tools = [example.tools for example in validation[:shown]]

    def begun(history: History) -> None:
        done = history.step
        settings, name = everything(spec), spec.objective.kind
        trackers.extend(open_trackers(spec.report_to, folder, settings, name=name, done=done))
        if watch:  # trackers keep what they were told before the run was killed; this one does not
            for told in history.validation:
                watch(int(told["step"]), {name: told[name] for name in told if name != "step"})

    def tell(side: str) -> Callable[[int, dict[str, float]], None]:
        def log(step: int, figures: dict[str, float]) -> None:
            for tracker in trackers:
                tracker.log(step, {f"{side}/{name}": value for name, value in figures.items()})
            if watch and side == "validation":
                watch(step, figures)

        return log

    def answers() -> list[dict[str, str]]:
        if not prompts:
            return []
        sampling = Sampling(max_new_tokens=SAMPLE_TOKENS)
        replies = LocalModel(model).generate(prompts, sampling, tools=tools)
        return [
            {"prompt": prompt[-1].content, "answer": reply.said}
            for prompt, reply in zip(prompts, replies, strict=True)
        ]

    def ended() -> None:
        for tracker in trackers:
            tracker.close()
        if spec.save_last and adapter.on(model.network):
            adapter.save(model.network, folder / "last")
        elif spec.save_last:
            model.network.save_pretrained(folder / "last")

    return Observer(begun, tell("train"), tell("validation"), answers, ended)
