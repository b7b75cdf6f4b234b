"""Reads the documentation of one package and writes it as JSON lines: run in a process of its own.

    python -m luthier.data._pydoc_worker stdlib [excluded ...]

Importing arbitrary modules has side effects, so the parent never does. Lines on standard output
are ``{"importing": name}``, ``{"document": {...}}``, ``{"refused": {...}}`` and at the end
``{"done": true}``. Imports nothing of Luthier's but its own two helpers.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import json
import os
import platform
import re
import sys
import sysconfig
import warnings
from pathlib import Path
from types import BuiltinFunctionType, ModuleType
from typing import Any

from luthier.data._pydoc_names import Found, Scope, find_objects, import_all, owner_of
from luthier.data._pydoc_text import (
    clean_doc,
    first_sentence,
    normal_signature,
    signature_text,
    split_signature_line,
)

BOILERPLATE = re.compile(
    r"Initialize self\.|See help\(type\(self\)\)|Alias for field number \d+|An enumeration\.$"
    r"|Create and return a new object\."
    r"|Return (?:self[=<>!+]|repr\(self\)|str\(self\)|hash\(self\))"
    r"|Create a collection of name/value pairs\.|(?:The )?base class of the class hierarchy"
    r"|Structure/Union member|partial\(func, \*args|list of weak references to the object"
)


class Writer:
    """JSON lines to the parent, on a descriptor that imported modules cannot print to."""

    def __init__(self, file: io.TextIOBase) -> None:
        self._file = file

    def say(self, key: str, value: Any) -> None:
        """Write one line, at once."""
        self._file.write(json.dumps({key: value}) + "\n")
        self._file.flush()

    def refuse(self, reason: str, origin: str, detail: str = "") -> None:
        """Report an object or module that yields no document."""
        self.say("refused", {"reason": reason, "origin": origin, "detail": _printable(detail)})


class Places:
    """Where things stand in source files, relative to the folder the package lies in."""

    def __init__(self, root: Path) -> None:
        self._roots = tuple(dict.fromkeys((root, root.resolve())))
        self._lines: dict[str, dict[str, int]] = {}

    def origin(self, found: Found) -> str:
        """``textwrap.py:377``, or ``builtin:_operator`` where there is no Python source."""
        target = found.target
        if found.kind == "module":
            return self._relative(getattr(target, "__file__", None) or "", 1, found.owner)
        if found.kind == "property":
            target = getattr(target, "fget", None) or getattr(target, "func", None) or target
        target = _unwrap(target)
        code = getattr(target, "__code__", None) or _any_method_code(target)
        file = _file_of(getattr(code, "co_filename", ""), found.owner)
        qualified = getattr(target, "__qualname__", "") or found.name
        line = self._line(file, qualified) or getattr(code, "co_firstlineno", 0)
        return self._relative(file if line else "", line, found.owner)

    def _relative(self, file: str, line: int, owner: str) -> str:
        if file.endswith(".py"):
            for path in (Path(file), Path(os.path.realpath(file))):
                for root in self._roots:
                    if path.is_relative_to(root):
                        return f"{path.relative_to(root).as_posix()}:{max(line, 1)}"
        return f"builtin:{owner}"

    def _line(self, file: str, qualified: str) -> int:
        if file not in self._lines:
            self._lines[file] = _definitions(file)
        return self._lines[file].get(qualified.replace("<locals>.", ""), 0)


def _definitions(file: str) -> dict[str, int]:
    lines: dict[str, int] = {}

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                lines.setdefault(f"{prefix}{child.name}", child.lineno)
                visit(child, f"{prefix}{child.name}.")
            else:
                visit(child, prefix)

    with contextlib.suppress(OSError, SyntaxError, ValueError, RecursionError):
        visit(ast.parse(Path(file).read_bytes()), "")
    return lines


def _file_of(code_file: str, owner: str) -> str:
    frozen = re.fullmatch(r"<frozen ([\w.]+)>", code_file)
    if code_file and not frozen:
        return code_file
    module = sys.modules.get(frozen.group(1) if frozen else owner)
    return getattr(module, "__file__", None) or ""


def _any_method_code(target: Any) -> Any:
    if not inspect.isclass(target):
        return None
    for value in vars(target).values():
        code = getattr(value, "__code__", None)
        if code is not None and value.__qualname__.startswith(f"{target.__qualname__}."):
            return code
    return None


def _unwrap(target: Any) -> Any:
    try:
        return inspect.unwrap(target)
    except Exception:  # noqa: BLE001 - foreign attributes run any code
        return target


def describe(found: Found, places: Places, package: str, version: str) -> dict[str, Any] | str:
    """The document of one object as plain JSON, or the reason why there is none."""
    target = found.target
    doc = getattr(target, "__doc__", None)
    if not isinstance(doc, str) or not doc.strip():
        return "no docstring"
    name = found.name
    cleaned = clean_doc(doc)
    bare = name.rpartition(".")[2]
    said, rest = split_signature_line(cleaned, bare)
    signature = _signature(found)
    if said and not rest:
        return "docstring is only a signature"
    if rest and (said or signature):
        cleaned = rest
    signature = signature or normal_signature(said, drop_self=bool(found.holders))
    if reason := _unfit(found, cleaned):
        return reason
    head = _head(found, name, signature)
    bases = _bases(target) if found.kind == "class" else ""
    parts = [head] if head else []
    parts += [f"Bases: {bases}"] if bases else []
    return {
        "id": name,
        "title": name,
        "text": _printable("\n".join([*parts, cleaned])),
        "origin": places.origin(found),
        "kind": found.kind,
        "group": _group(found),
        "meta": {
            "signature": _printable(head) if signature else "",
            "parent": name.rpartition(".")[0],
            "summary": _printable(first_sentence(cleaned)),
            "bases": bases,
            "package": package,
            "package_version": version,
        },
    }


def _signature(found: Found) -> str:
    if found.kind in ("module", "property"):
        return ""
    if not found.holders:
        return signature_text(found.target, drop_first=False)
    bound = isinstance(found.raw, staticmethod | BuiltinFunctionType)
    return signature_text(found.target, drop_first=not bound)


def _head(found: Found, name: str, signature: str) -> str:
    if found.kind == "module":
        return ""
    if signature or found.kind in ("class", "property"):
        return f"{name}{signature}"
    return f"{name}(...)"


def _unfit(found: Found, doc: str) -> str:
    if not re.search(r"[A-Za-z]{2}", doc):
        return "docstring without words"
    if BOILERPLATE.match(doc):
        return "boilerplate docstring"
    if found.kind == "class":
        name = found.target.__name__
        if doc.startswith(f"{name}(") and doc.endswith(")") and "\n" not in doc:
            return "generated docstring"
        inherited = [b.__doc__ for b in found.target.__mro__[1:] if b.__doc__]
        if found.target.__doc__ in inherited:
            return "inherited docstring"
    if found.name in found.holders:
        name = found.name.rpartition(".")[2]
        for base in found.holders[found.name].__mro__[1:]:
            theirs = vars(base).get(name)
            theirs = getattr(theirs, "__func__", theirs)
            if theirs is found.target:
                continue
            if getattr(theirs, "__doc__", None) == found.target.__doc__:
                return "inherited docstring"
    return ""


def _bases(cls: type) -> str:
    named = []
    for base in cls.__bases__:
        module = base.__module__
        if base is not object and not base.__name__.startswith("_"):
            public = base.__qualname__
            named.append(public if module == "builtins" else f"{module}.{public}")
    return ", ".join(named)


def _group(found: Found) -> str:
    if found.kind == "module":
        return found.owner
    if holder := found.holders.get(found.name):
        return f"{holder.__module__}.{holder.__qualname__}"
    qualified = getattr(found.target, "__qualname__", "")
    bound_to = getattr(found.target, "__self__", None)
    bound = inspect.ismethod(found.target) or inspect.isbuiltin(found.target)
    if bound and bound_to is not None and not isinstance(bound_to, ModuleType):
        holder = bound_to if isinstance(bound_to, type) else type(bound_to)
        return f"{holder.__module__}.{holder.__qualname__}"
    if not qualified or "<" in qualified:
        return found.name
    return f"{owner_of(found.target) or found.owner}.{qualified}"


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")


def root_of(package: str) -> tuple[Path, str]:
    """The folder origins are relative to, and the package's version."""
    if package == "stdlib":
        return Path(sysconfig.get_path("stdlib")), platform.python_version()
    import importlib.metadata
    import importlib.util

    spec = importlib.util.find_spec(package)
    file = Path(spec.origin) if spec and spec.origin else Path()
    root = file.parent.parent if file.name == "__init__.py" else file.parent
    names = importlib.metadata.packages_distributions().get(package, [])
    return root, importlib.metadata.version(names[0]) if names else ""


def run(package: str, exclude: tuple[str, ...], writer: Writer) -> None:
    """Write every document of a package, sorted by name, then ``done``."""
    root, version = root_of(package)
    scope = Scope(package, exclude)
    modules = import_all(scope, writer.refuse, lambda name: writer.say("importing", name))
    writer.say("importing", "")
    places = Places(root)
    taken: set[str] = set()
    for found in find_objects(scope, modules):
        try:
            told = describe(found, places, package, version)
        except Exception as error:  # noqa: BLE001 - foreign descriptors may do anything
            told = "cannot be inspected"
            writer.refuse(told, found.name, repr(error))
            continue
        if isinstance(told, str):
            writer.refuse(told, found.name, str(getattr(found.target, "__doc__", "") or ""))
        elif told["id"] in taken:
            writer.refuse("name already taken", found.name)
        else:
            taken.add(told["id"])
            writer.say("document", told)
    writer.say("done", True)


def main(arguments: list[str]) -> None:
    """Silence imported modules, then run."""
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(5000)
    run(arguments[0], tuple(arguments[1:]), Writer(lines))
    lines.flush()
    os._exit(0)  # exit handlers of imported modules are none of our business


if __name__ == "__main__":
    main(sys.argv[1:])
