"""Exports of Label Studio and Prodigy: each task is a labelled text, an answer, or a reason."""

from __future__ import annotations

from typing import Any

import pytest

from luthier.data.sources._exports import Labelled, label_studio, prodigy
from luthier.data.sources._turns import UnfitError
from luthier.data.sources.raw import RowSource

AUTO = RowSource()


def _choice(*labels: str, name: str = "intent") -> dict[str, Any]:
    return {"type": "choices", "from_name": name, "value": {"choices": list(labels)}}


def _area(*texts: str, name: str = "reply") -> dict[str, Any]:
    return {"type": "textarea", "from_name": name, "value": {"text": list(texts)}}


def _task(*annotations: Any, **data: Any) -> dict[str, Any]:
    return {"id": 1, "data": data or {"text": "hi"}, "annotations": list(annotations)}


def _done(*results: Any, **more: Any) -> dict[str, Any]:
    return {"id": 2, "result": list(results), "was_cancelled": False, **more}


@pytest.mark.parametrize(
    ("task", "found"),
    [
        (_task(_done(_choice("greet"))), Labelled("hi", label="greet")),
        (_task(_done(_area("Hello!"))), Labelled("hi", answer="Hello!")),
        (_task(_done(_choice("a")), _done(_choice("a"))), Labelled("hi", label="a")),
        (_task(_done(_choice("a")), _done(was_cancelled=True)), Labelled("hi", label="a")),
        (
            _task(_done(_choice("a")), _done(_choice("b"), ground_truth=True)),
            Labelled("hi", label="b"),
        ),
        (_task(_done({"type": "rating"}, _choice("a"))), Labelled("hi", label="a")),
        (_task(), Labelled("hi")),
        (_task(_done(_choice("a")), review="good", stars=3), Labelled("good", label="a")),
    ],
)
def test_tasks_of_label_studio(task: dict[str, Any], found: Labelled) -> None:
    assert label_studio(task, AUTO) == found


def test_controls_and_texts_may_be_named() -> None:
    task = _task(_done(_choice("a"), _choice("b", name="tone"), _area("x")), one="1", two="2")
    assert label_studio(task, RowSource(text="two", label="tone")) == Labelled("2", label="b")
    task["data"]["text"] = "3"
    assert label_studio(task, RowSource(answer="reply")) == Labelled("3", answer="x")
    with pytest.raises(UnfitError, match="several answers"):
        label_studio(task, AUTO)


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        (_task(_done(_choice("a")), _done(_choice("b"))), "annotators disagree"),
        (_task(_done(was_cancelled=True)), "skipped by the annotator"),
        (_task(_done()), "no label"),
        (_task(_done(_choice())), "no label"),
        (_task(_done(_choice("a", "b"))), "several labels"),
        (_task({"result": 3}), "no label"),
        (_task(_done({"type": "choices"})), "no label"),
        (_task(3), "wrong type"),
        (_task(one="1", two="2"), "no text in the task"),
        (_task(stars=3), "no text in the task"),
        (_task(text=" "), "empty text"),
        ({"data": "hi", "annotations": []}, "wrong type"),
    ],
)
def test_tasks_of_label_studio_that_do_not_fit(task: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnfitError) as caught:
        label_studio(task, AUTO)
    assert caught.value.reason == reason


OPTIONS = [{"id": "A", "text": "first"}, {"id": 2, "text": "second"}]


@pytest.mark.parametrize(
    ("task", "found"),
    [
        ({"label": "greet", "answer": "accept"}, Labelled("hi", label="greet")),
        ({"label": "greet"}, Labelled("hi", label="greet")),
        ({"options": OPTIONS, "accept": ["A"], "answer": "accept"}, Labelled("hi", label="A")),
        ({"options": OPTIONS, "accept": [2], "answer": "accept"}, Labelled("hi", label="2")),
        ({"user_input": "Hello!", "answer": "accept"}, Labelled("hi", answer="Hello!")),
    ],
)
def test_tasks_of_prodigy(task: dict[str, Any], found: Labelled) -> None:
    assert prodigy({"text": "hi", **task}, AUTO) == found


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ({"label": "greet", "answer": "reject"}, "rejected by the annotator"),
        ({"label": "greet", "answer": "ignore"}, "ignored by the annotator"),
        ({"label": "greet", "answer": 3}, "unknown annotator's answer"),
        ({"options": OPTIONS, "accept": [], "answer": "accept"}, "no label"),
        ({"options": OPTIONS, "accept": ["A", 2], "answer": "accept"}, "several labels"),
        ({"spans": [], "answer": "accept"}, "no label"),
        ({"text": "", "answer": "accept"}, "empty text"),
    ],
)
def test_tasks_of_prodigy_that_do_not_fit(task: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnfitError) as caught:
        prodigy({"text": "hi", **task}, AUTO)
    assert caught.value.reason == reason
