"""``luthier decide``: which way of answering to take, and why."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("project", required=False, type=click.Path(path_type=Path))
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Override a setting.")
@click.option("--json", "as_json", is_flag=True, help="Print the decision as JSON.")
@click.option("--quiet", is_flag=True, help="No progress bars.")
def command(project: Path | None, sets: tuple[str, ...], as_json: bool, quiet: bool) -> None:
    """Prompt, retrieve or tune: measure all ways of answering, and say which to take.

    Every route that the project can take is asked the same locked questions: the model as it is,
    with worked examples, with passages, tuned, tuned with passages, extraction without a model,
    and the endpoints that the section `decide` names. For each: quality with paired intervals,
    latency, cost, answers that no document supports, answers in the wanted form, old answers after
    facts change, and why wrong answers are wrong. What was made or asked before is used again, so
    another price or volume takes seconds.

    PROJECT is a YAML file or its folder (default: luthier.yaml, else the demo's).
    """
    from luthier import config
    from luthier.cli._project import project_file
    from luthier.core.errors import ConfigError
    from luthier.core.progress import Progress, Quiet, Terminal

    path = project_file(project)
    if path is None:
        raise ConfigError(
            "there is no project file here",
            mend="Name one, or start with `luthier demo`.",
        )
    told = config.load(path, sets)
    progress: Progress = Quiet() if quiet else Terminal()
    from luthier import pipeline  # after the settings are known to be right: it is slow
    from luthier.evaluate.decide import DECISION, PAGE
    from luthier.stages.decide import decide, prepared

    work = pipeline.gather(prepared(told), path.parent, progress, until="search")
    made = decide(work)
    if as_json:
        click.echo((made.path / DECISION).read_text(encoding="utf-8"))
        return
    from rich.console import Console

    from luthier.cli._decision import show_decision

    show_decision(made.summary, Console(), made.path / PAGE)
