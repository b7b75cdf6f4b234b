"""Write docs/reference: every command, every setting and every exit code, from the code itself.

Run ``make reference`` after changing a command, a Spec or an error; ``tests/test_docs.py`` fails
while the pages differ from what this would write.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from luthier.cli.main import main
from luthier.config import Project
from luthier.core.errors import LuthierError

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
MADE = "<!-- Made by tools/make_reference.py (`make reference`): do not edit. -->\n"
LONGEST_DEFAULT = 60
RUNTIME = (
    "Settings marked *runtime* cannot change the numbers: they stay out of the names of "
    "artifacts, so changing one remakes nothing.\n"
)

NUMBERS = ("integer", "number")

Schema = dict[str, Any]


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command with its full name, the program itself first, then in order of its help."""
    yield from _commands("luthier", main)


def _commands(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name)
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None and not found.hidden:
                yield from _commands(f"{name} {child}", found)


def cli_page() -> str:
    """The help text of every command, as a terminal of 88 columns shows it."""
    parts = [MADE, "# Commands\n"]
    for name, command in commands():
        settings = {**main.context_settings, **command.context_settings}
        settings |= {"terminal_width": 88, "max_content_width": 88}
        context = click.Context(command, info_name=name, **settings)
        level = "##" if name.count(" ") < 2 else "###"
        parts.append(f"{level} `{name}`\n\n```text\n{command.get_help(context).strip()}\n```\n")
    return "\n".join(parts)


def sections() -> list[tuple[str, Schema]]:
    """Every Spec reachable from the project file: its path (``data.split``) and its schema."""
    schema = Project.model_json_schema()
    found = {"": ("", schema)}
    _descend("", schema, schema.get("$defs", {}), found)
    return list(found.values())


def _descend(
    path: str, section: Schema, specs: dict[str, Schema], found: dict[str, tuple[str, Schema]]
) -> None:
    """Add the Specs below ``section``, each once, every one followed by those below it."""
    for key, field in section["properties"].items():
        for reference, suffix in _references(field):
            spec = specs[reference]
            if reference not in found and "properties" in spec:
                name = f"{path}.{key}{suffix}" if path else f"{key}{suffix}"
                found[reference] = (name, spec)
                _descend(name, spec, specs, found)


def settings() -> Iterator[tuple[str, Schema]]:
    """Every setting: its path in the project file and its JSON Schema."""
    for path, section in sections():
        for key, field in section["properties"].items():
            if key != "kind" or "const" not in field:
                yield (f"{path}.{key}" if path else key), field


def _references(field: Schema, suffix: str = "") -> Iterator[tuple[str, str]]:
    if "$ref" in field:
        yield field["$ref"].rsplit("/", 1)[-1], suffix
    for tag, target in field.get("discriminator", {}).get("mapping", {}).items():
        yield target.rsplit("/", 1)[-1], f"{suffix} (kind: {tag})"
    for branch in (*field.get("anyOf", ()), *field.get("oneOf", ())):
        yield from _references(branch, suffix)
    for inner in (field.get("items"), field.get("additionalProperties")):
        if isinstance(inner, dict):
            yield from _references(inner, f"{suffix}[]")


def config_page() -> str:
    """One table for each part of the project file."""
    parts = [
        MADE,
        "# The project file\n",
        RUNTIME,
    ]
    for path, section in sections():
        parts.append(f"## `{path}`\n" if path else "## Top level\n")
        if section.get("description"):
            parts.append(_markdown(inspect.cleandoc(section["description"])) + "\n")
        parts.append("| setting | type | default | meaning |\n|---|---|---|---|")
        required = set(section.get("required", ()))
        for key, field in section["properties"].items():
            default = "*required*" if key in required else _default(field)
            parts.append(f"| `{key}` | {_type(field)} | {default} | {_meaning(field)} |")
        parts.append("")
    return "\n".join(parts)


def _meaning(field: Schema) -> str:
    text = _markdown(" ".join(field.get("description", "").split())).replace("|", "\\|")
    if "const" in field and not text:
        text = "Chooses this kind."
    numbers = [field, *(b for b in field.get("anyOf", ()) if b.get("type") in NUMBERS)]
    limits = [
        f"{sign} {_plain(branch[key])}"
        for branch in numbers
        for key, sign in (
            ("minimum", "≥"),
            ("exclusiveMinimum", ">"),
            ("maximum", "≤"),
            ("exclusiveMaximum", "<"),
        )
        if key in branch
    ]
    if limits:
        text += f" ({', '.join(limits)})"
    return f"{text} *runtime*" if field.get("runtime") else text


def _markdown(text: str) -> str:
    """Docstrings quote code with two backticks, Markdown with one."""
    return text.replace("``", "`")


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


def _default(field: Schema) -> str:
    if "default" not in field:
        return "as below"
    value = field["default"]
    if isinstance(value, dict) and "section" in _type(field):
        return "as below"
    if value is None:
        return "none"
    text = json.dumps(value, ensure_ascii=False)
    return f"`{text[:LONGEST_DEFAULT]}{'…' if len(text) > LONGEST_DEFAULT else ''}`"


def _type(field: Schema) -> str:
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if "$ref" in field or "discriminator" in field:
        return "section"
    if branches := field.get("anyOf") or field.get("oneOf"):
        names = [_type(b) for b in branches if b.get("type") != "null"]
        return " or ".join(dict.fromkeys(names))
    if items := field.get("prefixItems"):
        return f"list of {len(items)}, each {_type(items[0])}"
    if field.get("type") == "array" and "enum" in field.get("items", {}):
        return f"list, each {_type(field['items'])}"
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}))}"
    if field.get("type") == "object":
        return f"mapping to {_type(field['additionalProperties'])}"
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "yes/no"}
    return words.get(field.get("type", ""), "anything")


def errors() -> list[type[LuthierError]]:
    """The error tree, base first, by exit code."""
    return sorted([LuthierError, *LuthierError.__subclasses__()], key=lambda e: e.exit_code)


def errors_page() -> str:
    """The exit codes."""
    rows = [
        f"| {error.exit_code} | `{error.__name__}` | {(error.__doc__ or '').splitlines()[0]} |"
        for error in errors()
    ]
    head = "| code | error | when |\n|---|---|---|\n| 0 | | All went well. |"
    intro = (
        "Every error says what is wrong, where, and how to mend it, and ends the program with the "
        "code of its kind. An interrupted command (Ctrl-C) ends with 130; what it had begun is "
        "taken up again by the next run."
    )
    return "\n".join([MADE, "# Exit codes\n", intro, "", head, *rows, ""])


PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "config.md": config_page,
    "errors.md": errors_page,
}

if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for page_name, make in PAGES.items():
        (FOLDER / page_name).write_text(make(), encoding="utf-8")
        print(f"wrote docs/reference/{page_name}")
