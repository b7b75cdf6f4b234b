"""Where the numbers of a page come from: who answered, what was asked, how, and of which files."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from luthier.evaluate.pages.sides import Together

_LINE = re.compile(r":\d+$")
_FILES = 12


def facts(side: Together) -> list[tuple[str, tuple[str, ...]]]:
    """What is known of each run: a label, and one value for all runs or one for each."""
    told = [_of(run.run) for run in side.runs]
    for own, run in zip(told, side.runs, strict=True):
        own["folder"] = str(run.folder or "")
    labels = dict.fromkeys(label for own in told for label in own)
    found = []
    for label in labels:
        values = tuple(own.get(label, "") for own in told)
        if any(values):
            found.append((label, values[:1] if len(set(values)) == 1 else values))
    return found


def files(side: Together) -> list[tuple[str, int]]:
    """Files the items were read from, with the number of items of each, most first."""
    names = Counter(_LINE.sub("", origin) for origin in side.first.origins if origin)
    found = names.most_common(_FILES)
    left = len(names) - len(found)
    rest = sum(names.values()) - sum(count for _, count in found)
    return [*found, (f"and {left:,} more files", rest)] if left else found


def _of(run: Mapping[str, Any]) -> dict[str, str]:
    who, suite = run.get("answerer", {}), run.get("suite", {})
    told = {
        "who answered": who.get("name", ""),
        "its kind": who.get("kind", ""),
        "its digest": who.get("digest", ""),
        **{f"its {name}": value for name, value in _flat(who.get("identity", {})).items()},
        "suite": suite.get("name", ""),
        "suite's digest": suite.get("digest", ""),
        "suite's file": suite.get("path", ""),
        **_flat(run.get("settings", {})),
        "seed": run.get("seed", ""),
        **{f"version of {name}": value for name, value in _flat(run.get("versions", {})).items()},
        "answers known from before": run.get("reused_answers", ""),
    }
    return {name: value if isinstance(value, str) else _text(value) for name, value in told.items()}


def _flat(told: Mapping[str, Any], before: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in told.items():
        label = f"{before}{name.replace('_', ' ')}"
        if isinstance(value, Mapping):
            found |= _flat(value, f"{label}, ")
        else:
            found[label] = _text(value)
    return found


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value)) or "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
