"""Questions made from documents."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from luthier.core.ledger import Ledger
from luthier.core.records import Document
from luthier.data._facts import Fact, facts
from luthier.data.questions import QuestionsSpec, make_questions, squeeze, unfit


def _document(name: str, prose: str = "Do a thing well. Return the thing.") -> Document:
    signature = f"{name}(a, b=1, c='x', d=None)"
    meta = {"signature": signature, "summary": prose.partition(". ")[0] + "."}
    return Document(name, name, f"{signature}\n{prose}", f"{name}.py:3", "function", name, meta)


def _make(documents: list[Document], seed: int = 0, **settings: object):  # type: ignore[no-untyped-def]
    ledger = Ledger()
    spec = QuestionsSpec.model_validate(settings)
    examples, considered = make_questions(documents, spec, seed, ledger)
    assert considered == len(examples) + ledger.refused
    return examples, ledger


def test_examples_carry_their_document() -> None:
    examples, _ = _make([_document("m.f")], per_document=10)
    assert {e.id.partition("?")[2] for e in examples} == {
        "summary-1", "parameters-1", "returns-1", "call-1",
        "default-b-1", "default-c-1", "default-d-1",
    }  # fmt: skip
    for example in examples:
        assert (example.document_id, example.group, example.origin) == ("m.f", "m.f", "m.f.py:3")
        assert example.kind == ("form" if "?call" in example.id else "fact")
        assert [m.role for m in example.messages] == ["user", "assistant"]


def test_one_of_each_kind_comes_before_a_second() -> None:
    examples, _ = _make([_document("m.f")], per_document=5)
    kinds = [e.id.partition("?")[2].partition("-")[0] for e in examples]
    assert sorted(kinds) == ["call", "default", "parameters", "returns", "summary"]


def test_several_wordings_differ() -> None:
    examples, _ = _make([_document("m.f")], forms_per_fact=3, per_document=1)
    assert len({e.question for e in examples}) == len(examples) == 3
    assert len({e.answer for e in examples}) == 1


_PROSE = st.lists(
    st.sampled_from(["Do a thing well.", "See also.", "The.", "Return the thing.", "a || b", "\n"]),
    max_size=4,
).map(" ".join)


@given(st.lists(_PROSE, max_size=5), st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_each_fact_is_asked_for_or_stands_in_the_ledger(proses: list[str], words: int) -> None:
    documents = [_document(f"m.f{n}", prose) for n, prose in enumerate(proses)]
    examples, ledger = _make(documents, per_document=100, max_answer_words=words)
    assert len(examples) + ledger.refused == sum(len(facts(d)) for d in documents)


@given(st.lists(st.integers(0, 50), unique=True, min_size=1), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_other_documents_change_nothing(numbers: list[int], seed: int) -> None:
    documents = [_document(f"m.f{n}") for n in numbers]
    together, _ = _make(documents, seed)
    alone = [e for d in documents for e in _make([d], seed)[0]]
    assert together == alone


def test_kinds_are_limited() -> None:
    examples, _ = _make([_document("m.f")], kinds=("call",))
    assert [e.kind for e in examples] == ["form"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("Return it.", "sentence too short"),
        ("The values are the following:", "sentence breaks off"),
        ("Return the value of the", "sentence breaks off"),
        ("It can take the following forms.", "sentence breaks off"),
        ("See the other function.", "sentence is markup or a pointer"),
        (r"The integers $\mathbb{Z}$ are here.", "sentence is markup or a pointer"),
        ("A list (of open brackets.", "sentence with an open bracket"),
        ('Has an "open quote here.', "sentence with an open quote"),
        ("Return a number in [0, n).", ""),
        ("Encode as a '\\n' ended line.", ""),
        (" ".join(["word"] * 50), "answer too long"),
        ("This is not said there.", "answer does not stand in the text"),
    ],
)
def test_unfit_sentences(answer: str, reason: str) -> None:
    said = "nothing" if "not said" in answer else answer.replace(" ", "\n")
    document = Document("m.f", "m.f", f"m.f()\n{said}", "o", "function", "g")
    fact = Fact("summary", "m.f", answer, answer)
    assert unfit(fact, document, QuestionsSpec()) == reason


def test_long_questions_are_refused() -> None:
    _, ledger = _make([_document("m." + "f" * 300)])
    assert set(ledger.reasons()) == {"question too long"}


def test_squeeze() -> None:
    assert squeeze(" a\n  b\t") == "a b"
