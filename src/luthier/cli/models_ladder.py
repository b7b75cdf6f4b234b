"""``luthier models ladder``: kinds of language models, trained and scored on the same texts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.cli._project import project_file

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 100
"""What the table takes."""
MAX_BYTES = 20_000
COLUMNS = (
    *("rung", "bits per byte", "above the best", "weights", "tokens read", "training s"),
    "scoring s",
)


@click.command("ladder")
@click.argument("rungs", nargs=-1, metavar="[RUNG]...")
@click.option(
    "--project",
    type=click.Path(path_type=Path),
    help="The project whose rows are used: its file or folder.  [default: luthier.yaml]",
)
@click.option(
    "--budget-s",
    type=click.FloatRange(min=0.1),
    default=60.0,
    show_default=True,
    help="Seconds of training for the slowest rung; all read as many tokens.",
)
@click.option("--tokens", type=click.IntRange(min=1), help="Tokens to read in training instead.")
@click.option(
    "--max-bytes",
    type=click.IntRange(min=1),
    default=MAX_BYTES,
    show_default=True,
    help="Score whole texts of the validation side up to so many.",
)
@click.option("--hidden-size", type=click.IntRange(min=8), default=128, show_default=True,
              help="Width of the transformers.")  # fmt: skip
@click.option("--layers", type=click.IntRange(min=1), default=4, show_default=True,
              help="Blocks of the transformers.")  # fmt: skip
@click.option("--save", type=click.Path(file_okay=False, path_type=Path),
              help="Keep the trained models in this folder.")  # fmt: skip
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path),
              help="Write a picture to this file.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@click.option("--quiet", is_flag=True, help="No progress bars.")
def command(
    rungs: tuple[str, ...],
    project: Path | None,
    html: Path | None,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Train each kind of language model on the same texts, and compare their bits per byte.

    A RUNG is `ngram`, `bengio` (a feed-forward network over word vectors), `bert`, `gpt2` or
    `llama`; all of them unless some are named. They learn the project's training rows and
    documents with one vocabulary, and are scored on its validation side.
    """
    from rich.console import Console

    from luthier.core.progress import Progress, Quiet, Terminal

    progress: Progress = Quiet() if quiet else Terminal()
    found = climb_project(rungs, project_file(project), progress, **options)
    if html is not None:
        from luthier.evaluate._ladder_page import ladder_page
        from luthier.evaluate.page import write_page

        rows = [_cells(row) for row in found["rungs"]]
        page = ladder_page(
            found, headline(found), (COLUMNS, rows), [_learned(found), *notes(found)]
        )
        write_page(page, html)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    show(found, Console())
    if html is not None:
        click.echo(f"Picture: {html}")


def climb_project(
    rungs: Sequence[str],
    project: Path | None,
    progress: Any,
    *,
    budget_s: float,
    tokens: int | None,
    max_bytes: int,
    hidden_size: int,
    layers: int,
    save: Path | None,
) -> dict[str, Any]:
    """Train and score the rungs on a project's texts.

    Args:
        rungs: Names; all if empty.
        project: The project file.
        progress: Shows bars.
        budget_s: See the command.
        tokens: See the command.
        max_bytes: See the command.
        hidden_size: See the command.
        layers: See the command.
        save: See the command.

    Returns:
        See ``evaluate.ladder.climb``.

    Raises:
        ConfigError: There is no project, or no such rung.
        LuthierError: A stage of the project failed, or a run diverged.
    """
    from luthier.cli._project_texts import ProjectTexts
    from luthier.evaluate._rank_texts import choose
    from luthier.evaluate.ladder import NAMES, Budget, climb
    from luthier.setup.plan import inspect_machine
    from luthier.tune.ladder import Size

    own = ProjectTexts(project, progress)
    kept, left = choose(own.held_out("validation"), max_bytes)
    budget = Budget(
        rungs=tuple(rungs) or tuple(NAMES),
        tokens=tokens,
        seconds=budget_s,
        size=Size(hidden_size, layers, _heads(hidden_size)),
        device=inspect_machine(own.device).device,
        threads=own.threads,
        seed=own.seed,
    )
    found = climb(kept, own.learned(), budget, progress, folder=save)
    found["texts"]["left_out"] = {"texts": len(left), "bytes": sum(t.size_bytes for t in left)}
    return found


