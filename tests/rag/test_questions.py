"""Questions made from a corpus are fair, or refused with a reason."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from pydantic import ValidationError

from luthier.core.ledger import Ledger
from luthier.core.records import EVERYONE, Document, Passage
from luthier.rag.access import Slice, may_see
from luthier.rag.measure import measure
from luthier.rag.questions import MadeSpec, make_questions

BRIDGE = "The old bridge over the river was opened in 1932 by the mayor. It is grey."
TOWER = "Visitors of the famous tower climb exactly 301 narrow wooden steps every morning."
CELLAR = "The deep cellar below the market keeps barrels of Rheingau Riesling wine for winter."


CLOZE = MadeSpec(style="cloze")


def document(id_: str, title: str, text: str, access: Sequence[str] = (EVERYONE,)) -> Document:
    return Document(id_, title, text, f"{id_}.md", "text", id_, access=tuple(access))


DOCUMENTS = [
    document("bridge", "A bridge", BRIDGE),
    document("tower", "A tower", TOWER, ["ann"]),
    document("cellar", "", CELLAR),
]


def search(text: str, part: Slice, k: int) -> list[Passage]:
    """By shared words, as the viewer."""
    asked = set(text.lower().split())
    rows = [
        (len(asked & set(one.text.lower().split())), one)
        for one in DOCUMENTS
        if may_see(one.access, part.who)
    ]
    rows.sort(key=lambda row: -row[0])
    return [
        Passage(o.id, o.id, o.title, o.text, o.origin, 0, len(o.text), access=o.access)
        for shared, o in rows[:k]
        if shared
    ]


def test_a_question_is_a_sentence_without_its_answer() -> None:
    ledger = Ledger()
    made = make_questions(DOCUMENTS, CLOZE, ledger, search=search)
    assert [(one.document_id, one.answer, one.kind) for one in made] == [
        ("bridge", "1932", "number"),
        ("tower", "301", "number"),
        ("cellar", "Rheingau Riesling", "name"),
    ]
    for one in made:
        text = next(d.text for d in DOCUMENTS if d.id == one.document_id)
        assert text[one.start : one.end] == one.answer
        assert one.answer not in one.text
        assert "____" in one.text
    assert made[1].who == {"ann", EVERYONE}
    assert made == make_questions(DOCUMENTS, CLOZE, Ledger(), search=search)
    assert ledger.refused == 0


def test_made_questions_measure_a_search() -> None:
    made = make_questions(DOCUMENTS, MadeSpec(words=4), Ledger(), search=search)
    words = made[0].text.split()
    assert len(words) == 4
    assert [w for w in BRIDGE.replace(".", "").split() if w in words] == words
    lists = {one.id: one.access for one in DOCUMENTS}
    found = measure([one.sought() for one in made], search, lists, metrics=["hit@1"])
    assert found.values["hit@1"].tolist() == [1.0, 1.0, 1.0]
    assert not found.leaks


@pytest.mark.parametrize(
    ("documents", "reason"),
    [
        (
            [document("a", "x", BRIDGE), document("b", "y", BRIDGE.replace("mayor", "king"))],
            "another document",
        ),
        ([document("a", "Old bridge", BRIDGE)], "names the title"),
    ],
)
def test_what_is_not_fair_is_refused_with_a_reason(documents: list[Document], reason: str) -> None:
    ledger = Ledger()
    assert make_questions(documents, CLOZE, ledger) == []
    assert any(reason in told for told in ledger.reasons())


def test_what_the_search_does_not_find_is_refused() -> None:
    ledger = Ledger()
    assert make_questions(DOCUMENTS, MadeSpec(), ledger, search=lambda t, p, k: []) == []
    assert list(ledger.reasons()) == ["question that no search finds"]
    assert ledger.refused == 3


def test_a_model_may_word_them_but_not_tell_the_answer() -> None:
    told = {"1932": "In which year did the mayor open the\n old crossing of the river?"}

    def generate(prompts: Sequence[str]) -> Sequence[str]:
        other = "Is it 301, or Rheingau Riesling wine now?"
        return [next((q for a, q in told.items() if f"'{a}'" in p), other) for p in prompts]

    ledger = Ledger()
    made = make_questions(DOCUMENTS, MadeSpec(), ledger, generate=generate)
    assert [one.text for one in made] == [
        "In which year did the mayor open the old crossing of the river?"
    ]
    assert ledger.reasons() == {"question with its answer in it": 2}


def test_parts_of_scores_and_first_words_are_no_answers() -> None:
    text = "Despite heavy rain the local visitors won the long final match by 24–10 on Sunday."
    made = make_questions([document("a", "", text)], CLOZE, Ledger())
    assert [one.answer for one in made] == ["Sunday"]


def test_what_nobody_may_see_is_not_asked_about() -> None:
    assert make_questions([document("a", "x", BRIDGE, [])], MadeSpec(), Ledger()) == []


def test_no_more_than_wanted_and_spread_over_the_documents() -> None:
    texts = [
        " ".join(
            f"Number {100 * n + i} stands beside words{n} unique{n}x{i} here{i} and there{n} today."
            for i in range(4)
        )
        for n in range(5)
    ]
    documents = [document(f"d{n}", "", text) for n, text in enumerate(texts)]
    one_each = make_questions(documents, MadeSpec(most=5, per_document=3), Ledger())
    assert [one.document_id for one in one_each] == [f"d{n}" for n in range(5)]
    assert len(make_questions(documents, MadeSpec(per_document=2), Ledger())) == 10


def test_a_style_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError):
        MadeSpec(style="riddle")  # type: ignore[arg-type]
