"""Which questions ``luthier rag evaluate`` and ``luthier rag calibrate`` ask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

if TYPE_CHECKING:
    from luthier.pipeline import Stop
    from luthier.rag.measure import Sought
    from luthier.stages.work import Work

Command = TypeVar("Command", bound=Callable[..., Any])
Asked = Literal["validation", "test"]


def question_options(command: Command) -> Command:
    """Give a command ``--side``, ``--made``, ``--questions``, ``--most`` and ``--as``."""
    options = (
        click.option(
            "--as",
            "names",
            multiple=True,
            metavar="NAME",
            help="Ask in the name of a user or group.",
        ),
        click.option("--most", type=click.IntRange(min=1), help="Draw so many of the questions."),
        click.option(
            "--made",
            type=click.IntRange(min=1),
            help="Ask so many questions made from the documents instead.",
        ),
        click.option(
            "--questions",
            "file",
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            help="Ask those of a file (JSON Lines: question, answer, document) instead.",
        ),
        click.option(
            "--side",
            type=click.Choice(["validation", "test"]),
            default="validation",
            show_default=True,
            help="The side of the project's rows whose questions are asked.",
        ),
    )
    for option in options:
        command = option(command)
    return command


def needed(made: int | None, file: Path | None) -> Stop:
    """The stage that the questions come from."""
    return "annotate" if made is not None or file is not None else "split"


def chosen(
    work: Work,
    side: Asked,
    made: int | None,
    file: Path | None,
    most: int | None,
    names: tuple[str, ...],
) -> tuple[list[Sought], str]:
    """The questions, and which they are in words.

    Raises:
        ConfigError: They are to be made and to be read.
        DataError: There are none.
    """
    from luthier.core.errors import ConfigError
    from luthier.core.ledger import Ledger
    from luthier.rag.access import viewer
    from luthier.rag.measure import as_viewer
    from luthier.stages import measuring

    if made is not None and file is not None:
        raise ConfigError("questions are made or read, not both", where="--made, --questions")
    ledger = Ledger()
    asked = measuring.questions(work, ledger, side=side, made=made, file=file, most=most)
    if names:
        asked = as_viewer(asked, viewer(names))
    said = f"of the {side} side"
    if file is not None:
        said = f"of {file}"
    elif made is not None:
        said = f"made from the documents, {ledger.refused:,} others refused as unfair"
    return asked, f"{len(asked):,} questions {said}"
