from __future__ import annotations

from pathlib import Path

import numpy as np

from luthier.core.ledger import Ledger
from luthier.data.annotate._filled import Scheme
from luthier.data.annotate.adjudicate import disagreements, reliability, resolve
from luthier.data.annotate.items import Item
from luthier.data.annotate.labels import Label, when
from luthier.data.annotate.tasks import export_tasks, import_tasks

AT = when("2026-01-01T00:00:00Z")
NAMES = ("x", "y", "z")


def _said(row: str, **votes: str) -> list[Label]:
    return [Label(row, who, label, AT) for who, label in votes.items()]


def test_majority_leaves_ties_to_the_adjudicator() -> None:
    labels = [
        *_said("a", anna="x", bert="x", carl="y"),
        *_said("b", anna="x", bert="y"),
        *_said("c", anna="x", bert="y", judge="z"),
        *_said("d", anna="", bert="z", carl="gone"),
    ]
    found = resolve(labels, NAMES, how="majority", adjudicator="judge")
    assert (found["a"].label, round(found["a"].confidence, 2), found["a"].votes) == ("x", 0.67, 3)
    assert found["b"].label == ""
    assert (found["c"].label, found["c"].confidence) == ("z", 1.0)
    assert (found["d"].label, found["d"].votes) == ("z", 1)


def _crowd(rows: int) -> tuple[list[Label], list[str]]:
    """Two who are nearly always right, three who guess."""
    chance = np.random.default_rng(3)
    truth = [str(t) for t in chance.choice(NAMES, rows)]
    labels = []
    for who, right in (("anna", 0.95), ("bert", 0.9), ("c", 0.4), ("d", 0.4), ("e", 0.4)):
        for row, true in enumerate(truth):
            said = true if chance.random() < right else str(chance.choice(NAMES))
            labels.append(Label(f"r{row:03}", who, said, AT))
    return labels, truth


def test_weighing_annotators_beats_counting_them() -> None:
    labels, truth = _crowd(300)
    right = {}
    for how in ("majority", "dawid-skene"):
        found = resolve(labels, NAMES, how=how)
        right[how] = sum(found[f"r{i:03}"].label == t for i, t in enumerate(truth)) / len(truth)
    assert right["dawid-skene"] > right["majority"] + 0.05
    assert right["dawid-skene"] > 0.9


def test_reliability_finds_who_guesses() -> None:
    found = reliability(_crowd(300)[0], NAMES)
    assert min(found["anna"], found["bert"]) > 0.85 > 0.7 > max(found[w] for w in "cde")
    assert reliability([], NAMES) == {}


def test_disagreements_go_to_the_adjudicator_and_come_back(tmp_path: Path) -> None:
    items = [Item(r, f"text {r}", f"f:{r}") for r in "abc"]
    labels = [
        *_said("a", anna="x", bert="y"),
        *_said("b", anna="x", bert="x"),
        *_said("c", anna="x", bert="z"),
    ]
    tasks = disagreements(items, labels, "judge")
    assert [(t.row_id, t.votes) for t in tasks] == [
        ("a", "anna: x; bert: y"),
        ("c", "anna: x; bert: z"),
    ]
    scheme = Scheme(NAMES)
    path = export_tasks(tasks, scheme, "csv", tmp_path, "judge", Ledger())[0]
    filled = path.read_text(encoding="utf-8").replace("bert: y,", "bert: y,y")
    path.write_text(filled, encoding="utf-8")
    decided = import_tasks(path, items, scheme, Ledger()).labels
    assert [t.row_id for t in disagreements(items, [*labels, *decided], "judge")] == ["c"]
    found = resolve([*labels, *decided], NAMES, how="majority", adjudicator="judge")
    assert (found["a"].label, found["c"].label) == ("y", "")
