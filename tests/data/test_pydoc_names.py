"""Which names are public."""

from __future__ import annotations

import sys
import types

import pytest

from luthier.data._pydoc_names import Found, Scope, find_objects, import_all


def _module(name: str, **members: object) -> types.ModuleType:
    module = types.ModuleType(name, "A module.")
    for key, value in members.items():
        setattr(module, key, value)
    return module


def _function(name: str, owner: str):  # type: ignore[no-untyped-def]
    def made() -> None:
        """Do."""

    made.__name__ = made.__qualname__ = name
    made.__module__ = owner
    return made


def _names(scope: Scope, *modules: types.ModuleType) -> set[str]:
    return {f.name for f in find_objects(scope, {m.__name__: m for m in modules})}


def test_the_shortest_public_name_wins_and_aliases_lose() -> None:
    join = _function("join", "p.posix")
    path = _module("p.posix", __all__=["join"], join=join)
    top = _module("p", __all__=["path", "combine"], path=path, combine=join)
    assert _names(Scope("p", ()), top, path) == {"p", "p.path", "p.path.join"}


def test_without_all_only_its_own_names_count() -> None:
    own, inner = _function("own", "p"), _function("inner", "p._x")
    foreign, sibling = _function("dumps", "json"), _function("tool", "p.tools")
    top = _module("p", own=own, inner=inner, dumps=foreign)
    user = _module("p.user", tool=sibling)
    assert _names(Scope("p", ()), top, user) == {"p", "p.own", "p.inner", "p.user"}


def test_exclude_is_by_whole_parts() -> None:
    scope = Scope("p", ("p.a",))
    assert not scope.wanted("p.a")
    assert not scope.wanted("p.a.b")
    assert scope.wanted("p.ab")


def test_standard_library_scope() -> None:
    scope = Scope("stdlib", ("json",))
    roots = scope.roots()
    assert "textwrap" in roots
    assert not {"json", "antigravity", "this", "_io", "test", "idlelib"} & set(roots)
    assert scope.holds("_io")
    assert not scope.holds("numpy.linalg")


def test_lazy_attributes_that_fail_are_passed_over() -> None:
    module = _module("p", __all__=["missing", "there"], there=_function("there", "p"))
    assert _names(Scope("p", ()), module) == {"p", "p.there"}


def test_import_failures_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[tuple[str, str, str]] = []
    monkeypatch.setitem(sys.modules, "nowhere_at_all", None)  # type: ignore[arg-type]
    seen: list[str] = []
    found = import_all(Scope("nowhere_at_all", ()), lambda *line: refused.append(line), seen.append)
    assert not found
    assert seen == ["nowhere_at_all"]
    assert refused[0][:2] == ("module cannot be imported", "nowhere_at_all")


def test_own_name_goes_before_a_shorter_alias() -> None:
    found = Found(len, "function", {"m.l", "module.len"}, "m")
    assert found.name == "module.len"
