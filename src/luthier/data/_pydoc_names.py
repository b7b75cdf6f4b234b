"""Which objects of a package are public, and by which name each is documented.

Runs inside the worker process, so it imports nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import inspect
import pkgutil
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType, ModuleType
from typing import Any

IMPORT_SECONDS = 60
SKIPPED_STDLIB = frozenset(
    [
        "antigravity",
        "this",
        "test",
        "idlelib",
        "turtledemo",
        "lib2to3",
        "__main__",
        "turtle",
        "pydoc_data",
    ]
)
SKIPPED_PARTS = frozenset(["test", "tests", "conftest", "__main__", "setup"])

Refuse = Callable[[str, str, str], None]


@dataclasses.dataclass(slots=True)
class Found:
    """A public object and all names it can be reached by.

    Attributes:
        target: The object whose docstring is read.
        kind: ``module``, ``class``, ``function``, ``method`` or ``property``.
        names: Public names, unordered.
        owner: The module that defines it.
        holders: For methods and properties, the public class that each name goes through.
        raw: For methods, what stands in the class body (a ``staticmethod``, a function ...).
    """

    target: Any
    kind: str
    names: set[str]
    owner: str
    holders: dict[str, type] = dataclasses.field(default_factory=dict)
    raw: Any = None

    @property
    def name(self) -> str:
        """The shortest name; one that ends in the object's own name goes before an alias."""
        own = "" if self.kind == "module" else getattr(self.target, "__name__", "")
        return min(self.names, key=lambda n: (n.rpartition(".")[2] != own, len(n), n))


class Scope:
    """The modules of one package: ``stdlib`` or an import name."""

    def __init__(self, package: str, exclude: tuple[str, ...]) -> None:
        self.package = package
        self.exclude = exclude

    def roots(self) -> list[str]:
        """Top-level modules, sorted."""
        if self.package != "stdlib":
            return [self.package]
        names = (n for n in sys.stdlib_module_names if not n.startswith("_"))
        return sorted(n for n in names if n not in SKIPPED_STDLIB and self.wanted(n))

    def holds(self, module: str) -> bool:
        """Whether a module of this name belongs to the package."""
        top = module.partition(".")[0]
        return top in sys.stdlib_module_names if self.package == "stdlib" else top == self.package

    def wanted(self, name: str) -> bool:
        """Whether ``exclude`` lets a qualified name through."""
        return not any(name == e or name.startswith(f"{e}.") for e in self.exclude)


def import_all(
    scope: Scope, refuse: Refuse, before: Callable[[str], None]
) -> dict[str, ModuleType]:
    """Import every public module of the package.

    Args:
        scope: The package.
        refuse: Called with (reason, origin, detail) for each module that cannot be imported.
        before: Called with each module's name before its import, so that a crash can be blamed.
    """
    modules: dict[str, ModuleType] = {}
    waiting = scope.roots()
    while waiting:
        name = waiting.pop(0)
        before(name)
        try:
            with _time_limit(IMPORT_SECONDS):
                module = importlib.import_module(name)
        except BaseException as error:  # a module may raise SystemExit on import
            if isinstance(error, KeyboardInterrupt):
                raise
            refuse("module cannot be imported", name, f"{type(error).__name__}: {error}")
            continue
        modules[name] = module
        waiting = list(_children(scope, name, module)) + waiting
    return modules


def _children(scope: Scope, name: str, module: ModuleType) -> Iterator[str]:
    for info in pkgutil.iter_modules(list(getattr(module, "__path__", []))):
        child = f"{name}.{info.name}"
        skipped = info.name.startswith("_") or info.name in SKIPPED_PARTS
        if not skipped and info.name.isidentifier() and scope.wanted(child):
            yield child


@contextlib.contextmanager
def _time_limit(seconds: int) -> Iterator[None]:
    def expire(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"import took longer than {seconds} s")

    old = signal.signal(signal.SIGALRM, expire)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)


