"""The shape of the house: small files, small functions, a front file and tests for each room."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "luthier"
FILE_LINES = 400
FUNCTION_LINES = 60

FRONTS = {
    "cli": "main.py",
    "data": "prepare.py",
    "evaluate": "compare.py",
    "models": "load.py",
    "monitor": "watch.py",
    "rag": "index.py",
    "serve": "serve.py",
    "setup": "plan.py",
    "stages": "work.py",
    "tune": "tune.py",
}

# Source files that need no test file of their own, and what tests them instead. Keep it short.
TESTED_ELSEWHERE: dict[str, str] = {
    "__main__.py": "tests/cli/test_main.py",
    "stages/answers.py": "tests/test_pipeline.py",
    "stages/model.py": "tests/test_pipeline.py",
}

SOURCES = sorted(p.relative_to(SRC) for p in SRC.rglob("*.py") if p.name != "__init__.py")
WRITTEN = sorted(
    path
    for folder in ("src", "tests", "tools", "benchmarks", "examples")
    for path in (ROOT / folder).rglob("*.py")
)


@pytest.mark.parametrize("path", WRITTEN, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_are_short(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= FILE_LINES, f"{path.name} has {lines} lines, more than {FILE_LINES}"


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_functions_are_short(path: Path) -> None:
    tree = ast.parse((SRC / path).read_text(encoding="utf-8"))
    long = {
        node.name: length
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES
    }
    assert not long, f"longer than {FUNCTION_LINES} lines: {long}"


def test_every_room_has_its_front_file() -> None:
    rooms = {p.parent.name for p in SRC.glob("*/__init__.py")} - {"core", "studio"}
    assert rooms == set(FRONTS)
    missing = [
        f"{room}/{front}" for room, front in FRONTS.items() if not (SRC / room / front).exists()
    ]
    assert not missing


def test_init_files_are_empty() -> None:
    full = [p for p in SRC.rglob("*/__init__.py") if p.read_text(encoding="utf-8").strip()]
    assert not full


def _own_tests(path: Path) -> list[Path]:
    """Where a source file's tests may stand: ``_x.py`` has ``test_x.py`` or ``test__x.py``."""
    names = dict.fromkeys((path.name, path.name.lstrip("_")))
    return [ROOT / "tests" / path.parent / f"test_{name}" for name in names]


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_every_source_file_has_its_test_file(path: Path) -> None:
    if str(path) not in TESTED_ELSEWHERE:
        assert any(p.exists() for p in _own_tests(path)), "write its test file"


@pytest.mark.parametrize("name", TESTED_ELSEWHERE)
def test_exceptions_are_still_needed(name: str) -> None:
    path = Path(name)
    assert path in SOURCES, f"{name} is gone: take it off the list"
    assert not any(p.exists() for p in _own_tests(path)), f"{name} has its own test: take it off"
    assert (ROOT / TESTED_ELSEWHERE[name]).exists()


@pytest.mark.parametrize("room", [*FRONTS, "core"])
def test_test_files_stand_beside_a_source_file(room: str) -> None:
    expected = {test for path in SOURCES for test in _own_tests(path)}
    strays = set((ROOT / "tests" / room).rglob("test_*.py")) - expected
    assert not strays, f"no source file of that name: {sorted(strays)}"
