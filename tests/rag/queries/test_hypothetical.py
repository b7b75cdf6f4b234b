"""Answers that are made up, and the vector they make."""

from __future__ import annotations

import numpy as np
from scripted import Scripted

from luthier.rag.queries.hypothetical import HypotheticalSpec, make_up, towards, unit
from luthier.rag.queries.language import read_language

ENGLISH = read_language("english")


def test_so_many_answers_are_made_up_with_seeds_of_their_own() -> None:
    model = Scripted(lambda prompt: "It was built in 1889.")
    told = make_up("When was it built?", HypotheticalSpec(answers=3), model, ENGLISH)
    assert [t.text for t in told] == ["It was built in 1889."] * 3
    assert [s.seed for s in model.samplings] == [0, 1, 2]
    assert all("When was it built?" in asked for asked in model.asked)


def test_an_answer_about_something_else_is_refused() -> None:
    (told,) = make_up("Who?", HypotheticalSpec(answers=1), Scripted(lambda _: "Set it."), ENGLISH)
    assert (told.text, "something else" in told.problem) == ("", True)


def test_the_vector_is_the_mean_of_question_and_answers() -> None:
    own = np.array([1.0, 0.0], np.float32)
    moved = towards(own, ["a", "b"], lambda texts: np.array([[0, 1], [0, 1]], np.float32))
    np.testing.assert_allclose(moved, np.array([1, 2]) / np.sqrt(5), rtol=1e-6)


def test_vectors_get_length_one_and_zeros_stay() -> None:
    np.testing.assert_allclose(unit(np.array([[3.0, 4.0], [0.0, 0.0]])), [[0.6, 0.8], [0, 0]])
