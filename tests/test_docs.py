"""The documentation says what the program does: generated pages are fresh, commands exist."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import subprocess
from pathlib import Path
from types import ModuleType

import click
import pytest

from luthier.config import load

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "luthier"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(p for p in (ROOT / "docs").rglob("*.md") if "_build" not in p.parts),
]

# What a part of a project file shown alone is put beneath.
SMALLEST = "name: page\ndata:\n  sources: [{kind: pydoc}]\n"


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = _load(ROOT / "tools" / "make_reference.py")


@pytest.mark.parametrize("name", sorted(reference.PAGES))
def test_reference_is_fresh(name: str) -> None:
    page = ROOT / "docs" / "reference" / name
    assert page.exists(), "run: make reference"
    assert page.read_text(encoding="utf-8") == reference.PAGES[name](), "run: make reference"


def test_every_setting_is_explained() -> None:
    silent = [path for path, field in reference.settings() if not field.get("description")]
    assert not silent, f"fields without a docstring: {silent}"


def test_every_command_and_option_is_explained() -> None:
    silent = []
    for name, command in reference.commands():
        if not command.help:
            silent.append(name)
        silent += [
            f"{name} {parameter.name}"
            for parameter in command.params
            if isinstance(parameter, click.Option) and not parameter.help
        ]
    assert not silent, f"commands or options without help: {silent}"


def _commands(page: Path) -> list[str]:
    """The lines of a page's indented and fenced shell blocks, without comments and prompts."""
    lines = []
    fenced = False
    joined = re.sub(r"\\\n\s*", "", page.read_text(encoding="utf-8"))  # a command on several lines
    for line in joined.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            lines.append(line.strip().removeprefix("$ ").split(" #")[0].strip())
    return lines


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_in_the_pages_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    known = dict(reference.commands())
    for line in _commands(page):
        if re.match("make [a-z]", line):
            wanted = [word for word in line.split()[1:] if re.fullmatch("[a-z]+", word)]
            assert set(wanted) <= targets, f"no such make target: {line}"
        elif re.match(r"(\.venv/bin/)?luthier [a-z-]", line):
            _check_command(line, known)


def _check_command(line: str, known: dict[str, click.Command]) -> None:
    words = shlex.split(line, comments=True)[1:]
    if words[0].startswith("-"):
        return
    name = f"luthier {words[0]}"
    for word in words[1:]:
        if f"{name} {word}" not in known:
            break
        name = f"{name} {word}"
    assert name in known, f"no such command: {line}"
    options = {opt for parameter in known[name].params for opt in parameter.opts} | {"--help"}
    unknown = [w for w in words if w.startswith("-") and w.split("=")[0] not in options]
    assert not unknown, f"no such option: {unknown} in {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_project_files_in_the_pages_are_valid(page: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    for block in blocks:
        whole = block if re.search("^name:", block, re.M) else SMALLEST + block
        path = tmp_path / "luthier.yaml"
        path.write_text(whole, encoding="utf-8")
        load(path, ())


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_between_pages_hold(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    broken = [link for link in links if not (page.parent / link).exists()]
    assert not broken


@pytest.mark.parametrize("path", sorted(SRC.rglob("*.py")), ids=lambda p: str(p.relative_to(SRC)))
def test_everything_public_has_a_docstring(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    silent = [] if ast.get_docstring(tree) or not tree.body else ["the module"]
    holders: list[ast.Module | ast.ClassDef] = [tree]
    while holders:
        for node in holders.pop().body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if node.name.startswith("_"):
                continue
            if isinstance(node, ast.ClassDef):
                holders.append(node)
            if not ast.get_docstring(node):
                silent.append(node.name)
    assert not silent, f"no docstring: {silent}"


# Spelt in two parts, so that this file does not hold what it forbids.
FORBIDDEN = re.compile(
    "|".join(
        (
            r"(?<![\w.])/" + r"work/",
            r"(?<![\w.])/" + r"root/",
            r"(?<![\w.])/" + r"opt/pypi",
            r"/tmp/" + r"team",
            r"\bfar" + r"m-",
            r"\bpy" + r"pi\.org",
            r"python" + r"hosted\.org",
        )
    )
)


def test_nothing_of_the_makers_machine_is_in_the_repository() -> None:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = []
    for name in filter(None, listing.split("\0")):
        path = ROOT / name
        if not path.is_file() or path.suffix in {".safetensors", ".parquet", ".png"}:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{name}: {match.group()}" for match in FORBIDDEN.finditer(text)]
    assert not found


def test_exit_codes_are_distinct() -> None:
    codes = [error.exit_code for error in reference.errors()]
    assert len(codes) == len(set(codes))
