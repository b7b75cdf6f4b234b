"""CSV and JSON Lines: every row comes out once, as an example, a document or a ledger line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from pydantic import ValidationError

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.data.rows import CsvSource, JsonlSource, read_csv, read_jsonl

ASK = CsvSource(path="faq.csv", question="q", answer="a")
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
NOT_RESET = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)


def _write(folder: Path, text: str | bytes, name: str = "faq.csv") -> Path:
    data = text.encode() if isinstance(text, str) else text
    (folder / name).write_bytes(data)
    return folder


def test_lines_count_quoted_breaks_and_blank_lines(tmp_path: Path) -> None:
    base = _write(tmp_path, 'q,a\none,1\n"two\nlines","2\n\n2"\n\nlast,3\n')
    _, rows = read_csv(ASK, base, Ledger())
    assert [(r.origin, r.answer) for r in rows] == [
        ("faq.csv:2", "1"),
        ("faq.csv:3", "2\n\n2"),
        ("faq.csv:8", "3"),
    ]


def test_group_tag_delimiter_and_byte_order_mark(tmp_path: Path) -> None:
    base = _write(tmp_path, b"\xef\xbb\xbfq;a;g;t\r\nx;y;shop;billing\r\n")
    source = CsvSource(path="faq.csv", delimiter=";", question="q", answer="a", group="g", tag="t")
    _, (row,) = read_csv(source, base, Ledger())
    assert (row.group, row.kind, row.question, row.answer) == ("shop", "billing", "x", "y")


def test_texts_become_documents(tmp_path: Path) -> None:
    base = _write(tmp_path, "name,body\nA,hello\n,world\nC,\n")
    ledger = Ledger()
    documents, rows = read_csv(CsvSource(path="faq.csv", text="body", title="name"), base, ledger)
    assert [(d.id, d.title, d.text) for d in documents] == [
        ("faq.csv:2", "A", "hello"),
        ("faq.csv:3", "faq.csv:3", "world"),
    ]
    assert not rows
    assert [(e.reason, e.origin) for e in ledger.entries] == [("empty text", "faq.csv:4")]


def test_refused_rows(tmp_path: Path) -> None:
    base = _write(tmp_path, "q,a\nx, \n,y\nonly\nfine,yes\n1,2,3\n")
    ledger = Ledger()
    _, rows = read_csv(ASK, base, ledger)
    assert [r.question for r in rows] == ["fine"]
    assert [(e.reason, e.origin) for e in ledger.entries] == [
        ("empty answer", "faq.csv:2"),
        ("empty question", "faq.csv:3"),
        ("wrong number of columns", "faq.csv:4"),
        ("wrong number of columns", "faq.csv:6"),
    ]


@pytest.mark.parametrize(
    ("data", "said", "line"),
    [
        (b"", "empty", ""),
        (b" \n\n", "empty", ""),
        (b"q,a\nx,y\ncaf\xe9,z\n", "not UTF-8: byte 0xe9", ":3"),
        (b"question,answer\nx,y\n", "no column named 'q', 'a'", ":1"),
        (b'q,a\nx,y\n"open,z\n', "not proper CSV", ":3"),
        (b"q,a,a\nx,y,z\n", "several columns", ":1"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, data: bytes, said: str, line: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        read_csv(ASK, _write(tmp_path, data), Ledger())
    assert caught.value.where == f"{tmp_path / 'faq.csv'}{line}"


def test_missing_file_and_present_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_csv(ASK, tmp_path, Ledger())
    with pytest.raises(DataError) as caught:
        read_csv(ASK, _write(tmp_path, "frage,antwort\nx,y\n"), Ledger())
    assert "'frage', 'antwort'" in caught.value.mend


@pytest.mark.parametrize(
    "named", [{"question": "q", "text": "t"}, {"question": "q", "answer": "a", "text": "t"}]
)
def test_csv_holds_questions_or_texts(named: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        CsvSource(path="x.csv", **named)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("head", "named", "found"),
    [
        ("question,answer,text,title", {}, ("1", "2", "row", "faq.csv:2")),
        ("answer,question,tag,group", {}, ("2", "1", "3", "4")),
        ("q,answer,text,title", {"question": "q"}, ("1", "2", "row", "faq.csv:2")),
        ("question,a,tag,t", {"answer": "a", "tag": "t"}, ("1", "2", "4", "faq.csv:2")),
        ("question,a,tag,group", {"answer": "a"}, ("1", "2", "row", "faq.csv:2")),
    ],
)
def test_columns_called_like_the_settings_need_no_naming(
    tmp_path: Path, head: str, named: dict[str, str], found: tuple[str, ...]
) -> None:
    source = CsvSource(path="faq.csv", **named)  # type: ignore[arg-type]
    documents, (row,) = read_csv(source, _write(tmp_path, f"{head}\n1,2,3,4\n"), Ledger())
    assert (row.question, row.answer, row.kind, row.group) == found
    assert not documents


@pytest.mark.parametrize(
    ("head", "named", "title"),
    [
        ("text,title", {}, "2"),
        ("text,question", {}, "faq.csv:2"),  # half of a pair makes no pair
        ("question,answer", {"text": "question"}, "faq.csv:2"),
    ],
)
def test_texts_need_no_naming_either(
    tmp_path: Path, head: str, named: dict[str, str], title: str
) -> None:
    source = CsvSource(path="faq.csv", **named)  # type: ignore[arg-type]
    (document,), rows = read_csv(source, _write(tmp_path, f"{head}\n1,2\n"), Ledger())
    assert (document.text, document.title) == ("1", title)
    assert not rows


def test_nothing_named_and_nothing_found(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no columns named 'question' and 'answer', nor") as caught:
        read_csv(CsvSource(path="faq.csv"), _write(tmp_path, "frage,antwort\nx,y\n"), Ledger())
    assert "The file has: 'frage', 'antwort'." in caught.value.mend


@given(rows=st.lists(st.tuples(TEXTS, TEXTS), max_size=15))
@NOT_RESET
def test_any_csv_is_read_back_with_its_lines(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(("q", "a"))
    starts = []
    for row in rows:
        starts.append(file.getvalue().count("\n") + 1)
        writer.writerow([cell.replace("\r", " ") for cell in row])
    ledger = Ledger()
    _, examples = read_csv(ASK, _write(tmp_path, file.getvalue()), ledger)
    assert len(examples) + ledger.refused == len(rows)
    written = dict(zip(starts, rows, strict=True))
    for example in examples:
        question, answer = written[int(example.origin.rpartition(":")[2])]
        assert example.question == question.replace("\r", " ").strip()
        assert example.answer == answer.replace("\r", " ").strip()


def _jsonl(folder: Path, *lines: object) -> tuple[list, list, Ledger]:  # type: ignore[type-arg]
    text = "\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines)
    ledger = Ledger()
    found = read_jsonl(JsonlSource(path="r.jsonl"), _write(folder, text, "r.jsonl"), ledger)
    return (*found, ledger)


def test_all_shapes_of_rows(tmp_path: Path) -> None:
    chat = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
    ]
    documents, rows, ledger = _jsonl(
        tmp_path,
        {"question": "q", "answer": "a", "tag": "billing", "group": 7},
        {"prompt": "p", "completion": "c"},
        {"messages": chat},
        "",
        {"prompt": chat[:2], "completion": chat[2:]},
        {"text": "body", "title": "T"},
    )
    assert not ledger.entries
    assert [[m.role[0] for m in r.messages] for r in rows] == [
        ["u", "a"], ["u", "a"], ["s", "u", "a"], ["s", "u", "a"],
    ]  # fmt: skip
    assert [r.origin for r in rows] == ["r.jsonl:1", "r.jsonl:2", "r.jsonl:3", "r.jsonl:5"]
    assert (rows[0].kind, rows[0].group) == ("billing", "7")
    assert (documents[0].title, documents[0].text) == ("T", "body")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{oops", "not JSON"),
        ("[1]", "not a JSON object"),
        ({"other": 1}, "no known fields"),
        ({"question": "q", "answer": ""}, "empty answer"),
        ({"question": "q", "answer": None}, "empty answer"),
        ({"question": 3, "answer": "a"}, "wrong type"),
        ('{"question": "q", "answer": "\\ud800"}', "not valid Unicode"),
        ({"messages": "hi"}, "wrong type"),
        ({"messages": [{"role": "user", "content": "q"}]}, "last message is not the assistant's"),
        ({"messages": [{"role": "assistant", "content": "q"}]}, "no user message"),
        ({"messages": [{"role": "boss", "content": "q"}]}, "unknown role"),
        ({"messages": []}, "no user message"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_refused_json_rows(tmp_path: Path, row: object, reason: str) -> None:
    documents, rows, ledger = _jsonl(tmp_path, {"question": "q", "answer": "a"}, row)
    assert (len(documents), len(rows)) == (0, 1)
    assert [(e.reason, e.origin) for e in ledger.entries] == [(reason, "r.jsonl:2")]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["messages", "question", "answer", "text", "role", "content", "group"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(rows=st.lists(JSON, min_size=1, max_size=10))
@NOT_RESET
def test_no_json_row_vanishes(tmp_path: Path, rows: list[object]) -> None:
    documents, examples, ledger = _jsonl(tmp_path, *[json.dumps(r) for r in rows])
    assert len(documents) + len(examples) + ledger.refused == len(rows)
