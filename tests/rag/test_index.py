"""Documents in, passages out: found, ranked, traced, and refused when something is damaged."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import pytest

from luthier.core.errors import DataError, StoreError
from luthier.core.ledger import read_ledger
from luthier.core.progress import Quiet
from luthier.core.records import Document
from luthier.models.embed import LocalEncoder
from luthier.rag.access import Slice, viewer
from luthier.rag.chunkers.tokens import TokenChunks
from luthier.rag.index import build, open_index
from luthier.rag.spec import RagSpec

TEXTS = {
    "textwrap": "Text wrapping and filling. Provides fill and wrap, and fill again.",
    "textwrap.fill": "Fill a single paragraph of text, returning a new string.",
    "textwrap.wrap": "Wrap a paragraph, returning a list of lines no longer than width.",
    "turtle.end_fill": "Fill the shape drawn after the call begin_fill.",
    "os.path.join": "Join two or more pathname components, inserting '/' as needed.",
    "json.dumps": "Serialize obj to a JSON formatted str.",
    "heapq.heappush": "Push item onto heap, maintaining the heap invariant.",
    "builtins.all": "Return True if bool(x) is True for each x in the iterable.",
    "it's": "A title with a quotation mark' in it; about apostrophes.",
}


def local(folder: Path) -> LocalEncoder:
    return LocalEncoder(name=str(folder))


def documents(texts: dict[str, str] = TEXTS) -> list[Document]:
    return [
        Document(name, name, text, f"{name}.py:{line}", "function", name)
        for line, (name, text) in enumerate(texts.items(), 1)
    ]


@pytest.fixture(scope="module")
def real(minilm: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    summary = build(RagSpec(encoder=LocalEncoder(name=minilm)), documents(), folder, Quiet())
    assert summary["passages"] == summary["documents"] == len(TEXTS)
    return folder


@pytest.fixture(scope="module")
def tiny(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny-index")
    build(RagSpec(encoder=local(tiny_encoder)), documents(), folder, Quiet())
    return folder


def test_each_retriever_finds_what_it_is_good_at(real: Path) -> None:
    def first(question: str, retriever: str) -> str:
        spec = RagSpec.model_validate({"retriever": retriever})
        return open_index(real, spec).search(question)[0].document_id

    assert first("heap invariant", "bm25") == "heapq.heappush"
    assert first("How do I concatenate directory names?", "dense") == "os.path.join"
    for question in ("What does textwrap.fill do?", "In module textwrap, what does fill do?"):
        assert first(question, "hybrid") == "textwrap.fill"
    assert first("How do I concatenate directory names?", "hybrid") == "os.path.join"
    assert first("What does all do?", "bm25") == "builtins.all"  # stop words are names here


def test_scores_fall_ties_stand_by_id_and_origins_are_kept(real: Path) -> None:
    index = open_index(real, RagSpec(top_k=5))
    found = index.search("fill a paragraph")
    assert len(found) == 5
    assert found == sorted(found, key=lambda p: (-p.score, p.id))
    assert found[0].score > found[-1].score
    for one in found:
        line = list(TEXTS).index(one.document_id) + 1
        assert one.origin == f"{one.document_id}.py:{line}"
        assert one.text == TEXTS[one.document_id][one.start : one.end]
    assert len(index.search("fill a paragraph", k=2)) == 2
    assert index.search("fill a paragraph", k=0) == []


def test_equal_passages_always_stand_in_the_order_of_their_ids(
    tiny_encoder: Path, tmp_path: Path
) -> None:
    same = {f"copy{i}": "wrap the text" for i in (3, 1, 2)}
    for retriever in ("bm25", "dense", "hybrid"):
        spec = RagSpec.model_validate(
            {"encoder": {"name": str(tiny_encoder)}, "retriever": retriever}
        )
        folder = tmp_path / retriever
        folder.mkdir()
        rows = [dataclasses.replace(d, title="t") for d in documents(same)]
        build(spec, rows, folder, Quiet())
        found = open_index(folder, spec).search("wrap the text")
        assert [p.id for p in found] == ["copy1#0", "copy2#0", "copy3#0"]


def test_many_questions_are_answered_like_one(real: Path) -> None:
    index = open_index(real, RagSpec())
    questions = ["What does json.dumps do?", " ", "push onto a heap", ""]
    together = index.search_many(questions)
    for question, found in zip(questions, together, strict=True):
        alone = index.search(question)
        assert [p.id for p in found] == [p.id for p in alone]
        assert [p.score for p in found] == pytest.approx([p.score for p in alone], abs=0.02)
    assert together[1] == together[3] == []
    assert index.search_many([]) == []


@pytest.mark.parametrize("question", ['"', "'; DROP", "AND OR (", "it's", "\x00", "字", "?" * 5000])
def test_odd_questions_do_no_harm(real: Path, question: str) -> None:
    assert len(open_index(real, RagSpec()).search(question)) <= 3


def test_a_long_document_becomes_passages_with_its_origin(
    tiny_encoder: Path, tmp_path: Path
) -> None:
    text = "\n\n".join(f"wrap the text {'fill ' * 10}return a list" for _ in range(8))
    spec = RagSpec(encoder=local(tiny_encoder), chunker=TokenChunks(chunk_size=20, chunk_overlap=4))
    summary = build(spec, documents({"long": text}), tmp_path, Quiet())
    assert summary["passages"] > 6
    assert summary["shortened"] == 0
    found = open_index(tmp_path, spec).search("wrap text", k=50)
    assert len(found) == summary["passages"]
    for one in found:
        assert text[one.start : one.end] == one.text
        assert (one.id, one.origin) == (f"long#{one.start}", "long.py:1")


def test_a_title_the_encoder_cannot_read_whole_is_counted(
    tiny_encoder: Path, tmp_path: Path
) -> None:
    spec = RagSpec(encoder=local(tiny_encoder), chunker=TokenChunks(chunk_size=20, chunk_overlap=4))
    rows = [dataclasses.replace(documents({"a": "wrap " * 15})[0], title="text " * 40)]
    assert build(spec, rows, tmp_path, Quiet())["shortened"] == 1


def test_documents_without_text_stand_in_the_ledger(tiny_encoder: Path, tmp_path: Path) -> None:
    spec = RagSpec(encoder=local(tiny_encoder))
    summary = build(spec, documents({"full": "fill", "blank": " \n"}), tmp_path, Quiet())
    assert (summary["passages"], summary["refused"]) == (1, 1)
    (entry,) = read_ledger(tmp_path).entries
    assert (entry.reason, entry.origin) == ("empty document", "blank.py:2")


def test_bad_corpora_are_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    spec = RagSpec(encoder=local(tiny_encoder))
    with pytest.raises(DataError, match="no documents"):
        build(spec, [], tmp_path, Quiet())
    with pytest.raises(DataError, match="none of 1 documents has text"):
        build(spec, documents({"blank": " "}), tmp_path, Quiet())
    twice = [*documents({"a": "fill"}), *documents({"a": "wrap"})]
    with pytest.raises(DataError, match="two documents have the id 'a'"):
        build(spec, twice, tmp_path, Quiet())


def test_a_copy_works_and_searching_writes_nothing(
    tiny: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "bundle" / "index"
    shutil.copytree(tiny, copy)

    def state() -> dict[str, str]:
        files = [p for p in copy.rglob("*") if p.is_file()]
        return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}

    before = state()
    spec = RagSpec(encoder=local(tiny_encoder))
    found = open_index(copy, spec).search("wrap the text")
    assert found == open_index(tiny, spec).search("wrap the text")
    assert state() == before
    assert str(tiny) not in (copy / "index.json").read_text()


def test_another_encoder_is_refused(tiny: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_encoder, other)
    config = json.loads((other / "1_Pooling" / "config.json").read_text())
    flipped = {name: not chosen for name, chosen in config.items()}
    (other / "1_Pooling" / "config.json").write_text(json.dumps(flipped))
    with pytest.raises(StoreError, match="another encoder"):
        open_index(tiny, RagSpec(encoder=local(other)))


def test_an_index_without_vectors_serves_words_only(tiny_encoder: Path, tmp_path: Path) -> None:
    spec = RagSpec(encoder=local(tiny_encoder), retriever="bm25")
    assert build(spec, documents(), tmp_path, Quiet())["passages_per_s"] == 0
    assert open_index(tmp_path, spec).search("heap invariant")[0].title == "heapq.heappush"
    with pytest.raises(StoreError, match="no vectors"):
        open_index(tmp_path, spec.model_copy(update={"retriever": "hybrid"}))


def test_damaged_folders_are_refused(tiny: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    spec = RagSpec(encoder=local(tiny_encoder))
    with pytest.raises(StoreError, match="not an index"):
        open_index(tmp_path, spec)
    for number, damage in enumerate(
        [
            lambda f: next((f / "search").rglob("rows.arrow")).unlink(),
            lambda f: next((f / "search").rglob("lists.bin")).write_bytes(b"cut"),
            lambda f: next((f / "search").rglob("vectors.bin")).write_bytes(b""),
            lambda f: (f / "index.json").write_text("{"),
            lambda f: (f / "index.json").write_text("[]"),
        ]
    ):
        folder = tmp_path / str(number)
        shutil.copytree(tiny, folder)
        damage(folder)
        with pytest.raises(StoreError, match=r"damaged (search )?index"):
            open_index(folder, spec)


def test_only_those_who_may_see_a_document_find_it(tiny_encoder: Path, tmp_path: Path) -> None:
    spec = RagSpec(encoder=local(tiny_encoder), top_k=10)
    rows = documents()
    rows[0] = dataclasses.replace(rows[0], access=("ann",))
    rows[1] = dataclasses.replace(rows[1], access=())
    build(spec, rows, tmp_path, Quiet())
    index = open_index(tmp_path, spec)
    closed = {rows[0].id, rows[1].id}
    everyone = {p.document_id for p in index.search("fill the text")}
    assert not everyone & closed
    ann = {p.document_id for p in index.search("fill the text", part=Slice(viewer(["ann"])))}
    assert ann & closed == {rows[0].id}


def test_a_question_tells_why_each_passage_was_found(real: Path) -> None:
    [found] = open_index(real, RagSpec(top_k=2)).look_up(["Fill a  paragraph"])
    assert found.question == "Fill a paragraph"
    assert [change.step for change in found.changes] == ["normalise"]
    assert len(found.why) == len(found.passages) == 2
    assert all("by words" in why and "by meaning" in why for why in found.why)
