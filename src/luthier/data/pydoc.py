"""Source kind ``pydoc``: the documentation of installed Python packages.

One document per public module, class, function, method and property that has a docstring of its
own. The packages are imported in a process apart (``_pydoc_worker``), because importing arbitrary
modules has side effects.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.core.progress import Progress
from luthier.core.records import Document
from luthier.core.spec import runtime
from luthier.data._pydoc_names import SKIPPED_PARTS, SKIPPED_STDLIB
from luthier.data.sources._access import Guarded

MAX_CRASHES = 5


class PydocSource(Guarded):
    """The documentation of installed Python packages."""

    kind: Literal["pydoc"] = "pydoc"
    packages: tuple[str, ...] = Field(default=("stdlib",), min_length=1)
    """Import names; ``stdlib`` is the running Python's standard library."""
    exclude: tuple[str, ...] = ()
    """Qualified names left out, with all below them (``tkinter``, ``encodings``)."""
    max_documents: int | None = Field(default=None, gt=0)
    """Keep about this many, chosen by a hash of their names; all if not given."""
    timeout_s: int = runtime(default=600, gt=0)
    """Seconds one package may take; then it is an error."""


def read_pydoc(
    source: PydocSource, ledger: Ledger, progress: Progress
) -> tuple[list[Document], int]:
    """Collect the documents of all named packages, sorted by name within each.

    Args:
        source: What to read.
        ledger: Gets a line for each object without usable documentation and each module that
            cannot be imported.
        progress: Shows the count.

    Returns:
        The documents, and how many more there are beyond ``max_documents``.

    Raises:
        DataError: A package is not installed, takes too long, or crashes Python repeatedly.
    """
    documents: dict[str, Document] = {}
    for package in source.packages:
        _package_root(package)
        before = len(documents)
        with progress.task(f"Reading {package}") as task:
            for line in _worker_lines(package, source):
                if "refused" in line:
                    ledger.refuse(**line["refused"])
                    continue
                document = Document(**line["document"])
                if document.id in documents:
                    ledger.refuse("name already taken", document.origin, document.id)
                    continue
                documents[document.id] = document
                task.advance()
        if len(documents) == before:
            raise _nothing_in(package, ledger)
    kept = _sample(list(documents.values()), source.max_documents)
    return kept, len(documents) - len(kept)


def _nothing_in(package: str, ledger: Ledger) -> DataError:
    failed = next((e for e in ledger.entries if e.origin == package), None)
    return DataError(
        f"'{package}' yields no document"
        + (f": {failed.reason} ({failed.detail})" if failed else ""),
        where="data.sources (pydoc)",
        mend="Mend its installation, check `exclude`, or leave the package out.",
    )


def digest_pydoc(source: PydocSource) -> str:
    """A digest of the packages' versions and Python files, without importing them."""
    found = hashlib.sha256(platform.python_version().encode())
    for package in source.packages:
        root = _package_root(package)
        found.update(f"{package}={_version(package)}".encode())
        for path in _python_files(package, root):
            found.update(f"\n{path.relative_to(root).as_posix()}\n".encode())
            found.update(path.read_bytes())
    return found.hexdigest()


def _python_files(package: str, root: Path) -> Iterator[Path]:
    skipped = SKIPPED_PARTS | {"__pycache__", "site-packages", "dist-packages"}
    if package == "stdlib":
        skipped = skipped | SKIPPED_STDLIB
    if root.is_file():
        return
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in skipped)
        for name in sorted(files):
            if name.endswith(".py"):
                yield Path(folder) / name


def _package_root(package: str) -> Path:
    if package == "stdlib":
        return Path(sysconfig.get_path("stdlib"))
    try:
        spec = importlib.util.find_spec(package) if "." not in package else None
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        raise DataError(
            f"the Python package '{package}' is not installed",
            where="data.sources (pydoc)",
            mend=f"Install it into this environment ({sys.executable} -m pip install ...), or use "
            "the name it is imported by (sklearn, not scikit-learn).",
        )
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(spec.origin or ".")


def _version(package: str) -> str:
    if package == "stdlib":
        return platform.python_version()
    names = importlib.metadata.packages_distributions().get(package, [])
    return importlib.metadata.version(names[0]) if names else ""


def _worker_lines(package: str, source: PydocSource) -> Iterator[dict[str, Any]]:
    """Lines of the worker; a module whose import kills the process is refused and left out."""
    crashed: list[str] = []
    while True:
        lines, importing, reason = _run_worker(package, (*source.exclude, *crashed), source)
        if not reason:
            yield from (
                {"refused": {"reason": "module crashes Python", "origin": name, "detail": ""}}
                for name in crashed
            )
            yield from lines
            return
        if reason == "timeout" or not importing or len(crashed) == MAX_CRASHES:
            raise DataError(
                f"reading the documentation of '{package}' failed ({reason})",
                where=importing or package,
                mend="Leave the module out with `exclude`, or raise `timeout_s`.",
            )
        crashed.append(importing)


def _run_worker(
    package: str, exclude: tuple[str, ...], source: PydocSource
) -> tuple[list[dict[str, Any]], str, str]:
    """Run one worker to its end: (lines, module being imported, reason of failure or "")."""
    command = [sys.executable, "-P", "-m", "luthier.data._pydoc_worker", package, *exclude]
    lines: list[dict[str, Any]] = []
    importing, done = "", False
    with tempfile.TemporaryDirectory() as home:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(home),
            cwd=home,
        )
        clock = threading.Timer(source.timeout_s, process.kill)
        clock.start()
        assert process.stdout is not None
        try:
            for raw in process.stdout:
                if not raw.endswith(b"\n"):  # killed while it wrote
                    break
                line = json.loads(raw)
                importing = line.get("importing", importing)
                done = done or "done" in line
                if "document" in line or "refused" in line:
                    lines.append(line)
            process.wait()
            timed_out = not clock.is_alive()
        finally:
            clock.cancel()
            process.kill()
            process.wait()
            process.stdout.close()
    if done:
        return lines, importing, ""
    return lines, importing, "timeout" if timed_out else f"exit status {process.returncode}"


def _environment(home: str) -> dict[str, str]:
    """An environment in which imports open no windows and write nothing to the user's home."""
    here = str(Path(__file__).resolve().parents[2])
    paths = [here, *filter(None, [os.environ.get("PYTHONPATH", "")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "SETUPTOOLS_USE_DISTUTILS": "stdlib",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": home,
        "HF_HUB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
        "DISPLAY": "",
    }


def _sample(documents: list[Document], limit: int | None) -> list[Document]:
    if limit is None or len(documents) <= limit:
        return documents

    def order(document: Document) -> bytes:
        return hashlib.sha256(document.id.encode()).digest()

    kept = {d.id for d in sorted(documents, key=order)[:limit]}
    return [d for d in documents if d.id in kept]
