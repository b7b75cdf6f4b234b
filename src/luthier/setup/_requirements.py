"""What the package says that it needs, and what of it is missing here.

It is read from the package's own metadata (its extras), or from pyproject.toml where the package
was installed to be edited, so there is no second list to keep.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import re
import tomllib
import urllib.parse
import urllib.request
from collections.abc import Iterable
from pathlib import Path

PACKAGE = "luthier"


@dataclasses.dataclass(frozen=True, slots=True)
class Requirement:
    """One line of the package's metadata.

    Attributes:
        name: The library.
        oldest: The least version asked for; empty for any.
        extra: The feature that needs it; empty for what is always needed.
    """

    name: str
    oldest: str
    extra: str


def parse(line: str) -> Requirement | None:
    """Read ``torch>=2.9; extra == 'tune'``; None for what points at the package itself.

    Markers about Python or the system are not looked at.
    """
    wanted, _, marker = line.partition(";")
    name = re.match(r"[A-Za-z0-9._-]+", wanted.strip())
    if name is None or name.group().lower() == PACKAGE:
        return None
    oldest = re.search(r">=\s*([0-9][0-9A-Za-z.]*)", wanted)
    extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", marker)
    return Requirement(
        name.group().replace("_", "-"),
        oldest.group(1) if oldest else "",
        extra.group(1) if extra else "",
    )


def included(lines: Iterable[str]) -> dict[str, set[str]]:
    """Extras that take in others of the same package: ``luthier[models]; extra == 'tune'``."""
    found: dict[str, set[str]] = {}
    for line in lines:
        inner = re.match(rf"\s*{PACKAGE}\[([^\]]+)\]", line, re.IGNORECASE)
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", line)
        if inner and extra:
            found.setdefault(extra.group(1), set()).update(
                name.strip() for name in inner.group(1).split(",")
            )
    return found


@dataclasses.dataclass(frozen=True, slots=True)
class Declared:
    """What the package says that it needs.

    Attributes:
        lines: As ``parse`` reads them.
        extras: Names of the features.
        source: Its source tree, where it was installed to be edited; empty otherwise.
    """

    lines: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    source: str = ""


def declared() -> Declared:
    """What this package needs, empty if it is not installed.

    Of a source tree it is what pyproject.toml says now, not what it said when it was installed.
    """
    try:
        package = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return Declared()
    told = json.loads(package.read_text("direct_url.json") or "{}")
    if told.get("dir_info", {}).get("editable"):
        tree = Path(urllib.request.url2pathname(urllib.parse.urlparse(told["url"]).path))
        try:
            project = tomllib.loads((tree / "pyproject.toml").read_text("utf-8"))["project"]
        except (OSError, ValueError, KeyError):  # moved, or broken while it is edited
            project = None
        if project is not None:
            extras = project.get("optional-dependencies", {})
            lines = [f"{line}; extra == '{name}'" for name in extras for line in extras[name]]
            return Declared((*project["dependencies"], *lines), tuple(extras), str(tree))
    extras = package.metadata.get_all("Provides-Extra") or ()
    return Declared(tuple(package.requires or ()), tuple(map(str, extras)))


def by_extra(declared: Declared) -> dict[str, list[Requirement]]:
    """What each extra needs, those it takes in counted; ``core`` first. Empty if not installed."""
    if not declared.lines:
        return {}
    every = [requirement for line in declared.lines if (requirement := parse(line))]
    inner = included(declared.lines)

    def needs(extra: str, seen: frozenset[str] = frozenset()) -> dict[str, Requirement]:
        own = {r.name: r for r in every if r.extra == extra}
        for other in inner.get(extra, set()) - seen:
            own = {**needs(other, seen | {extra}), **own}
        return own

    found = {"core": list(needs("").values())}
    for extra in sorted(set(declared.extras)):
        found[extra] = sorted(needs(extra).values(), key=lambda r: r.name)
    return found


def lacking(requirement: Requirement, version: str | None) -> str:
    """What is wrong with an installed library: ``torch``, ``torch 2.5 (2.9 needed)``, or nothing.

    Args:
        requirement: What is asked for.
        version: What is installed; None for nothing.
    """
    if version is None:
        return requirement.name
    if requirement.oldest and _numbers(version) < _numbers(requirement.oldest):
        return f"{requirement.name} {version} ({requirement.oldest} needed)"
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    """``2.13.0+cpu`` as (2, 13, 0): what stands before the first part that is no number."""
    found = []
    for part in version.split("+")[0].split("."):
        digits = re.match(r"\d+", part)
        if digits is None:
            break
        found.append(int(digits.group()))
    while found and found[-1] == 0:
        found.pop()
    return tuple(found)


def version_of(name: str) -> str | None:
    """What is installed of a library; None for nothing."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
