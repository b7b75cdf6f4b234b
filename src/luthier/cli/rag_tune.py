"""``luthier rag tune``: the settings of retrieval that serve the validation questions best."""

from __future__ import annotations

from pathlib import Path

import click

from luthier.cli._rag import as_text, gather, rag_options


@click.command("tune")
@rag_options
@click.option("--trials", type=click.IntRange(min=1), help="Configurations.", show_default="40")
@click.option(
    "--latency-limit-ms",
    type=click.FloatRange(min=0, min_open=True),
    help="Slowest 95th percentile that is allowed, for one question end to end.",
)
@click.option("--locked", is_flag=True, help="Hold the best against the locked test side, too.")
def command(
    project: Path | None,
    sets: tuple[str, ...],
    trials: int | None,
    latency_limit_ms: float | None,
    locked: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Search the settings of retrieval on validation questions, under a limit on latency.

    `rag.tune.space` says what is searched. Around the best each step is switched off and on, to
    show what it gains and costs. A search that was killed goes on where it stopped. The test side
    is read only with `--locked`: do so once, when you have chosen.
    """
    from luthier.rag.measuring.table import locked_lines, tuned_lines
    from luthier.stages import retrieval

    work = gather(project, sets, quiet=quiet, until="split")
    spec = retrieval.tuning_spec(work, trials, latency_limit_ms)
    found = retrieval.tune(work, spec)
    held = retrieval.locked(work, spec, found) if locked else None
    if as_json:
        told = {"tuned": found.as_json(), "locked": held and held.as_json()}
        click.echo(as_text(told))
        return
    lines = tuned_lines(found)
    if held is not None:
        lines += ["", *locked_lines(spec.metric, held)]
    click.echo("\n".join(lines))
