"""How an answer used its passages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings, strategies as st

from luthier.core.records import Passage
from luthier.rag.measuring.answered import Answered, Use, means, use

BRIDGE = "The bridge was opened in 1932. It is painted grey."
TOWER = "The tower was finished in 1889. Visitors climb 300 steps."


def passage(id_: str, text: str, title: str = "") -> Passage:
    return Passage(id_, id_, title, text, "f", 0, len(text))


PASSAGES = (passage("bridge", BRIDGE), passage("tower", TOWER))
FIRST = len("The bridge was opened in 1932.")


def test_figures_by_hand() -> None:
    made = use(
        Answered(
            "When was the bridge opened?",
            "The bridge was opened in 1932.",
            PASSAGES,
            "The bridge was opened in 1932.",
        )
    )
    # White space between sentences belongs to none of them.
    whole = len(BRIDGE) + len(TOWER) - 2
    assert made.context_relevance == pytest.approx(FIRST / whole)
    assert made.utilisation == pytest.approx(FIRST / whole)
    assert made.completeness == 1.0
    assert made.attribution == 0.5
    assert made.faithfulness == 1.0
    assert made.attributed == (True, False)
    assert made.utilised == pytest.approx((FIRST / (len(BRIDGE) - 1), 0.0))


def test_an_answer_that_is_made_up_is_not_faithful_and_uses_nothing() -> None:
    made = use(Answered("When was the bridge opened?", "The bridge was opened in 1945.", PASSAGES))
    assert made.faithfulness == 0.0
    assert made.attribution == 0.0
    assert made.completeness == 0.0


def test_half_of_what_helps_is_half_complete() -> None:
    reference = "The bridge was opened in 1932. The tower was finished in 1889."
    made = use(Answered("When?", "The tower was finished in 1889.", PASSAGES, reference))
    assert made.completeness == pytest.approx(31 / (30 + 31))
    mixed = use(
        Answered("When?", "The tower was finished in 1889. The bridge is red.", PASSAGES, reference)
    )
    assert mixed.faithfulness == 0.5


def test_a_short_answer_is_used_where_it_stands() -> None:
    made = use(Answered("When was the bridge opened?", "1932", PASSAGES, "1932"))
    assert made.attributed == (True, False)
    assert made.completeness == 1.0
    assert made.faithfulness == 1.0


def test_without_a_reference_the_questions_words_tell_what_helps() -> None:
    made = use(Answered("When was the tower finished?", "In 1889.", PASSAGES))
    assert made.context_relevance is not None
    assert 0 < made.context_relevance < 0.6
    nothing = use(Answered("Who sells umbrellas?", "Nobody knows.", PASSAGES))
    assert nothing.context_relevance == 0.0
    assert nothing.completeness is None


def test_an_encoder_sees_what_words_do_not() -> None:
    def encode(texts: Sequence[str]) -> npt.NDArray[np.float32]:
        near = [[1.0, 0.0] if "inaug" in t or "opened" in t else [0.0, 1.0] for t in texts]
        return np.array(near, np.float32)

    asked = Answered("When was the inauguration?", "In 1932.", PASSAGES)
    assert use(asked).context_relevance == 0.0
    found = use(asked, encode=encode).context_relevance
    assert found == pytest.approx(FIRST / (len(BRIDGE) + len(TOWER) - 2))


def test_without_passages_there_are_no_figures() -> None:
    assert use(Answered("q", "a", ())) == Use(None, None, None, None, None)
    assert use(Answered("q", "a", (passage("x", "  "),))).faithfulness is None


def test_means_leave_out_what_has_no_figure() -> None:
    made = means([Use(0.5, 0.5, None, 1.0, None), Use(1.0, 0.5, 0.25, 0.0, None)])
    assert made["context_relevance"] == (0.75, 2)
    assert made["completeness"] == (0.25, 1)
    assert made["faithfulness"] == (None, 0)


TEXTS = st.lists(
    st.sampled_from([BRIDGE, TOWER, "1932", "No.", "", "It is not grey. 12%", "x\ny"]), max_size=3
)


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.sampled_from(["When?", "", BRIDGE]), TEXTS, TEXTS)
def test_figures_are_shares_and_never_change(
    shown: list[str], question: str, answer: list[str], reference: list[str]
) -> None:
    passages = tuple(passage(f"p{n}", text) for n, text in enumerate(shown))
    one = Answered(question, " ".join(answer), passages, " ".join(reference))
    made = use(one)
    assert made == use(one)
    assert all(value is None or 0 <= value <= 1 for value in made.figures().values())
    assert all(0 <= share <= 1 for share in made.utilised)
