"""The group ``luthier rag`` and what its commands share."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from luthier.cli._rag import part_of
from luthier.cli.main import main
from luthier.cli.rag import COMMANDS
from luthier.rag.access import ANYONE


def test_the_help_lists_all_commands() -> None:
    told = CliRunner().invoke(main, ["rag", "--help"]).output
    assert all(name in told for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help(name: str) -> None:
    result = CliRunner().invoke(main, ["rag", name, "--help"])
    assert result.exit_code == 0
    assert "--project" in result.output


def test_who_asks_and_where() -> None:
    part = part_of(("ann",), ("kind=table", "topic=law"))
    assert part.who == ANYONE | {"ann"}
    assert (part.kinds, dict(part.where)) == (("table",), {"topic": ("law",)})
    assert part_of((), ()).who == ANYONE
