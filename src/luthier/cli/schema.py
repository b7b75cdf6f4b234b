"""``luthier schema``: the project file's JSON Schema, for completion and checks in editors."""

from __future__ import annotations

import json

import click


@click.command()
def command() -> None:
    """Print the JSON Schema of the project file, for editors.

    Save it and name it in the first line of the project file, or in your editor's settings:

    \b
    luthier schema > luthier.schema.json
    # yaml-language-server: $schema=luthier.schema.json
    """  # noqa: D301 - click wants the character itself
    from luthier.config import Project

    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Project.model_json_schema(),
    }
    click.echo(json.dumps(schema, indent=2, ensure_ascii=False))
