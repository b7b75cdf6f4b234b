"""Which labels there are, and what the loss counts."""

from __future__ import annotations

import labelled_rows as made
import pytest

from luthier.core.errors import ConfigError, DataError
from luthier.setup.losses import ExpectedCost, Terms
from luthier.tune.classification import Classification, labels, terms


def test_labels_are_those_of_the_training_rows() -> None:
    assert labels(made.single(9)) == ("a", "b", "c")
    with pytest.raises(DataError, match="have no label"):
        labels([made.row(0, "x", "")])


def test_costs_of_the_settings_and_of_balancing() -> None:
    spec = Classification(loss=ExpectedCost(costs={"a": {"b": 5.0}}))
    found = terms(spec, ["a", "b"], None)
    assert found.costs == ((0.0, 5.0), (1.0, 0.0))
    told = Terms(("b", "a"), class_weights=(2.0, 1.0))
    assert terms(spec, ["a", "b"], told).class_weights == (1.0, 2.0)


def test_a_label_out_of_scope_must_exist() -> None:
    with pytest.raises(ConfigError, match="'oos'"):
        terms(Classification(out_of_scope="oos"), ["a", "b"], None)
