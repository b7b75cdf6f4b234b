"""``luthier schema`` prints a schema that editors understand."""

from __future__ import annotations

import json

from click.testing import CliRunner

from luthier.cli.main import main


def test_the_schema_is_json_and_says_which_dialect() -> None:
    result = CliRunner().invoke(main, ["schema"])
    assert result.exit_code == 0
    schema = json.loads(result.stdout)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {"name", "data", "model", "tune", "rag", "evaluate"} <= set(schema["properties"])
    kinds = schema["$defs"]["DataSpec"]["properties"]["sources"]["items"]["discriminator"]
    assert {"pydoc", "csv", "jsonl", "text"} <= set(kinds["mapping"])


def test_its_help_shows_the_lines_to_copy() -> None:
    told = CliRunner().invoke(main, ["schema", "--help"]).output
    assert "\n  luthier schema > luthier.schema.json\n  # yaml-language-server: $schema=" in told
    assert "\\b" not in told
