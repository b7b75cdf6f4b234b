"""The data stage from sources to examples."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from luthier.core.errors import DataError, LeakageError
from luthier.core.ledger import read_ledger
from luthier.core.progress import Quiet
from luthier.core.records import Document, Example, write_table
from luthier.data.collect import COLLECT_VERSION, collect
from luthier.data.prepare import (
    PREPARE_VERSION,
    DataSpec,
    kept_sides,
    prepare,
    read_documents,
    read_examples,
)
from luthier.data.sources.sources import source_digest


def _spec(*sources: dict[str, object], **more: object) -> DataSpec:
    return DataSpec.model_validate_json(json.dumps({"sources": sources, **more}))


def _both(spec: DataSpec, base: Path, name: str = "out", seed: int = 0):  # type: ignore[no-untyped-def]
    one, two = base / name / "collected", base / name / "prepared"
    one.mkdir(parents=True)
    two.mkdir()
    collected = collect(spec.sources, base, one, Quiet(), max_refused=spec.max_refused)
    return collected, prepare(spec, one, two, Quiet(), seed), one, two


@pytest.fixture
def faq(tmp_path: Path) -> Path:
    rows = [
        f"How does part {n} of the product {n * 7} work?,It works by way {n}." for n in range(60)
    ]
    text = "\n".join(["question,answer", *rows, rows[0].upper(), "empty,"])
    (tmp_path / "faq.csv").write_text(text + "\n")
    return tmp_path


CSV = {"kind": "csv", "path": "faq.csv", "question": "question", "answer": "answer"}
PYDOC = {"kind": "pydoc", "packages": ["textwrap"]}


def test_rows_and_documents_together(faq: Path) -> None:
    collected, prepared, one, two = _both(_spec(PYDOC, CSV), faq)
    assert (collected["documents"], collected["rows"]) == (9, 61)
    assert collected["reasons"]["empty answer"] == 1
    assert prepared["reasons"]["repeated row"] == 1
    examples = read_examples(two)
    assert len(examples) == prepared["examples"]
    assert {e.kind for e in examples} == {"row", "fact", "form"}
    assert sum(e.kind == "row" for e in examples) == 60
    counted = prepared["sides"]
    assert sum(sum(kinds.values()) for kinds in counted.values()) == len(examples)
    assert len(read_examples(two, "test")) == sum(counted["test"].values())
    known = {d.id for d in read_documents(one)}
    assert all(e.document_id in known for e in examples if e.kind != "row")
    assert read_ledger(two).refused == prepared["refused"]
    profile = json.loads((two / "profile.json").read_text())
    assert profile["examples"]["sides"] == counted


def test_appended_rows_move_nothing_and_keep_the_lock_of_old_rows(faq: Path) -> None:
    spec = _spec(CSV)
    _, first, _, before = _both(spec, faq, "one")
    with (faq / "faq.csv").open("a") as file:
        file.writelines(f"Something quite new about {n}?,New answer {n}.\n" for n in range(40))
    _, second, _, after = _both(spec, faq, "two")
    sides = {e.id: e.side for e in read_examples(after)}
    assert {e.id: sides[e.id] for e in read_examples(before)} == {
        e.id: e.side for e in read_examples(before)
    }
    assert second["lock"] != first["lock"]


def test_rows_keep_their_sides_wherever_they_come_to_stand(faq: Path) -> None:
    _, _, _, before = _both(_spec(CSV), faq, "one")
    sides = {e.question.casefold(): e.side for e in read_examples(before)}
    header, *rows = (faq / "faq.csv").read_text().splitlines()
    moved = "\n".join([header, "Is this row new?,It is.", *rows[:20:-1], *rows[5:20]])
    (faq / "moved.csv").write_text(moved + "\n")
    _, _, _, after = _both(_spec({**CSV, "path": "moved.csv"}), faq, "two")
    again = {e.question.casefold(): e.side for e in read_examples(after)}
    assert len(again) > 50
    assert {q: side for q, side in again.items() if q in sides} == {
        q: side for q, side in sides.items() if q in again
    }


def test_published_test_rows_stay_and_their_copies_go(faq: Path) -> None:
    rows = (faq / "faq.csv").read_text().splitlines()
    (faq / "test.csv").write_text("\n".join([rows[0], rows[3], "Is this one new?,It is."]) + "\n")
    spec = _spec(CSV, {**CSV, "path": "test.csv"}, split={"keep": "published.json"})
    _, _, one, _ = _both(_spec(CSV, {**CSV, "path": "test.csv"}), faq, "one")
    published = {"test.csv:2": "test", "test.csv:3": "test", "gone.csv:1": "test"}
    (faq / "published.json").write_text(json.dumps(published))
    (faq / "two").mkdir()
    told = prepare(spec, one, faq / "two", Quiet(), 0, kept_sides(spec, faq))
    assert (told["kept_sides"], told["kept_sides_not_found"]) == (2, 1)
    sides = {e.id: e.side for e in read_examples(faq / "two")}
    assert (sides["test.csv:2"], sides["test.csv:3"]) == ("test", "test")
    assert "faq.csv:4" not in sides


def test_a_file_of_sides_that_names_nothing_is_an_error(faq: Path) -> None:
    _, _, one, _ = _both(_spec(CSV), faq, "one")
    (faq / "two").mkdir()
    with pytest.raises(DataError, match="none of the 1 names") as caught:
        prepare(_spec(CSV), one, faq / "two", Quiet(), 0, {"faq:2": "test"})
    assert "faq.csv:2" in str(caught.value.mend)
    assert not (faq / "two" / "examples.parquet").exists()


def test_same_inputs_same_lock_other_seed_other_split(faq: Path) -> None:
    spec = _spec(CSV, PYDOC)
    locks = [_both(spec, faq, f"r{n}", seed)[1]["lock"] for n, seed in enumerate((0, 0, 1))]
    assert locks[0] == locks[1] != locks[2]


def test_sides_of_an_earlier_split_can_be_kept(faq: Path) -> None:
    _, _, _, before = _both(_spec(CSV), faq, "one")
    spec = _spec(CSV, split={"keep": "one/prepared/sides.json"})
    kept = kept_sides(spec, faq)
    assert set(kept.values()) == {"train", "validation", "test"}
    (faq / "two").mkdir()
    prepare(spec, faq / "one" / "collected", faq / "two", Quiet(), 7, kept)
    sides = {e.id: e.side for e in read_examples(before)}
    assert {e.id: e.side for e in read_examples(faq / "two")} == sides
    assert kept_sides(_spec(CSV), faq) == {}


def test_no_group_is_on_two_sides(faq: Path) -> None:
    _, _, _, two = _both(_spec(CSV, PYDOC), faq)
    sides: dict[str, set[str]] = {}
    for example in read_examples(two):
        sides.setdefault(example.group, set()).add(example.side)
    assert all(len(found) == 1 for found in sides.values())


def test_near_duplicate_documents_are_asked_about_once(tmp_path: Path) -> None:
    said = "The cache keeps the last results and drops those which nobody asked for in an hour."
    lines = [{"text": said}, {"text": said.upper()}, {"text": "Another text entirely, of course."}]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "q.jsonl").write_text('{"question": "Why?", "answer": "So."}')
    spec = _spec({"kind": "jsonl", "path": "d.jsonl"}, {"kind": "jsonl", "path": "q.jsonl"})
    _, prepared, one, two = _both(spec, tmp_path)
    assert prepared["reasons"] == {"near-duplicate document": 1}
    assert len(read_documents(one)) == 3
    assert [e.answer for e in read_examples(two)] == ["So."]


def test_too_many_refused_rows_fail_the_stage(tmp_path: Path) -> None:
    (tmp_path / "faq.csv").write_text("question,answer\na,\nb,\nc,yes\n")
    with pytest.raises(LeakageError, match="2 of 3 rows"):
        _both(_spec(CSV), tmp_path)
    _both(_spec(CSV, max_refused=0.7), tmp_path, "again")


def test_the_same_source_twice(faq: Path) -> None:
    collected, *_ = _both(_spec(CSV, CSV, max_refused=0.6), faq)
    assert collected["rows"] == 61
    assert collected["reasons"]["name already taken in another source"] == 61


def test_nothing_to_learn_from(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_text('{"text": "Just one text."}\n')
    spec = _spec({"kind": "jsonl", "path": "d.jsonl"})
    with pytest.raises(DataError, match="no example is left"):
        _both(spec, tmp_path)
    (tmp_path / "faq.csv").write_text("question,answer\n")
    with pytest.raises(DataError, match="no usable row"):
        _both(_spec(CSV), tmp_path, "again")


def test_texts_alone_are_enough_if_no_questions_are_wanted(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_text('{"text": "Just one text."}\n')
    _, prepared, *_ = _both(_spec({"kind": "jsonl", "path": "d.jsonl"}, questions=None), tmp_path)
    assert prepared["examples"] == 0


def test_source_digests(faq: Path) -> None:
    (faq / "t.txt").write_text("text")
    spec = _spec(CSV, PYDOC, {"kind": "text", "paths": ["*.txt"]})
    before = [source_digest(s, faq) for s in spec.sources]
    assert len(set(before)) == 3
    assert [source_digest(s, faq) for s in spec.sources] == before
    (faq / "t.txt").write_text("Text")
    (faq / "faq.csv").write_text("question,answer\n")
    after = [source_digest(s, faq) for s in spec.sources]
    assert [a == b for a, b in zip(before, after, strict=True)] == [False, True, False]
    with pytest.raises(DataError, match="No such file"):
        source_digest(_spec({**CSV, "path": "none.csv"}).sources[0], faq)


def test_golden_lock(tmp_path: Path) -> None:
    """What is written for the same inputs changes only with the stage's version."""
    text = "m.fill(text, width=70, **more)\nFill a paragraph. Return the filled text."
    meta = {"signature": text.partition("\n")[0], "summary": "Fill a paragraph."}
    documents = [
        Document(f"m.f{n}", f"m.f{n}", text.replace("m.fill", f"m.f{n}") + f" Take {n}, of {n}.",
                 f"m.py:{n}", "function", f"m.f{n}",
                 {**meta, "signature": meta["signature"].replace("m.fill", f"m.f{n}")})
        for n in range(30)
    ]  # fmt: skip
    write_table(tmp_path / "documents.parquet", documents, Document)
    write_table(tmp_path / "rows.parquet", [], Example)
    spec = _spec(PYDOC, duplicates={"threshold": 1.0})
    told = prepare(spec, tmp_path, tmp_path, Quiet(), 0)
    assert (COLLECT_VERSION, PREPARE_VERSION, told["examples"]) == (6, 5, 120)
    assert told["lock"].startswith("efefa8c8d1c87940")
