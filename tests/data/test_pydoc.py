"""The documentation source: which objects become documents, under which names, from which lines."""

from __future__ import annotations

import gc
import textwrap
import warnings
from pathlib import Path

import pytest

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.core.records import Document
from luthier.data.pydoc import PydocSource, digest_pydoc, read_pydoc

FILES = {
    "__init__.py": '''
        """A small package."""
        import os
        from json import dumps
        from ._hidden import Public, helper
        from .parts import tool
        print("noise on standard output")
        input_like = os.read
    ''',
    "_hidden.py": '''
        import dataclasses, typing

        _MISSING = object()

        class _Base:
            def shared(self):
                """Comes from a private base."""

        class Public(_Base):
            """Does public things."""

            def __init__(self, size=3, *, kind=_MISSING):
                """Initialize self.  See help(type(self)) for accurate signature."""

            def act(self, x: int, *rest, flag: bool = True) -> str:
                """Act on `x`, see :class:`~small.Public`."""

            @classmethod
            def make(cls, n):
                """Make one."""

            @staticmethod
            def plain(a):
                """Stand alone."""

            @property
            def size(self):
                """The size in bytes."""

            def bare(self):
                return 1

        @dataclasses.dataclass
        class Row:
            a: int = 1

        Pair = typing.NamedTuple("Pair", [("left", int)])

        def helper(function=len, kind=int, where="a<b"):
            """Help with something."""
    ''',
    "parts.py": '''
        """Parts of it."""
        from ._hidden import Pair, Row
        __all__ = ["tool", "other_name", "Pair", "Row"]

        def tool(a, /, b=1, *, c):
            """tool(a, b) -> int

            Use a tool.
            """
        other_name = tool
    ''',
    "broken.py": "raise SystemExit('no')",
    "windows.py": "import no_such_module_anywhere",
    "tests/__init__.py": '"""Not documentation."""',
}


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "site"
    for name, text in FILES.items():
        path = root / "small" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(str(root))
    monkeypatch.setenv("PYTHONPATH", str(root))
    return root


def _read(*packages: str, **settings: object) -> tuple[dict[str, Document], Ledger]:
    ledger = Ledger()
    source = PydocSource.model_validate({"packages": packages, **settings})
    return {d.id: d for d in read_pydoc(source, ledger, Quiet())[0]}, ledger


def test_small_package(small: Path) -> None:
    documents, ledger = _read("small")
    assert {d.id: d.kind for d in documents.values()} == {
        "small": "module",
        "small.parts": "module",
        "small.Public": "class",
        "small.Public.act": "method",
        "small.Public.make": "method",
        "small.Public.plain": "method",
        "small.Public.shared": "method",
        "small.Public.size": "property",
        "small.helper": "function",
        "small.tool": "function",
    }
    assert ("refused", "module cannot be imported", "small.broken") in {
        (e.action, e.reason, e.origin) for e in ledger.entries
    }
    reasons = ledger.reasons()
    assert reasons["module cannot be imported"] == 2
    assert reasons["no docstring"] == 1  # bare()
    # Pair.left, and the generated docstrings of Row and Pair
    assert reasons["boilerplate docstring"] == 1
    assert reasons["docstring is only a signature"] == 2


def test_texts_signatures_and_groups(small: Path) -> None:
    documents, _ = _read("small")
    act = documents["small.Public.act"]
    assert act.text == "small.Public.act(x, *rest, flag=True)\nAct on x, see small.Public."
    assert act.group == documents["small.Public"].group == "small._hidden.Public"
    assert documents["small.Public.make"].meta["signature"] == "small.Public.make(n)"
    assert documents["small.Public.plain"].meta["signature"] == "small.Public.plain(a)"
    assert documents["small.Public"].meta["signature"] == "small.Public(size=3, *, kind=...)"
    helper = documents["small.helper"]
    assert helper.meta["signature"] == "small.helper(function=len, kind=int, where='a<b')"
    assert documents["small.tool"].text == "small.tool(a, /, b=1, *, c)\nUse a tool."
    assert documents["small.tool"].meta["summary"] == "Use a tool."


def test_origins_point_at_the_definition(small: Path) -> None:
    documents, _ = _read("small")
    for name, start in {
        "small.Public": "class Public",
        "small.Public.make": "def make",
        "small.Public.size": "def size",
        "small.tool": "def tool",
    }.items():
        file, _, line = documents[name].origin.rpartition(":")
        assert (small / file).read_text().split("\n")[int(line) - 1].strip().startswith(start)


def test_textwrap_golden() -> None:
    documents, _ = _read("textwrap")
    assert sorted(documents) == [
        "textwrap",
        "textwrap.TextWrapper",
        "textwrap.TextWrapper.fill",
        "textwrap.TextWrapper.wrap",
        "textwrap.dedent",
        "textwrap.fill",
        "textwrap.indent",
        "textwrap.shorten",
        "textwrap.wrap",
    ]
    fill = documents["textwrap.fill"]
    head = "textwrap.fill(text, width=70, **kwargs)\nFill a single paragraph of text, returning a"
    assert fill.text.startswith(head)
    assert fill.meta["summary"] == "Fill a single paragraph of text, returning a new string."
    assert fill.origin.startswith("textwrap.py:")


def test_a_module_that_kills_python_is_left_out(small: Path) -> None:
    (small / "small" / "deadly.py").write_text("import os; os._exit(11)")
    documents, ledger = _read("small")
    assert "small.tool" in documents
    assert ledger.reasons()["module crashes Python"] == 1


def test_exclude_and_max_documents(small: Path) -> None:
    documents, _ = _read("small", exclude=("small.Public",))
    assert not [name for name in documents if name.startswith("small.Public")]
    few, _ = _read("small", max_documents=3)
    assert len(few) == 3
    more, _ = _read("small", max_documents=5)
    assert set(few) < set(more)


def test_a_package_that_is_not_installed() -> None:
    with pytest.raises(DataError, match="no_such_package") as caught:
        _read("no_such_package")
    assert "pip install" in caught.value.mend


def test_timeout_is_an_error(small: Path) -> None:
    (small / "small" / "slow.py").write_text("import time; time.sleep(30)")
    with pytest.raises(DataError, match="timeout") as caught:
        _read("small", timeout_s=1)
    assert caught.value.where in ("small.slow", "small")


def test_a_worker_killed_while_it_writes_leaves_no_half_line_and_no_open_pipe(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = tmp_path / "stuck"
    stuck.write_text('#!/bin/sh\nprintf \'{"importing": "small.x"}\\n{"docu\'\nexec sleep 30\n')
    stuck.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(stuck))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        with pytest.raises(DataError, match="timeout") as error:
            _read("small", timeout_s=1)
        gc.collect()
    assert error.value.where == "small.x"
    assert not caught


def test_digest_follows_the_files(small: Path) -> None:
    source = PydocSource(packages=("small",))
    before = digest_pydoc(source)
    assert digest_pydoc(source) == before
    with (small / "small" / "parts.py").open("a") as file:
        file.write("\n# changed\n")
    assert digest_pydoc(source) != before


def test_the_worker_imports_nothing_into_this_process(small: Path) -> None:
    import sys

    _read("small")
    assert "small" not in sys.modules


def test_a_package_that_cannot_be_imported(small: Path) -> None:
    (small / "small" / "__init__.py").write_text("import no_such_module_anywhere")
    with pytest.raises(DataError, match=r"yields no document.*no_such_module_anywhere"):
        _read("small")
