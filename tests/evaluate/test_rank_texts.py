"""Held-out texts are those of one side; nothing that repeats them is learned."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from luthier.core.errors import DataError
from luthier.core.records import Document, Example, Message, Side, write_table
from luthier.data.collect import DOCUMENTS
from luthier.data.duplicates import DuplicatesSpec
from luthier.evaluate._rank_texts import Text, choose, plain, read_project, read_texts


def row(name: str, side: Side, document: str = "") -> Example:
    messages = (Message("user", f"What is {name}?"), Message("assistant", f"It is {name}."))
    return Example(name, messages, f"rows.csv:{name}", document or name, "fact", document, side)


def document(name: str, text: str, group: str = "") -> Document:
    return Document(name, name, text, f"{name}.txt", "text", group or name)


LONG = "The lute has many strings and the violin has only four of them, says the old luthier."
DOCUMENTS_MADE = [
    document("copy", LONG + " Indeed."),  # no row of its own: nearly repeats what is held out
    document("held", LONG),
    document("learned", "Sharpen the chisel before you carve the neck of an instrument."),
    document("tested", "Varnish dries slowly in winter, quickly in summer, never in rain."),
    document("sibling", "Hide glue is heated in a bath of warm water until it runs.", "held"),
    document("free", "Spruce from high valleys grows slowly and rings like a bell."),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [row("1", "train"), row("2", "validation"), row("3", "test")]
    rows += [row("4", "validation", "held"), row("5", "train", "learned")]
    rows += [row("6", "test", "tested")]
    write_table(tmp_path / "examples.parquet", rows, Example)
    write_table(tmp_path / DOCUMENTS, DOCUMENTS_MADE, Document)
    return tmp_path


def test_sides_of_documents_follow_their_rows_groups_and_twins(folder: Path) -> None:
    project = read_project(folder, folder, DuplicatesSpec())
    assert project.sides == {
        "copy": "validation",
        "held": "validation",
        "learned": "train",
        "tested": "test",
        "sibling": "validation",
        "free": "",
    }
    held = project.held_out("validation")
    assert [t.name for t in held] == [
        "rows.csv:2", "rows.csv:4", "copy.txt", "held.txt", "sibling.txt"
    ]  # fmt: skip
    assert {t.group for t in held if t.name in ("rows.csv:4", "held.txt")} == {"held"}
    assert len(project.held_out("validation", documents=False)) == 2
    assert [t.name for t in project.held_out("test")] == ["rows.csv:3", "rows.csv:6", "tested.txt"]


def test_what_is_learned_shares_nothing_with_what_is_held_out(folder: Path) -> None:
    project = read_project(folder, folder, DuplicatesSpec())
    learned = project.learned()
    assert len(learned) == 4
    for side in ("validation", "test"):
        held = project.held_out(side)
        assert held
        assert not {t.text for t in held} & set(learned)


def test_a_conversation_is_what_its_turns_say() -> None:
    call = '[{"name": "tune"}]'
    messages = (
        Message("user", "Tune it."),
        Message("assistant", "", call),
        Message("tool", "done"),
        Message("assistant", "It is in tune."),
    )
    made = plain(Example("e", messages, "o", "g", "fact"))
    assert made == f"Tune it.\n{call}\ndone\nIt is in tune."


def test_files_and_lines_become_texts_unchanged(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "b.md").write_bytes(b"two\r\nlines ")
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    lines = [json.dumps(v) for v in ("naïve\u2028x", {"text": "t", "id": 1}, {"messages": turns})]
    (tmp_path / "a.jsonl").write_text("\n".join([*lines, "", ""]), encoding="utf-8")
    (tmp_path / "c.png").write_bytes(b"\x89PNG")
    found = read_texts(tmp_path)
    assert [t.text for t in found] == ["naïve\u2028x", "t", "q\na", "two\r\nlines "]
    assert found[2].name.endswith("a.jsonl:3")
    assert sum(t.size_bytes for t in found) == 10 + 1 + 3 + 11
    assert read_texts(tmp_path / "in" / "b.md")[0].text == "two\r\nlines "


@pytest.mark.parametrize(
    "line", ["{", "3", '{"title": "x"}', '{"text": null}', '{"messages": 3}', '"\\ud800"', "[]"]
)
def test_a_line_without_text_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "fine"}\n' + line)
    with pytest.raises(DataError, match=r"a\.jsonl:2: no text on this line"):
        read_texts(tmp_path / "a.jsonl")


def test_bytes_that_are_no_utf8_and_folders_without_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no text here"):
        read_texts(tmp_path)
    (tmp_path / "a.txt").write_bytes("naïve".encode("latin-1"))
    with pytest.raises(DataError, match="UTF-8"):
        read_texts(tmp_path)


def test_a_limit_takes_whole_texts_the_same_ones_each_time() -> None:
    texts = [Text(str(n), str(n), "ä" * n) for n in range(30)]
    kept, left = choose(texts, None)
    assert (len(kept), [t.name for t in left]) == (29, ["0"])
    for limit in (2, 100, 400):
        kept, left = choose(texts, limit)
        assert 0 < sum(t.size_bytes for t in kept) <= limit
        assert sorted([*kept, *left], key=lambda t: int(t.name)) == texts
        assert [t.name for t in kept] == [t.name for t in texts if t in kept]
        assert set(choose(texts[::-1], limit)[0]) == set(kept)
    with pytest.raises(DataError, match="no text is left"):
        choose(texts, 1)
    with pytest.raises(DataError, match="no text is left"):
        choose([], None)
