"""Figures over the items of a run, by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from gated_runs import about, rows as made
from sklearn.metrics import f1_score, matthews_corrcoef, roc_auc_score

from luthier.core.records import Message
from luthier.evaluate.runs.rows import Row, RunRows, from_rows
from luthier.evaluate.scorers.over_items import confident, of_classes, of_confidence
from luthier.evaluate.scoring import choice_scores
from luthier.evaluate.suite import Item, Kind

ASKED = (Message("user", "?"),)
OPTIONS = ("yes", "no")


def run(kind: Kind, told: list[tuple[str, str, tuple[float, ...]]]) -> tuple[RunRows, list[Item]]:
    """Items with their reference, reply and likelihoods."""
    rows: list[Row] = []
    items = []
    scores = []
    for row, (reference, reply, nats) in zip(made(len(told)), told, strict=True):
        rows.append(
            dataclasses.replace(row, kind=kind, reference=reference, reply=reply, option_nats=nats)
        )
        items.append(Item(row.item_id, kind, ASKED, (reference,), OPTIONS))
        scores.append(
            choice_scores(items[-1], nats) if nats else {"accuracy": float(reference == reply)}
        )
    return from_rows(rows, scores, about()), items


def test_labels() -> None:
    right = ["a", "a", "b", "b", "c"]
    said = ["a", "b", "b", "something else", "c"]
    rows, items = run("classification", [(r, s, ()) for r, s in zip(right, said, strict=True)])
    found = {name: weighed(np.ones((1, 5)))[0] for name, weighed, _ in of_classes(rows, items)}
    assert found["macro_f1"] == pytest.approx(
        f1_score(right, said, labels=["a", "b", "c"], average="macro")
    )
    assert found["matthews"] == pytest.approx(matthews_corrcoef(right, said))


def test_choices_that_have_the_same_options() -> None:
    told = [("yes", "yes", (0.1, 2.0)), ("no", "yes", (1.0, 1.2)), ("no", "no", (3.0, 0.2))]
    rows, items = run("choice", told)
    found = {name: weighed(np.ones((1, 3)))[0] for name, weighed, _ in of_classes(rows, items)}
    chances = [np.exp(-n[0]) / np.exp(-np.array(n)).sum() for _, _, n in told]
    assert found["auroc"] == pytest.approx(roc_auc_score([1, 0, 0], chances))
    assert found["macro_f1"] == pytest.approx(
        f1_score(["yes", "no", "no"], ["yes", "yes", "no"], average="macro")
    )
    assert of_classes(rows, ()) == []
    other = [dataclasses.replace(items[0], options=("yes", "maybe")), *items[1:]]
    assert of_classes(rows, other) == []


def test_confidence_is_held_against_what_is_right() -> None:
    told = [("yes", "yes", (0.1, 2.0)), ("no", "yes", (1.0, 1.2)), ("no", "no", (3.0, 0.2))]
    rows, _ = run("choice", told)
    found = confident(rows)
    assert found is not None
    confidence, right, places = found
    assert right.tolist() == [True, False, True]
    assert places == [0, 1, 2]
    assert confidence[1] == pytest.approx(1 / (1 + np.exp(-0.2)))
    figures = {name: weighed(np.ones((1, 3)))[0] for name, weighed, _ in of_confidence(rows)}
    assert figures["confidence_auroc"] == 1.0
    assert figures["aurc"] == pytest.approx((0 + 0 + 1 / 3) / 3)
    plain, _ = run("classification", [("a", "a", ())])
    assert confident(plain) is None
    assert of_confidence(plain) == []