def find_objects(scope: Scope, modules: dict[str, ModuleType]) -> list[Found]:
    """Every public object the package defines, each once, sorted by name."""
    found: dict[int, Found] = {}
    for name, module in modules.items():
        one = found.setdefault(id(module), Found(module, "module", set(), name))
        one.names.add(name)
    _add_module_aliases(found, modules)
    for module in modules.values():
        for attribute, value in _public_members(module):
            for name in found[id(module)].names:
                _add_member(
                    scope, found, name, attribute, value, declared=hasattr(module, "__all__")
                )
    for one in [f for f in found.values() if f.kind == "class"]:
        _add_class_members(scope, found, one)
    kept = [f for f in found.values() if scope.wanted(f.name)]
    return sorted(kept, key=lambda f: f.name)


def _add_module_aliases(found: dict[int, Found], modules: dict[str, ModuleType]) -> None:
    for name, module in modules.items():
        for attribute in getattr(module, "__all__", None) or ():
            value = vars(module).get(attribute) if isinstance(attribute, str) else None
            if isinstance(value, ModuleType) and id(value) in found:
                found[id(value)].names.add(f"{name}.{attribute}")


def _public_members(module: ModuleType) -> Iterator[tuple[str, Any]]:
    declared = getattr(module, "__all__", None)
    names = declared if isinstance(declared, list | tuple) else list(vars(module))
    for name in dict.fromkeys(n for n in names if isinstance(n, str)):
        if name.isidentifier() and not name.startswith("_"):
            try:
                value = getattr(module, name)
            except BaseException:  # noqa: BLE001 - lazy attributes import what isn't installed
                continue
            yield name, value


def _add_member(
    scope: Scope, found: dict[int, Found], module: str, name: str, value: Any, *, declared: bool
) -> None:
    public = name if module == "builtins" else f"{module}.{name}"
    if not inspect.isclass(value) and not is_function_like(value):
        return
    owner = owner_of(value) or module
    if not scope.holds(owner):
        return
    within = (
        module == "builtins"
        or owner == module
        or owner.startswith(f"{module}.")
        or owner.lstrip("_") == module
    )
    if not (declared or within):
        return
    kind = "class" if inspect.isclass(value) else "function"
    one = found.setdefault(identity_of(value), Found(value, kind, set(), owner))
    one.names.add(public)


def _add_class_members(scope: Scope, found: dict[int, Found], holder: Found) -> None:
    for name, raw in _own_members(scope, found, holder.target).items():
        kind = _member_kind(raw)
        if name.startswith("_") or not name.isidentifier() or not kind:
            continue
        target = getattr(raw, "__func__", raw)
        one = found.setdefault(
            identity_of(target), Found(target, kind, set(), holder.owner, raw=raw)
        )
        if one.kind in ("method", "property"):
            public = f"{holder.name}.{name}"
            one.names.add(public)
            one.holders.setdefault(public, holder.target)


def _own_members(scope: Scope, found: dict[int, Found], cls: type) -> dict[str, Any]:
    """What a class body defines, and what it inherits from classes that aren't public."""
    members: dict[str, Any] = {}
    for base in cls.__mro__:
        hidden = id(base) not in found and scope.holds(base.__module__)
        if base is cls or hidden:
            members = {**vars(base), **members}
    return members


def _member_kind(raw: Any) -> str:
    if isinstance(raw, staticmethod | classmethod) or inspect.isroutine(raw):
        return "method"
    if isinstance(raw, property) or inspect.isdatadescriptor(raw):
        return "property"
    return "property" if type(raw).__name__ in ("cached_property", "_tuplegetter") else ""


def is_function_like(value: Any) -> bool:
    """Functions, builtins, and callable instances that carry a name and a docstring of their own.

    The latter are numpy's universal functions and dispatched functions.
    """
    if inspect.isroutine(value):
        return True
    try:
        named = isinstance(value.__name__, str) and isinstance(value.__doc__, str)
        return named and callable(value) and value.__doc__ != type(value).__doc__
    except BaseException:  # noqa: BLE001 - attributes of foreign objects run their code
        return False


def owner_of(value: Any) -> str:
    """The module a class or function says it was defined in; "" if it does not say."""
    owner = getattr(value, "__module__", None)
    if not isinstance(owner, str):
        owner = getattr(getattr(value, "__self__", None), "__name__", None)  # C functions
    return owner if isinstance(owner, str) else ""


def identity_of(value: Any) -> int:
    """The same number for a function and for it bound to an object."""
    inner = getattr(value, "__func__", None)
    return id(inner) if inspect.isfunction(inner) else id(value)
