"""Runs of one suite stand on one side, item by item."""

import dataclasses

import numpy as np
import pytest
from gated_runs import about, right, run

from luthier.core.errors import DataError
from luthier.evaluate.gates.sides import check_same, sides


def test_runs_stand_by_their_suite() -> None:
    one, two = run({"f1": right(4, 1)}), run({"f1": right(4, 2)}, about(suite="other"))
    found = sides([one, one, two])
    assert {name: len(side.runs) for name, side in found.items()} == {"faq": 2, "other": 1}
    assert found["faq"].name == "new"


def test_items_are_put_in_one_order() -> None:
    one = run({"f1": [0.1, 0.2, 0.3]})
    turned = dataclasses.replace(
        one, item_ids=one.item_ids[::-1], scores={"f1": one.scores["f1"][::-1]}
    )
    found = sides([one, turned])["faq"].scores("f1")
    assert found[0].tolist() == found[1].tolist() == [0.1, 0.2, 0.3]


def test_another_suite_of_that_name_is_refused() -> None:
    one, two = run({"f1": right(4, 1)}), run({"f1": right(4, 2)}, about(digest="d2"))
    with pytest.raises(DataError, match="not asked the same items"):
        sides([one, two])
    with pytest.raises(DataError, match="not asked the same items"):
        check_same(one, run({"f1": right(5, 2)}))


def test_a_mistyped_metric_gets_a_hint() -> None:
    side = sides([run({"exact_match": right(4, 1)})])["faq"]
    with pytest.raises(DataError, match="no metric 'exact_mach'") as error:
        side.scores("exact_mach")
    assert "Did you mean 'exact_match'?" in error.value.mend


def test_a_metric_that_applies_nowhere_gives_no_number() -> None:
    side = sides([run({"f1": right(4, 1), "json": [None] * 3 + [1.0]})])["faq"]
    assert np.isnan(side.scores("json")).sum() == 3
    with pytest.raises(DataError, match="'cost' applies to no item"):
        side.scores("cost")


def test_figures_of_the_whole_suite() -> None:
    told = {"macro_f1": {"mean": 0.7, "low": 0.6, "high": 0.8, "n": 4}}
    side = sides([run({"f1": right(4, 1)}, about(summary=told))])["faq"]
    assert side.figure("macro_f1") == told["macro_f1"]
    assert side.figure("f1") is None
    with pytest.raises(DataError, match="figure of the whole suite"):
        side.scores("macro_f1")
