"""Runs side by side: items in one order, names apart, one measure of how good an answer is."""

import dataclasses

import numpy as np
import pytest
from gated_runs import about, rows, run

from luthier.core.errors import DataError
from luthier.evaluate.pages.sides import is_lower, together
from luthier.evaluate.runs.rows import from_rows


def test_items_stand_in_the_first_runs_order() -> None:
    held, own = rows(3), [{"accuracy": float(i)} for i in range(3)]
    turned = from_rows(held[::-1], own[::-1], about("b"))
    (side,) = together([from_rows(held, own, about("a")), turned])
    assert side.names == ("a", "b")
    assert side.scores(1, "accuracy").tolist() == [0.0, 1.0, 2.0]
    assert np.isnan(side.scores(1, "recall")).all()


def test_the_most_telling_metric_counts_for_each_item() -> None:
    (side,) = together([run({"token_f1": [0.5, None, None], "accuracy": [None, 1.0, None],
                             "exact_match": [0.0, 0.0, None]})])  # fmt: skip
    assert side.metrics == ("accuracy", "token_f1", "exact_match")
    assert side.main == ("token_f1", "accuracy", "")
    assert side.quality[0, :2].tolist() == [0.5, 1.0]
    assert np.isnan(side.quality[0, 2])


def test_a_metric_of_other_ends_is_stretched() -> None:
    (side,) = together([run({"nats_per_token": [2.0, 6.0, 4.0]})])
    assert side.quality[0].tolist() == [1.0, 0.0, 0.5]
    assert is_lower("nats_per_token")
    assert not is_lower("accuracy")


def test_suites_are_kept_apart_and_names_are_numbered() -> None:
    one, two = about("x"), about("x", suite="other", digest="d2")
    first, second = together([run({"a": [1.0]}, one), run({"a": [1.0]}, two),
                              run({"a": [0.0]}, one)])  # fmt: skip
    assert (first.suite, first.names) == ("faq", ("x (1)", "x (2)"))
    assert (second.suite, second.names) == ("other", ("x",))


def test_other_items_are_refused() -> None:
    held = [dataclasses.replace(row, item_id=f"other{i}") for i, row in enumerate(rows(1))]
    with pytest.raises(DataError, match="not asked the same"):
        together([run({"a": [1.0]}), from_rows(held, [{"a": 1.0}], about())])
