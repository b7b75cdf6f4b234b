"""Facts read off documents."""

from __future__ import annotations

import json

import pytest

from luthier.core.records import Document
from luthier.data._facts import Fact, Parameter, call_json, facts, parse_signature

FILL = "textwrap.fill(text, width=70, **kwargs)"


def _document(text: str, kind: str = "function", **meta: str) -> Document:
    title = meta.pop("title", "m.f")
    return Document(title, title, text, "m.py:1", kind, title, meta)


def _of(found: list[Fact], kind: str) -> list[Fact]:
    return [f for f in found if f.kind == kind]


def test_signature_facts() -> None:
    document = _document(
        f"{FILL}\nFill a paragraph.", title="textwrap.fill", signature=FILL,
        summary="Fill a paragraph.",
    )  # fmt: skip
    found = facts(document)
    assert [(f.kind, f.answer) for f in found] == [
        ("summary", "Fill a paragraph."),
        ("parameters", "text, width, **kwargs"),
        ("default", "70"),
        ("call", _of(found, "call")[0].answer),
    ]
    assert json.loads(_of(found, "call")[0].answer) == {
        "call": "textwrap.fill",
        "required": ["text"],
        "optional": {"width": "70"},
        "variadic": ["**kwargs"],
    }
    assert _of(found, "default")[0].evidence == "width=70"


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        ("f()", []),
        ("f", []),
        ("f(sub[, start])", []),
        ("f(a, /, b, *, c=1)", [("a", None), ("b", None), ("c", "1")]),
        ("f(*a, k, **b)", [("*a", None), ("k", None), ("**b", None)]),
        ("f(x=1e-05, y='é, (', z=(1, 2))", [("x", "1e-05"), ("y", "'é, ('"), ("z", "(1, 2)")]),
        ("f(a, b=...) -> x", [("a", None), ("b", "...")]),
    ],
)
def test_parse_signature(signature: str, expected: list[tuple[str, str | None]]) -> None:
    assert [(p.name, p.default) for p in parse_signature(signature)] == expected


def test_unknown_defaults_are_not_asked_for() -> None:
    document = _document("m.f(a=...)\nDo.", signature="m.f(a=...)")
    assert not _of(facts(document), "default")


def test_call_without_variadic_has_no_such_key() -> None:
    assert json.loads(call_json("f", [Parameter("a")])) == {
        "call": "f", "required": ["a"], "optional": {},
    }  # fmt: skip


def test_returns_and_raises_sentences() -> None:
    text = "m.f(x)\nFind x. Return the\nindex of it.\n\nRaise ValueError if there is none."
    found = facts(_document(text, signature="m.f(x)"))
    assert _of(found, "returns")[0].answer == "Return the index of it."
    raised = _of(found, "raises")[0]
    assert (raised.answer, raised.detail) == ("Raise ValueError if there is none.", "ValueError")


def test_google_sections() -> None:
    text = (
        "m.f(a, b)\nDo it.\n\nArgs:\n    a (int, optional): The first one. Really.\n"
        "    b: The second\n        one.\n\nReturns:\n    list (of int): What was found.\n"
    )
    found = facts(_document(text))
    assert [(f.detail, f.answer) for f in _of(found, "parameter")] == [
        ("a", "The first one."),
        ("b", "The second one."),
    ]
    assert _of(found, "returns")[0].answer == "What was found."


def test_google_raises_section() -> None:
    text = "m.f(a)\nDo it.\n\nRaises:\n    ValueError: If there is none at all.\n"
    (fact,) = _of(facts(_document(text)), "raises")
    assert (fact.answer, fact.detail) == ("If there is none at all.", "ValueError")


def test_texts_are_not_asked_about() -> None:
    assert facts(_document("Return the book to the library.", kind="text")) == []


def test_numpy_sections() -> None:
    text = (
        "m.f(a, b)\nDo it.\n\nParameters\n----------\na : array_like\n    Input data. More.\n"
        "b : int, optional\n    How\n    many.\n\nReturns\n-------\nout : ndarray\n    Result.\n"
    )
    found = facts(_document(text))
    assert [(f.detail, f.answer) for f in _of(found, "parameter")] == [
        ("a", "Input data."),
        ("b", "How many."),
    ]


def test_base_classes() -> None:
    document = _document("m.C\nBases: m.B\nA class.", kind="class", title="m.C", bases="m.B")
    (fact,) = _of(facts(document), "bases")
    assert fact.answer == "m.B"
    assert fact.evidence in document.text
