"""Tables as text: every row comes out once, with the line it starts on, or stands in the ledger."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st
from pydantic import ValidationError

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.data.sources.csv import CsvSource, delimiter_of, read_csv
from luthier.data.sources.files import digest_path
from luthier.data.sources.raw import FlagMissing, Raw

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
NOT_RESET = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None
)


def _write(folder: Path, text: str | bytes, name: str = "faq.csv") -> Path:
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def _read(folder: Path, text: str | bytes, **told: object) -> tuple[list[Raw], Ledger]:
    ledger = Ledger()
    source = CsvSource.model_validate({"path": "faq.csv", **told})
    return list(read_csv(source, _write(folder, text), ledger, Quiet())), ledger


def test_lines_count_quoted_breaks_and_blank_lines(tmp_path: Path) -> None:
    rows, ledger = _read(
        tmp_path, 'question,answer\none,1\n"two\nlines","2\n\n2"\n\nlast,3\n', delimiter=","
    )
    assert [(r.origin, r.values["answer"]) for r in rows] == [
        ("faq.csv:2", "1"),
        ("faq.csv:3", "2\n\n2"),
        ("faq.csv:8", "3"),
    ]
    assert not ledger.entries


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_delimiters_and_byte_order_marks_are_found(
    tmp_path: Path, delimiter: str, mark: bytes
) -> None:
    text = 'question:answer\r\n"a, b; c | d\te":y\r\n'.replace(":", delimiter)
    rows, _ = _read(tmp_path, mark + text.encode())
    assert [r.values for r in rows] == [{"question": "a, b; c | d\te", "answer": "y"}]


def test_the_delimiter_that_fits_most_rows_is_taken(tmp_path: Path) -> None:
    path = _write(tmp_path, "text;label, class\nx;1\ny, z;2\n") / "faq.csv"
    assert delimiter_of(path, "utf-8-sig", quotes=True) == ";"
    _write(tmp_path, "text\nno delimiter here; nor here\n")
    assert delimiter_of(path, "utf-8-sig", quotes=True) == ","


def test_refused_rows(tmp_path: Path) -> None:
    rows, ledger = _read(
        tmp_path, b"question,answer\nonly\nfine,yes\n1,2,3\nb\xffd \xc3\xa9,x\n", delimiter=","
    )
    assert [r.values["question"] for r in rows] == ["fine"]
    assert [(e.reason, e.origin) for e in ledger.entries] == [
        ("wrong number of columns", "faq.csv:2"),
        ("wrong number of columns", "faq.csv:4"),
        ("bytes that are not text", "faq.csv:5"),
    ]
    assert ledger.entries[2].detail == "line 5: byte 0xff at column 2"


def test_a_bad_line_inside_a_record_refuses_the_record_alone(tmp_path: Path) -> None:
    data = 'text\n"one\nf\udcffv\nthree é"\nfour é\n'.encode("utf-8", "surrogateescape")
    rows, ledger = _read(tmp_path, data)
    assert [(r.origin, r.values["text"]) for r in rows] == [("faq.csv:5", "four é")]
    assert [(e.origin, e.detail) for e in ledger.entries] == [
        ("faq.csv:2", "line 3: byte 0xff at column 2")
    ]


def test_other_encodings_are_read_and_told(tmp_path: Path) -> None:
    text = "question,answer\nWo ist das Café?,dort – „hier“\n"
    for encoding, told in (("cp1252", "cp1252"), ("utf-16", "utf-16"), ("utf-16-le", "utf-16-le")):
        rows, ledger = _read(tmp_path, text.encode(encoding))
        assert [(r.values["answer"], r.origin) for r in rows] == [("dort – „hier“", "faq.csv:2")]
        assert [(e.action, e.origin, e.detail) for e in ledger.entries] == [
            ("changed", "faq.csv", told)
        ]
    rows, _ = _read(tmp_path, "text,label\nПривет,1\n".encode("koi8-r"), encoding="koi8-r")
    assert rows[0].values["text"] == "Привет"


def test_names_of_columns_may_stand_in_the_settings(tmp_path: Path) -> None:
    text = 'ham\tsay "hi\nspam\tWIN\n'
    rows, _ = _read(tmp_path, text, columns=("label", "text"), quotes=False)
    assert [(r.origin, r.values["text"]) for r in rows] == [
        ("faq.csv:1", 'say "hi'),
        ("faq.csv:2", "WIN"),
    ]


def test_headings_without_rows_and_with_spaces(tmp_path: Path) -> None:
    assert _read(tmp_path, "text,label\n")[0] == []
    rows, _ = _read(tmp_path, "text, label\na, b\n")
    assert rows[0].values == {"text": "a", "label": " b"}


def test_patterns_read_all_files_in_order(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv"):
        (tmp_path / name).write_text(f"text\n{name}\n")
    source = CsvSource(path="*.csv")
    rows = list(read_csv(source, tmp_path, Ledger(), Quiet()))
    assert [(r.origin, r.values["text"]) for r in rows] == [
        ("a.csv:2", "a.csv"),
        ("b.csv:2", "b.csv"),
    ]
    before = digest_path(source.path, tmp_path)
    (tmp_path / "b.csv").write_text("text\nb.csw\n")
    assert digest_path(source.path, tmp_path) != before


ASK = {"question": "q", "answer": "a", "delimiter": ","}


@pytest.mark.parametrize(
    ("data", "said", "line"),
    [
        (b"", "empty", ""),
        (b" \n\n", "empty", ""),
        (b"q,a\xff\xc3\xa9\nx,y\n", "names of the columns cannot be read", ":1"),
        (b"question,answer\nx,y\n", "no column named 'q', 'a'", ":1"),
        (b'q,a\nx,y\n"open,z\n', "not proper CSV", ":3"),
        (b'q,a\nx,y\n"two\nlines",ok\n"a"b,z\n', "not proper CSV", ":5"),
        (b"q,a,a\nx,y,z\n", "several columns", ":1"),
        ("q,a\nx,y\n".encode("utf-16")[:-1], "not UTF-16", ""),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, data: bytes, said: str, line: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        _read(tmp_path, data, **ASK)
    assert caught.value.where == f"{tmp_path / 'faq.csv'}{line}"


def test_missing_file_and_present_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        list(read_csv(CsvSource(path="faq.csv"), tmp_path, Ledger(), Quiet()))
    with pytest.raises(DataError) as caught:
        _read(tmp_path, "frage,antwort\nx,y\n", **ASK)
    assert "'frage', 'antwort'" in caught.value.mend
    with pytest.raises(DataError, match="no column named 'other'"):
        _read(tmp_path, "text\nx\n", missing={"other": FlagMissing()})


@pytest.mark.parametrize(
    "told", [{"encoding": "klingon"}, {"encoding": "base64"}, {"delimiter": '"'}]
)
def test_settings_that_make_no_sense(told: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        CsvSource(path="x.csv", **told)  # type: ignore[arg-type]


def test_huge_fields_and_many_columns(tmp_path: Path) -> None:
    huge = "x" * 50_000_000
    rows, _ = _read(tmp_path, f'question,answer\n"{huge}",a\nq,b\n')
    assert [len(r.values["question"]) for r in rows] == [50_000_000, 1]
    names = ["text", *(f"c{i}" for i in range(9_999))]
    rows, _ = _read(tmp_path, "\n".join([",".join(names), *[",".join(["v"] * 10_000)] * 3]))
    assert [len(r.values) for r in rows] == [10_000] * 3


@given(
    rows=st.lists(st.tuples(TEXTS, TEXTS), max_size=12),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
@example(rows=[("a\rb", "c\r\nd\ne\n")], quoting=0, delimiter=",", encoding="utf-8")
@example(rows=[("\x1c\x85", "\u2028\x0b\x0c")], quoting=0, delimiter=",", encoding="utf-8")
@NOT_RESET
def test_whatever_csv_writes_is_read_back_with_its_lines(
    tmp_path: Path, rows: list[tuple[str, str]], quoting: int, delimiter: str, encoding: str
) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=quoting, delimiter=delimiter)  # type: ignore[arg-type]
    writer.writerow(("question", "answer"))
    wanted = []
    for row in rows:
        wanted.append((f"faq.csv:{file.getvalue().count(chr(10)) + 1}", list(row)))
        writer.writerow(row)
    found, ledger = _read(tmp_path, file.getvalue().encode(encoding), delimiter=delimiter)
    assert [(r.origin, list(r.values.values())) for r in found] == wanted
    assert not ledger.refused


@given(data=st.binary(max_size=60))
@NOT_RESET
def test_any_bytes_are_read_or_refused(tmp_path: Path, data: bytes) -> None:
    try:
        rows, ledger = _read(tmp_path, b"text,label\n" + data, delimiter=",")
    except DataError:
        return
    assert all(r.values.keys() == {"text", "label"} for r in rows)
    origins = [*(r.origin for r in rows), *(e.origin for e in ledger.entries)]
    assert len(set(origins)) == len(origins)
    assert bool(rows or ledger.refused) or not data.strip(b"\r\n")


def test_old_line_ends(tmp_path: Path) -> None:
    rows, _ = _read(tmp_path, 'text,label\ra,1\r"b\rc",2\rd,3')
    assert [(r.origin, r.values["text"]) for r in rows] == [
        ("faq.csv:2", "a"),
        ("faq.csv:3", "b\rc"),
        ("faq.csv:5", "d"),
    ]
    rows, ledger = _read(tmp_path, "text,label\na,1\rb,2\nstray\rreturn,3\n")
    assert [r.origin for r in rows] == ["faq.csv:2", "faq.csv:2.2", "faq.csv:3.2"]
    assert [e.origin for e in ledger.entries] == ["faq.csv:3"]
