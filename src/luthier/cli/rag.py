"""``luthier rag``: the living index of a project, and what finds passages in it."""

from __future__ import annotations

import importlib

import click

# In the order of use. `luthier.cli.rag_<name>:command` is the command itself.
COMMANDS = {
    "index": "Make the project's living index, or bring it up to date.",
    "query": "Find passages, and say why each stands where it does.",
    "sync": "Bring the index up to date: only what changed is touched.",
    "evaluate": "Measure the search, and answers, on questions with known answers.",
    "calibrate": "Learn when to say that the documents do not answer.",
    "tune": "Search for the settings of retrieval that serve validation questions best.",
    "fit": "Fit ranking on questions with known answers.",
    "health": "Look the index over: recall, staleness, versions, size.",
    "versions": "List the versions that one can go back to.",
    "rollback": "Go back to an old version.",
    "erase": "Remove documents from every version and from the disk.",
    "audit": "Tell who saw what.",
}


class Rag(click.Group):
    """A group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"luthier.cli.rag_{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Rag)
def command() -> None:
    """Index documents and find passages in them.

    The living index follows its sources and keeps versions; `luthier run` builds one of its own
    for each bundle.
    """
