"""Each row is recognised by its keys, or refused with the keys it has."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given, settings, strategies as st

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.core.records import Document, Example
from luthier.data.sources.dialects import KEYS, check_columns, recognise, take
from luthier.data.sources.missing import fill
from luthier.data.sources.raw import Dialect, FlagMissing, Raw, RowSource

TURNS = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
SHARED = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]
TOOLS = [{"type": "function", "function": {"name": "f"}}]


def _take(*rows: dict[str, Any], **told: Any) -> tuple[list[Document | Example], Ledger]:
    ledger = Ledger()
    source = RowSource.model_validate(told)
    return list(take((Raw(r, f"f:{i}") for i, r in enumerate(rows)), source, ledger)), ledger


def _one(row: dict[str, Any], **told: Any) -> Example:
    (found,), ledger = _take(row, **told)
    assert isinstance(found, Example)
    assert not ledger.entries
    return found


ROWS: dict[Dialect, dict[str, Any]] = {
    "alpaca": {"instruction": "q", "input": "", "output": "a"},
    "classification": {"text": "q", "label": "a"},
    "kto": {"prompt": "q", "completion": "a", "label": True},
    "label_studio": {
        "data": {"text": "q"},
        "annotations": [{"result": [{"type": "choices", "value": {"choices": ["a"]}}]}],
    },
    "messages": {"messages": TURNS},
    "preference": {"prompt": "q", "chosen": "a", "rejected": "b"},
    "prodigy": {"text": "q", "label": "a", "answer": "accept"},
    "prompt_completion": {"prompt": "q", "completion": "a"},
    "question_answer": {"question": "q", "answer": "a"},
    "sharegpt": {"conversations": SHARED},
}
ONE_EACH = [d for d in get_args(Dialect) if d not in ("text", "squad")]


@pytest.mark.parametrize("dialect", ONE_EACH)
def test_every_dialect_is_recognised_and_may_be_forced(dialect: Dialect) -> None:
    row = ROWS[dialect]
    assert recognise(row, RowSource()) == dialect
    found = _one(row)
    assert (found.question, found.answer, found.id, found.group) == ("q", "a", "f:0", "f:0")
    assert (found.desirable is True) == (dialect == "kto")
    assert [m.content for m in found.rejected] == (["b"] if dialect == "preference" else [])
    assert found.label == ("a" if dialect in ("classification", "label_studio", "prodigy") else "")
    assert _one(row, dialect=dialect) == found


def test_texts_are_documents() -> None:
    (plain, titled, unlabelled), _ = _take(
        {"text": "t"}, {"text": "t", "title": "T", "group": 3}, {"text": "t", "label": None}
    )
    assert isinstance(plain, Document)
    assert isinstance(titled, Document)
    assert isinstance(unlabelled, Document)
    assert (plain.title, titled.title, titled.group) == ("", "T", "3")


def test_tools_system_history_and_turns_as_prompts() -> None:
    row = {"system": "S", "messages": TURNS, "tools": json.dumps(TOOLS), "tag": "t"}
    found = _one(row)
    assert ([m.role for m in found.messages], found.kind) == (["system", "user", "assistant"], "t")
    assert json.loads(found.tools) == TOOLS
    chat = {"prompt": TURNS[:1], "completion": TURNS[1:]}
    assert [m.role for m in _one(chat).messages] == ["user", "assistant"]
    alpaca = {"instruction": "q", "input": "i", "output": "a", "history": [["x", "y"]]}
    assert [m.content for m in _one(alpaca).messages] == ["x", "y", "q\n\ni", "a"]


@pytest.mark.parametrize(
    ("label", "more", "found"),
    [
        (3, {}, "3"),
        (3.0, {}, "3"),
        (0.5, {}, "0.5"),
        ("ham", {}, "ham"),
        (True, {}, "true"),
        (3, {"label_text": "spam"}, "spam"),
        (Decimal("2.50"), {}, "2.50"),
        (dt.date(2026, 11, 22), {}, "2026-11-22"),
    ],
)
def test_labels_may_be_numbers(label: Any, more: dict[str, str], found: str) -> None:
    example = _one({"text": "t", "label": label, **more})
    assert (example.label, example.answer) == (found, found)


@pytest.mark.parametrize(
    ("keys", "dialect"),
    [
        ("question answer text", "question_answer"),
        ("text question", "text"),
        ("text prompt messages", "messages"),
        ("prompt messages chosen rejected", "preference"),
        ("text label answer", "prodigy"),
        ("text label answer question", "question_answer"),
        ("text label _task_hash", "prodigy"),
        ("text answer", "text"),
        ("instruction output text label", "alpaca"),
        ("id title context question answers", "squad"),
        ("context question answers answer", "squad"),
        ("title paragraphs", "squad"),
        ("context qas", "squad"),
        ("text paragraphs", "text"),
        ("frage antwort", None),
        ("question", None),
        ("", None),
    ],
)
def test_rows_with_keys_of_several(keys: str, dialect: Dialect | None) -> None:
    assert recognise(keys.split(), RowSource()) == dialect


def test_named_columns_decide_and_only_they_are_used() -> None:
    row = {"text": "t", "label": "l", "body": "b", "intent": 7, "group": "g", "tag": "x"}
    found = _one(row, text="body", label="intent", tag="label")
    assert (found.question, found.label, found.kind, found.group) == ("b", "7", "l", "f:0")
    (document,), _ = _take(row, text="body")
    assert isinstance(document, Document)
    swapped = _one({"question": "1", "answer": "2"}, question="answer", answer="question")
    assert (swapped.question, swapped.answer) == ("2", "1")
    grouped = _one({**ROWS["alpaca"], "customer": 9}, group="customer")
    assert grouped.group == "9"
    exported = _one({**ROWS["label_studio"], "data": {"text": "q", "who": "w"}}, group="who")
    assert exported.group == "w"


@pytest.mark.parametrize(
    ("row", "told", "reason", "detail"),
    [
        ({"frage": 1, "antwort": 2}, {}, "no known fields", "frage, antwort"),
        ({}, {}, "no known fields", "none"),
        ({"question": "q"}, {"answer": "a"}, "no such column", "a; the row has: question"),
        ({"q": "q"}, {"question": "q"}, "no such column", "answer; the row has: q"),
        ({"text": "t"}, {"dialect": "kto"}, "no such column", "prompt; the row has: text"),
        ({"text": "t"}, {"dialect": "label_studio"}, "wrong type", "data is not an object"),
        ({"text": "t", "group": []}, {}, "wrong type", "group is list, not text"),
        ({"text": "t", "label": {}}, {}, "wrong type", "label is dict, not text"),
        ({"text": ["t"]}, {}, "wrong type", "text is list, not text"),
        ({"text": b"\xff"}, {}, "wrong type", "text is bytes, not text"),
        ({"text": float("nan")}, {}, "empty text", "text is nan"),
        ({"instruction": "q", "output": "a", "history": [1]}, {}, "wrong type", "history is not a"),
        ({"instruction": "q", "output": "a", "history": "x"}, {}, "wrong type", "history is not a"),
    ],
)
def test_rows_that_are_refused(
    row: dict[str, Any], told: dict[str, str], reason: str, detail: str
) -> None:
    found, ledger = _take(row, {"question": "q", "answer": "a", "group": "g"}, **told)
    assert ledger.entries[0].origin == "f:0"
    assert ledger.entries[0].reason == reason
    assert ledger.entries[0].detail.startswith(detail)
    assert len(found) + ledger.refused == 2


def test_columns_of_tables_are_checked() -> None:
    flagged = RowSource(missing={"text": FlagMissing()}, tag="text_missing")
    check_columns(["text", "x", "x"], flagged, "t:1")
    for names, told, said in (
        (["frage", "antwort"], {}, "no columns named 'question' and 'answer', nor"),
        (["q"], {"question": "q"}, "no column named 'answer'"),
        (["text"], {"group": "g"}, "no column named 'g'"),
        (["text"], {"dialect": "kto"}, "no column named 'prompt', 'completion', 'label'"),
        (["text", "text"], {}, "several columns are named 'text'"),
        (["text", "group", "group"], {}, "several columns are named 'group'"),
    ):
        with pytest.raises(DataError, match=said) as caught:
            check_columns(names, RowSource.model_validate(told), "t:1")
        assert caught.value.where == "t:1"


NAMES = sorted({key for keys in KEYS.values() for key in keys} | {"group", "input", "system"})
VALUES = st.one_of(
    st.sampled_from(["", " ", "NA", None, float("nan"), 0, 1, True, "yes", "accept", "x y"]),
    st.text(max_size=5),
    st.sampled_from([TURNS, SHARED, [], [TURNS], {"text": "t"}, [{"result": []}]]),
)
POLICIES = st.sampled_from(
    ['{"kind": "drop"}', '{"kind": "constant", "value": "c"}', '{"kind": "flag"}']
)


@given(
    rows=st.lists(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5), max_size=12),
    policies=st.dictionaries(st.sampled_from(NAMES), POLICIES, max_size=3),
    dialect=st.sampled_from(["auto", *get_args(Dialect)]),
)
@settings(deadline=None, max_examples=300)
def test_no_row_vanishes(
    rows: list[dict[str, Any]], policies: dict[str, str], dialect: str
) -> None:
    told = {column: json.loads(policy) for column, policy in policies.items()}
    source = RowSource.model_validate({"missing": told, "dialect": dialect})
    raws, ledger = [Raw(row, f"f:{i}") for i, row in enumerate(rows)], Ledger()
    before = json.dumps(rows)
    found = list(take(fill(lambda _: raws, source, ledger), source, ledger))
    found = [f for f in found if not f.id.endswith(".context")]  # the passages of questions
    ledger.check(rows_in=len(rows), rows_out=len(found), limit=1.0, stage="rows")
    assert len({f.id for f in found}) == len(found)
    refused = {e.origin for e in ledger.entries if e.action == "refused"}
    assert refused.isdisjoint(f.origin for f in found)
    assert json.dumps(rows) == before


def test_a_column_named_under_missing_alone_is_sought_there() -> None:
    told = {"missing": {"contry": {"kind": "drop"}}}
    with pytest.raises(DataError, match="no column named 'contry'") as caught:
        check_columns(["text", "country"], RowSource.model_validate(told), "t:1")
    assert caught.value.mend.startswith("Check the names under `missing`")


def test_a_list_of_labels_is_kept_as_json() -> None:
    assert _one({"text": "q", "label": ["a", 2]}).label == '["a", "2"]'
    assert _one({"text": "q", "label": []}).label == "[]"
    tagged = _one({"w": ["to", "Rome"], "t": ["O", "B-LOC"]}, text="w", label="t")
    assert (tagged.question, tagged.label) == ("to Rome", '["O", "B-LOC"]')
    _, ledger = _take(
        {"text": ["two words", "x"], "label": ["O", "O"]}, {"text": "q", "label": [{}]}
    )
    assert [entry.reason for entry in ledger.entries] == ["wrong type"] * 2
