"""Nobody gets to see more on the way from a source to a passage."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from chunk_checks import word_offsets
from hypothesis import given, settings, strategies as st

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger, read_ledger
from luthier.core.progress import Quiet
from luthier.core.records import EVERYONE, Document, Example, Message, read_table, write_table
from luthier.data.annotate._merge import Given, label_documents
from luthier.data.clean.clean import CleanSpec, clean
from luthier.data.collect import DOCUMENTS, ROWS, collect
from luthier.data.prepare import CLOSED, DataSpec, prepare
from luthier.data.questions import QuestionsSpec, make_questions
from luthier.data.sources._access import NO_LIST
from luthier.data.sources.csv import CsvSource
from luthier.data.sources.jsonl import JsonlSource
from luthier.data.sources.sources import source_digest
from luthier.data.sources.text import TextSource
from luthier.data.synthesize.drafts import from_document
from luthier.rag.chunk import chunk
from luthier.rag.chunkers.recursive import RecursiveChunks
from luthier.rag.chunkers.tokens import TokenChunks
from luthier.rag.contexts import with_passages
from luthier.rag.spec import RagSpec

LONG = "The quick brown fox jumps over the lazy dog and runs far away into the dark green forest."
TEXTS = [LONG, LONG + " Again.", LONG.upper(), "Tea is made of leaves that are picked by hand."]
GROUPS = ["ann", "bob", "hr", EVERYONE]


def collected(folder: Path, *sources: Any) -> list[Document]:
    collect(sources, folder, folder, Quiet(), max_refused=1.0)
    return read_table(folder / DOCUMENTS, Document)


rows = st.lists(
    st.tuples(st.sampled_from(TEXTS), st.lists(st.sampled_from(GROUPS), max_size=3)),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(rows)
def test_nobody_sees_a_text_whose_source_does_not_say_so(
    rows: Sequence[tuple[str, list[str]]],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = (json.dumps({"text": text, "who": who}) for text, who in rows)
        (folder / "a.jsonl").write_text("\n".join(lines))
        documents = collected(folder, JsonlSource(path="a.jsonl", access_field="who"))
        assert [set(d.access) for d in documents] == [set(who) for _, who in rows]
        cleaned = folder / "cleaned"
        cleaned.mkdir()
        spec = CleanSpec.model_validate(
            {"exact_duplicates": {}, "near_duplicates": {}, "max_refused": 1.0}
        )
        clean(spec, folder, cleaned, Quiet(), base=folder, seed=0)
        kept = read_table(cleaned / DOCUMENTS, Document)
    allowed = {d.id: set(d.access) for d in documents}
    plain = {text.casefold() for text in TEXTS}
    for one in kept:
        assert set(one.access) == allowed[one.id]
        assert one.text.casefold() in plain
        for passage in chunk(
            one, RecursiveChunks(chunk_size=16, chunk_overlap=0), word_offsets, 16
        ):
            assert passage.access == one.access
    # nobody loses a text either: who could see it, still sees it, or one that nearly repeats it
    for who in GROUPS:
        before = any(who in d.access for d in documents)
        assert before == any(who in one.access for one in kept)


def test_tables_and_front_matter_say_who_may_see_and_when(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        f'text,who,when,team\n"{LONG}","hr, ann",2023-11-14,tea\nOther words.,,soon,\n'
    )
    (tmp_path / "a.md").write_text(f"---\nwho: [bob]\nwhen: 2023-11-14\n---\n\n# Tea\n\n{LONG}\n")
    (tmp_path / "b.md").write_text(f"# Coffee\n\n{LONG} But no tea at all.\n")
    named = {"access_field": "who", "modified_field": "when"}
    table = CsvSource(path="a.csv", text="text", meta_fields=("team",), **named)  # type: ignore[arg-type]
    texts = TextSource(paths=("*.md",), meta_fields=("team",), **named)  # type: ignore[arg-type]
    documents = collected(tmp_path, table, texts)
    assert [(d.access, d.modified_s, d.meta) for d in documents] == [
        (("hr", "ann"), 1_699_920_000.0, {"team": "tea"}),
        ((), 0.0, {}),
        (("bob",), 1_699_920_000.0, {}),
        ((), 0.0, {}),
    ]
    assert read_ledger(tmp_path).reasons("changed")[NO_LIST] == 2


def test_broken_front_matter_closes_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(f"---\nwho: [bob\n---\n\n{LONG}\n")
    (document,) = collected(tmp_path, TextSource(paths=("a.md",), access_field="who"))
    assert document.access == ()
    assert "front matter cannot be read" in read_ledger(tmp_path).reasons("changed")


def test_a_column_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"text\n{LONG}\n")
    with pytest.raises(DataError, match=r"no column named 'who'[^?]*, `access_field`, `modified"):
        collected(tmp_path, CsvSource(path="a.csv", text="text", access_field="who"))


def test_files_have_a_time_only_if_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(LONG)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    plain, dated = TextSource(paths=("a.txt",)), TextSource(paths=("a.txt",), modified="mtime")
    (first,) = collected(tmp_path, plain)
    (second,) = collected(tmp_path, dated)
    assert (first.modified_s, second.modified_s) == (0.0, 1_700_000_000.0)
    before = [source_digest(one, tmp_path) for one in (plain, dated)]
    os.utime(path, (1_800_000_000, 1_800_000_000))
    after = [source_digest(one, tmp_path) for one in (plain, dated)]
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_closed_rows_are_counted_or_refused(tmp_path: Path) -> None:
    rows = [
        Example(
            f"{n}",
            (Message("user", f"What is number {n} for?"), Message("assistant", f"It is {n * n}.")),
            f"o:{n}",
            f"o:{n}",
            "row",
            closed=n < 10,
        )
        for n in range(40)
    ]
    write_table(tmp_path / DOCUMENTS, [], Document)
    write_table(tmp_path / ROWS, rows, Example)
    told = {}
    choices: tuple[Literal["warn", "refuse"], ...] = ("warn", "refuse")
    for what in choices:
        sources = (CsvSource(path="a.csv"),)
        spec = DataSpec(sources=sources, closed_rows=what, max_refused=1.0)
        told[what] = prepare(spec, tmp_path, tmp_path, Quiet(), 0)
        kept = read_table(tmp_path / "examples.parquet", Example)
        assert sum(one.closed for one in kept) == (10 if what == "warn" else 0)
    assert told["warn"]["not_for_everyone"] == 10
    assert "not_for_everyone" not in told["refuse"]
    assert told["refuse"]["reasons"][CLOSED] == 10


def test_rows_made_of_closed_documents_are_closed() -> None:
    text = "m.fill(text, width=70)\nFill a paragraph. Return the filled text."
    meta = {"signature": "m.fill(text, width=70)", "summary": "Fill a paragraph."}
    for access, closed in (((EVERYONE,), False), (("hr",), True), ((), True)):
        document = Document("m.fill", "m.fill", text, "m.py:1", "function", "m", meta, access)
        made, _ = make_questions([document], QuestionsSpec(), 0, Ledger())
        assert made
        assert {one.closed for one in made} == {closed}
        assert from_document("Why?", "So.", "documents", document).closed == closed
        _, (labelled,) = label_documents(
            [dataclasses.replace(document, kind="text")],
            {"m.fill": Given("m.fill", "tea", "people", 1.0)},
            (),
            "keep",
            Ledger(),
        )
        assert labelled.closed == closed


def test_a_training_prompt_shows_nobody_more_than_its_own_document_may() -> None:
    lists = [("hr",), (EVERYONE,), ("hr", "ann"), ("ann",), ()]
    documents = [
        Document(f"d{n}", f"title{n}", f"words{n} of answer{n}", f"o:{n}", "text", "g", {}, access)
        for n, access in enumerate(lists * 8)
    ]
    examples = [
        Example(f"e{n}", (Message("user", "What?"), Message("assistant", f"answer{n}")), "o", "g",
                "fact", f"d{n}")
        for n in range(len(documents))
    ]  # fmt: skip
    chunks = TokenChunks(chunk_size=16, chunk_overlap=2)
    spec = RagSpec(chunker=chunks, top_k=6, context_tokens=200)
    shown = with_passages(
        examples,
        documents,
        spec,
        share=1.0,
        count_tokens=lambda text: len(text.split()),
        token_offsets=word_offsets,
        seed=0,
    )
    beside = 0
    for n, example in enumerate(shown):
        own = set(documents[n].access)
        for other in documents:
            if other is not documents[n] and f"{other.title}\n" in example.question:
                beside += 1
                assert EVERYONE in other.access or (own and own <= set(other.access))
    assert beside
