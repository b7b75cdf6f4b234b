"""What is said without a model stands letter by letter in a document."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from hypothesis import given, strategies as st

from luthier.core.records import Message, Passage
from luthier.models.generate import Generate, Reply, Sampling
from luthier.rag.extract import ExtractiveAnswerer, ExtractSpec, extract, similarity

TEXT = (
    "Antonio Stradivari was born in 1644. He worked in Cremona until 1737. "
    "About 650 of his instruments are left. The wood came from the Val di Fiemme."
)
BASE = Passage("s#100", "s", "Antonio Stradivari", TEXT, "s.txt:1", 100, 100 + len(TEXT))
OTHER = Passage("g#0", "g", "Glue", "Hide glue is made of bones. It opens with heat.", "g:1", 0, 47)
BOTH = [BASE, OTHER]
SENTENCE, WORDS = ExtractSpec(), ExtractSpec(answer="words")


def said(question: str, spec: ExtractSpec = SENTENCE) -> list[str]:
    return [piece.text for piece in extract(question, BOTH, spec)]


def test_the_best_sentence() -> None:
    assert said("How many instruments of Stradivari are left?") == [
        "About 650 of his instruments are left."
    ]
    assert said("What is hide glue made of?") == ["Hide glue is made of bones."]


def test_the_words_that_answer() -> None:
    assert said("When was Stradivari born?", WORDS) == ["1644"]
    assert said("How many instruments of his are left?", WORDS) == ["About 650"]
    assert said("Where did he work until 1737?", WORDS) == ["Cremona"]


def test_several_sentences_stand_in_the_order_of_the_text() -> None:
    found = said("When was Stradivari born and where did he work?", ExtractSpec(sentences=2))
    assert found == [s + "." for s in TEXT.split(". ")[:2]]


def test_it_says_nothing_where_nothing_is_told() -> None:
    assert said("Which frog lives longest?") == []
    assert said("") == []
    assert extract("When?", [], SENTENCE) == []


@given(st.sampled_from(["Who?", "When was Stradivari born?", "Where is glue?", "the wood came"]),
       st.integers(1, 4), st.booleans())  # fmt: skip
def test_offsets_are_exact(question: str, count: int, short: bool) -> None:
    spec = ExtractSpec(answer="words" if short else "sentence", sentences=count, least=0.0)
    for piece in extract(question, BOTH, spec):
        assert piece.passage.shown[piece.start : piece.end] == piece.text
        assert piece.document_span == (
            piece.passage.start + piece.start,
            piece.passage.start + piece.end,
        )


def test_a_larger_context_has_no_offsets_in_the_document() -> None:
    parent = dataclasses.replace(OTHER, context="Before. " + OTHER.text)
    [piece] = extract("What is hide glue made of?", [parent], SENTENCE)
    assert piece.text == "Hide glue is made of bones."
    assert piece.document_span is None


class Vectors:
    """Counts of three letters stand for meaning."""

    def encode(self, texts: Sequence[str]) -> object:
        import numpy as np

        rows = np.array([[t.count(c) + 0.01 for c in "zqx"] for t in texts])
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_an_encoder_has_its_say() -> None:
    rows = [Passage("a#0", "a", "a", "Zzz is here. Qqq is here.", "a:1", 0, 25)]
    cosines = similarity(Vectors())  # type: ignore[arg-type]
    [piece] = extract("qq", rows, ExtractSpec(least=0.0), cosines)
    assert piece.text == "Qqq is here."


class Shelf:
    def search_many(self, queries: Sequence[str]) -> list[list[Passage]]:
        return [BOTH for _ in queries]


def test_it_answers_as_any_model_does() -> None:
    answers: Generate = ExtractiveAnswerer(Shelf(), SENTENCE)
    asked = (Message("user", "Hi"), Message("user", "When was Antonio Stradivari born?"))
    [reply] = answers.generate([asked], Sampling())
    assert reply.text == "Antonio Stradivari was born in 1644."
    assert (reply.passages, reply.citations) == ((BASE, OTHER), ("s#100",))
    *pieces, last = answers.stream(asked, Sampling())
    assert pieces == [reply.text]
    assert isinstance(last, Reply)
    assert dataclasses.replace(last, latency_s=0) == dataclasses.replace(reply, latency_s=0)
    assert answers.score([asked], ["1644"]) == [None]
    assert answers.generate([], Sampling()) == []
    assert answers.count_tokens("a b c") == 3
    assert answers.context_length > 100_000


def test_it_says_that_the_documents_do_not_tell() -> None:
    [reply] = ExtractiveAnswerer(Shelf(), SENTENCE).generate(
        [(Message("user", "Which frog lives longest?"),)], Sampling()
    )
    assert (reply.text, reply.citations) == ("This is not in the documents.", ())