def _heads(width: int) -> int:
    """As many heads of 32 as fit, or fewer that divide the width."""
    return next(heads for heads in range(max(1, width // 32), 0, -1) if width % heads == 0)


def show(found: Mapping[str, Any], console: Console) -> None:
    """Print the rungs, the lowest first.

    Args:
        found: From ``evaluate.ladder.climb``.
        console: Where to print.
    """
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    if not console.is_terminal:
        console.width = max(console.width, WIDTH)
    texts = found["texts"]
    number = "1 text" if texts["texts"] == 1 else f"{texts['texts']:,} texts"
    said = f"{number}, {texts['bytes']:,} bytes, of the validation side"
    console.print(Text(said), soft_wrap=True)
    table = Table(box=None, padding=(0, 1), collapse_padding=True, header_style="dim")
    for place, name in enumerate(COLUMNS):
        table.add_column(name, justify="right" if place else "left", no_wrap=True)
    for row in found["rungs"]:
        table.add_row(*map(escape, _cells(row)))
    console.print(table)
    console.print(Text(headline(found), style="bold"), soft_wrap=True)
    for line in (_learned(found), *notes(found)):
        console.print(Text(line, style="dim"), soft_wrap=True)


def _cells(row: Mapping[str, Any]) -> list[str]:
    """A rung as text, in the order of ``COLUMNS``."""
    from luthier.cli._screen import count

    return [
        row["kind"] + ("*" if row["pseudo"] else ""),
        _interval(row["bits_per_byte"]),
        _above(row),
        count(row["parameters"]),
        count(row["tokens"]),
        f"{row['train_s']:.1f}",
        f"{row['score_s']:.1f}",
    ]


def _learned(found: Mapping[str, Any]) -> str:
    """What all rungs were trained on."""
    learned = found["learned"]
    return (
        f"Trained on {learned['texts']:,} texts, {learned['bytes']:,} bytes: "
        f"{learned['tokens']:,} tokens of a vocabulary of {found['vocab_size']:,}, "
        f"{found['passes']:.1f} passes. {learned['aside']:,} more decided the best step."
    )


def headline(found: Mapping[str, Any]) -> str:
    """One sentence on the best rung."""
    rows = {row["name"]: row for row in found["rungs"]}
    if found["best"] is None:
        return "No rung here gives a true likelihood."
    best = rows[found["best"]]
    near = [r["kind"] for r in rows.values() if r.get("verdict") == "cannot tell apart"]
    if near:
        return f"Cannot tell {best['kind']} apart from {' and '.join(near)}."
    if any(row.get("verdict") == "too few texts" for row in rows.values()):
        return f"Too few texts to tell whether {best['kind']} is the best."
    if len([row for row in rows.values() if not row["pseudo"]]) == 1:
        return f"{best['kind']} needs {best['bits_per_byte']['mean']:.3f} bits per byte."
    return f"{best['kind']} needs the fewest bits per byte, clearly, on this budget."


def notes(found: Mapping[str, Any]) -> list[str]:
    """What must be known to read the table, one line each."""
    lines = []
    if any(row["pseudo"] for row in found["rungs"]):
        lines.append(
            "* Pseudo-likelihood: each token is predicted from those behind it too. It is no "
            "likelihood of the text, and cannot be compared with the other rungs."
        )
    if found["rungs"][0]["bits_per_byte"]["low"] is None:
        lines.append("No intervals: they need eight texts.")
    else:
        drawn = f"{found['drawn']:,} {found['drawn_from']}"
        lines.append(f"{found['confidence']:.0%} intervals, resampling {drawn}.")
    left = found["texts"].get("left_out", {"texts": 0})
    if left["texts"]:
        lines.append(
            f"Left out: {left['texts']:,} texts with {left['bytes']:,} bytes, past --max-bytes."
        )
    return lines


def _above(row: Mapping[str, Any]) -> str:
    verdict = str(row.get("verdict", ""))
    return _interval(row["against_best"]) if verdict == "worse" else verdict


def _interval(found: Mapping[str, float | None]) -> str:
    parts = [f"{value:.3f}" for value in found.values() if value is not None]
    return parts[0] if len(parts) == 1 else f"{parts[0]} [{parts[1]}, {parts[2]}]"
