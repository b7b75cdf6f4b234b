"""Texts that come twice: left out before, still there, or there under different labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from luthier.core.ledger import FILE_NAME as LEDGER, read_ledger
from luthier.core.records import Example
from luthier.data.duplicates import DuplicatesSpec, find
from luthier.data.readiness import lights
from luthier.data.readiness.lights import Light, said_by

BY_CLEANING = ("exact duplicate", "near-duplicate")
BY_SPLITTING = ("repeated row",)
_SHOWN = 20


def duplicates(
    rows: Sequence[Example], documents: Sequence[str], earlier: Mapping[str, Path]
) -> Light:
    """Count texts that repeat an earlier one, and those that were left out for it.

    A row whose answer is its label is judged by what it asks, and only against rows of the same
    label: what differs in the label is no repetition but a contradiction.

    Args:
        rows: That were not made from others.
        documents: Texts of documents.
        earlier: Folders of the stages before by name, for their ledgers.
    """
    said = [(_plain(_judged(row)), row.label) for row in rows]
    said += [(_plain(text), "") for text in documents]
    different = list(dict.fromkeys(said))
    standing = find((text for text, _ in different), DuplicatesSpec()).standing_for.tolist()
    near = sum(
        place != twin and different[place][1] == different[twin][1]
        for place, twin in enumerate(standing)
    )
    return lights.duplicates(
        len(said) - len(different),
        near,
        len(said),
        by_cleaning=_refused(earlier, "clean", BY_CLEANING),
        by_splitting=_refused(earlier, "prepare", BY_SPLITTING),
    )


def contradictions(rows: Sequence[Example]) -> Light:
    """Find texts that stand in the data under several labels.

    Args:
        rows: That were not made from others; those without a label are passed over.
    """
    labelled = [row for row in rows if row.label]
    if not labelled:
        return Light("contradictory labels", "grey", "rows have no labels")
    alike: dict[str, list[Example]] = {}
    for row in labelled:
        alike.setdefault(_plain(row.question), []).append(row)
    torn = {text: found for text, found in alike.items() if len({r.label for r in found}) > 1}
    count = sum(map(len, torn.values()))
    shown = [
        {
            "text": found[0].question[:200],
            "labels": sorted({row.label for row in found}),
            "origins": sorted(row.origin for row in found)[:4],
        }
        for _, found in sorted(torn.items())[:_SHOWN]
    ]
    return Light(
        "contradictory labels",
        lights.worst(count / len(labelled), 1e-9, 0.02),
        f"texts that stand under several labels: {len(torn):,}; {count:,} of {len(labelled):,} "
        "labelled rows",
        "Read them in the page and put them right in the source; labels that nobody can tell apart "
        "are better one."
        if torn
        else "",
        {"contradictions": shown, "pairs": _pairs(torn)},
    )


def _pairs(torn: Mapping[str, Sequence[Example]]) -> dict[str, int]:
    """How many texts stand under both labels, by pair of labels, the most frequent first."""
    pairs = Counter(
        f"{one} / {other}"
        for found in torn.values()
        for labels in [sorted({row.label for row in found})]
        for number, one in enumerate(labels)
        for other in labels[number + 1 :]
    )
    return dict(sorted(pairs.items(), key=lambda kv: (-kv[1], kv[0]))[:_SHOWN])


def _judged(row: Example) -> str:
    return row.question if row.label and row.answer == row.label else said_by(row)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _refused(earlier: Mapping[str, Path], stage: str, reasons: Sequence[str]) -> int:
    """How many rows a stage left out for these reasons; 0 where it was not made."""
    if stage not in earlier or not (earlier[stage] / LEDGER).is_file():
        return 0
    found = read_ledger(earlier[stage]).reasons()
    return sum(found.get(reason, 0) for reason in reasons)
