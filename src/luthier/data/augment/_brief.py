"""What augmenting did, as the short tables a person reads; ``augment.json`` holds all of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LISTED = ("augmenters", "reasons")


def in_brief(told: Mapping[str, Any]) -> dict[str, Any]:
    """Counts, a line for each augmenter and each side attacked, and the reasons of refusals.

    Args:
        told: What ``augment`` returned.
    """
    lines: dict[str, dict[str, Any]] = {}
    attacks: dict[str, dict[str, Any]] = {}
    for number, one in enumerate(told["augmenters"], start=1):
        attack = one.get("robustness")
        name = f"{number} {attack['method'] if attack else one['kind']}"
        lines[name] = {
            "candidates": one["candidates"],
            "kept": one["kept"],
            "rows_without": one["without"],
            "seconds": one["seconds"],
        }
        for side in ("train", "validation") if attack else ():
            attacks[f"{name} {side}"] = _held_out(attack[side])
    plain = {key: value for key, value in told.items() if key not in _LISTED}
    brief = plain | {"augmenters": lines, "reasons": told["reasons"]}
    return brief | ({"robustness": attacks} if attacks else {})


def _held_out(report: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "attacked": report["attacked"],
        "accuracy": _with_interval(report["accuracy"]),
        "under_attack": _with_interval(report["accuracy_under_attack"]),
        "words_changed": report["words_changed"]["value"],
        "queries_per_row": report["queries"]["value"],
    }


def _with_interval(figure: Mapping[str, Any]) -> str | None:
    if figure["value"] is None:
        return None
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"
