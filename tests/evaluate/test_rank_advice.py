"""A recommendation follows from the figures, says why, and claims no more than they show."""

from __future__ import annotations

from typing import Any

from luthier.evaluate._rank_advice import recommend


def model(name: str, megabytes: int, licence: str | None = "mit", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "model",
        "memory_bytes": megabytes * 1_000_000,
        "peak_bytes": None,
        "licence": licence,
        **more,
    }


NGRAM = {"name": "ngram", "kind": "ngram", "memory_bytes": 1, "peak_bytes": None, "licence": None}


def asked(score: float, verdict: str = "") -> dict[str, Any]:
    return {"score": {"mean": score}} | ({"verdict": verdict} if verdict else {})


def test_the_smaller_of_two_that_cannot_be_told_apart() -> None:
    rows = [model("large", 400), model("starter", 100, "apache-2.0")]
    found = recommend(rows, {"starter": "cannot tell apart"})
    assert found == {
        "name": "starter",
        "sentence": "starter: cannot be told apart in bits per byte from large, a quarter of the "
        "memory, licence apache-2.0.",
    }


def test_the_best_where_it_is_clear_or_as_small() -> None:
    rows = [model("one", 300, None), model("two", 100)]
    found = recommend(rows, {"two": "worse"})
    assert found["sentence"] == (
        "one: the fewest bits per byte of the models, clearly, its card names no licence."
    )
    same = recommend([model("one", 100), model("two", 100)], {"two": "cannot tell apart"})
    assert same["sentence"].startswith("one: cannot be told apart in bits per byte from two, the s")


def test_peak_memory_goes_before_weights() -> None:
    rows = [model("one", 100, peak_bytes=900_000_000), model("two", 300, peak_bytes=400_000_000)]
    found = recommend(rows, {"two": "cannot tell apart"})
    assert found["name"] == "two"
    assert "half of the memory" in found["sentence"]


def test_counting_is_not_recommended_but_named() -> None:
    found = recommend([NGRAM, model("one", 100)], {})
    assert found["name"] == "one"
    assert found["sentence"] == (
        "one: the only model among the candidates, licence mit; ngram, counted in your own texts, "
        "needs fewer bits: tune before you use it."
    )
    assert "ngram" not in recommend([model("one", 100), NGRAM], {})["sentence"]
    assert recommend([NGRAM], {})["name"] is None


def test_too_little_to_tell_is_said() -> None:
    found = recommend([model("one", 1), model("two", 1)], {"two": "too few texts"})
    assert found == {
        "name": None,
        "sentence": "No recommendation: too few texts to tell the models apart.",
    }
    rows = [
        model("one", 1, few_shot=asked(0.5)),
        model("two", 1, few_shot=asked(0.4, "too few questions")),
    ]
    found = recommend(rows, {"two": "worse"}, "token_f1")
    assert found["name"] is None
    assert "too few questions to compare the models' token F1" in found["sentence"]


def test_answers_go_before_bits() -> None:
    rows = [
        model("one", 100, few_shot=asked(0.4, "worse")),
        model("two", 500, few_shot=asked(0.6)),
        model("three", 300, few_shot=asked(0.5, "cannot tell apart")),
        model("four", 10, few_shot=None),
    ]
    verdicts = {"two": "worse", "three": "worse", "four": "worse"}
    found = recommend(rows, verdicts, "accuracy")
    assert found["sentence"] == (
        "three: cannot be told apart in few-shot accuracy from two, half of the memory, "
        "licence mit (four could not be asked)."
    )
    rows[2]["few_shot"]["verdict"] = "worse"
    clear = recommend(rows, verdicts, "accuracy")["sentence"]
    assert clear.startswith("two: the highest few-shot accuracy, clearly, licence mit")


def test_answers_none_of_which_is_right_decide_nothing() -> None:
    rows = [model("one", 300, few_shot=asked(0.0)), model("two", 100)]
    rows[1]["few_shot"] = asked(0.0, "cannot tell apart")
    found = recommend(rows, {"two": "worse"}, "token_f1")
    assert found["sentence"].startswith("one: the fewest bits per byte")
