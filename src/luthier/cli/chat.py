"""``luthier chat``: talk to a bundle in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from luthier.cli._project import project_options, store_root

if TYPE_CHECKING:
    from luthier.core.journal import AnswerRecord
    from luthier.core.records import Message
    from luthier.serve.service import Service


@click.command()
@click.argument("bundle", required=False)
@click.option("--once", metavar="QUESTION", help="Answer one question and end.")
@project_options
def command(bundle: str | None, once: str | None, project: Path | None, store: Path | None) -> None:
    """Talk to BUNDLE (a folder or a name; the latest run's if not given).

    The answer goes to standard output; its sources and id to standard error. Ctrl-C stops an
    answer; at the prompt it leaves, as Ctrl-D does. /new forgets the conversation so far.
    """
    if once is not None and not once.strip():
        raise click.BadParameter("the question is empty", param_hint="--once")
    from luthier.core.journal import FILE_NAME, Journal
    from luthier.core.store import Store
    from luthier.serve.bundle import find_bundle, open_bundle
    from luthier.serve.service import open_service

    root = store_root(project, store)
    opened = open_bundle(find_bundle(Store(root), bundle))
    service = open_service(opened, Journal(root / FILE_NAME))
    if once is not None:
        _once(service, once)
        return
    click.echo(f"{opened.name} ({opened.route}). /new begins anew, Ctrl-D leaves.", err=True)
    talk(service)


def _once(service: Service, question: str) -> None:
    """Answer one question; one that does not fit is an error, for a script to notice."""
    from luthier.core.errors import ServeError
    from luthier.core.records import Message

    record = _say(service, [Message("user", question)])
    if record is None:
        raise KeyboardInterrupt
    if record.finish_reason == "context":
        limit = service.answerer.context_length
        raise ServeError(
            f"the question is longer than the model's context: {record.prompt_tokens} tokens of "
            f"at most {limit}, answer included",
            where=record.id,
            mend="Shorten it; nothing is cut in silence.",
        )
    _show_sources(record)


def talk(service: Service) -> None:
    """Ask, answer, and ask again, until Ctrl-C or Ctrl-D at the prompt."""
    turns: list[Message] = []
    while True:
        try:
            question = input("> ").strip()
        except (EOFError, KeyboardInterrupt):
            click.echo(err=True)
            return
        if question == "/new":
            turns = []
        elif question:
            turns = _turn(service, turns, question)


def _turn(service: Service, turns: list[Message], question: str) -> list[Message]:
    """Answer one question on the screen; returns the conversation to go on with."""
    from luthier.core.records import Message

    asked = [*turns, Message("user", question)]
    record = _say(service, asked)
    if record is None:  # stopped
        return turns
    if record.finish_reason == "context" and turns:
        click.echo("(the conversation got too long; earlier turns are forgotten)", err=True)
        return _turn(service, [], question)
    _show_sources(record)
    if record.finish_reason == "context":
        return []
    return [*asked, Message("assistant", record.answer)]


def _say(service: Service, asked: list[Message]) -> AnswerRecord | None:
    """Print the answer while it comes; None if Ctrl-C stopped it."""
    pieces = service.stream(asked)
    try:
        for piece in pieces:
            if not isinstance(piece, str):
                click.echo()
                return piece
            click.echo(piece, nl=False)
    except KeyboardInterrupt:
        pieces.close()
        click.echo()
        click.echo("(stopped)", err=True)
    return None


def _show_sources(record: AnswerRecord) -> None:
    if record.finish_reason == "context":
        click.echo("(the question is longer than the model's context)", err=True)
    if record.finish_reason == "length":
        click.echo("(cut at the token limit)", err=True)
    for passage in record.passages:
        word = "cited" if passage.id in record.citations else "read, not verified"
        click.echo(f"  {passage.origin}  {passage.title} ({word})", err=True)
    click.echo(f"  {record.id}, {record.latency_s:.2f} s", err=True)
