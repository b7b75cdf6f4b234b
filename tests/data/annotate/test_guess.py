from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from luthier.core.errors import ConfigError
from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.data.annotate._guess import FunctionsSpec, Means, by_automatic, by_functions, given_by
from luthier.data.annotate.autolabel import EncoderLabels, ModelLabels
from luthier.data.annotate.functions import KeywordsFunction
from luthier.data.annotate.items import Item

NAMES = ("number", "place")
ITEMS = [
    Item(f"r{i}", text, f"f:{i}") for i, text in enumerate(["how many", "where", "where many", "x"])
]
FUNCTIONS = (
    KeywordsFunction(label="number", words=("many",)),
    KeywordsFunction(label="place", words=("where",)),
)


def _means(tmp_path: Path, vectors: np.ndarray | None = None) -> Means:
    return Means(tmp_path, 0, Ledger(), Quiet(), vectors, None)


@pytest.mark.parametrize("model", ["majority", "accuracies", "confusions"])
def test_ties_and_silence_give_no_label(tmp_path: Path, model: str) -> None:
    spec = FunctionsSpec.model_validate(
        {"functions": FUNCTIONS, "model": model, "min_confidence": 0.5}
    )
    known = np.array([0, 0, -1, 1])
    guess, told = by_functions(spec, NAMES, ITEMS, known, _means(tmp_path))
    assert guess.best.tolist()[:2] == [0, 1]
    assert guess.best[3] == -1
    assert guess.probabilities[3].sum() == 0
    assert told["label_model"]["majority_accuracy"] == 0.5
    if model == "majority":
        assert guess.best[2] == -1
    assert [f["coverage"] for f in told["functions"]] == [0.5, 0.5]


def test_the_balance_is_even_counted_or_told(tmp_path: Path) -> None:
    known = np.full(len(ITEMS), -1)

    def balance(told: Any) -> list[float]:
        spec = FunctionsSpec.model_validate({"functions": FUNCTIONS, "balance": told})
        found = by_functions(spec, NAMES, ITEMS, known, _means(tmp_path))[1]["label_model"]
        return [float(b) for b in found["balance"]]

    even = round(1 / len(NAMES), 4)
    assert balance("even") == [even] * len(NAMES)
    assert sum(balance("votes")) == pytest.approx(1, abs=1e-3)
    shares = {name: float(n) for n, name in enumerate(NAMES, start=1)}
    total = sum(shares.values())
    assert balance(shares) == pytest.approx([s / total for s in shares.values()], abs=1e-4)
    with pytest.raises(ConfigError, match="does not name each label once"):
        balance({"number": 1.0, "colour": 1.0})


def test_functions_that_give_no_label_say_why() -> None:
    votes = np.array([[0, 1, -1, -1, 1], [0, -1, -1, 1, -1], [0, 1, -1, -1, -1]], dtype=np.int16)
    best, most = np.array([0, -1, 0]), np.array([0.9, 0.61, 0.8])
    assert given_by(votes, best, most, {3: "not asked"}) == [
        (2, ""),
        (0, "of its rows 2 outvoted"),
        (0, "votes on no row"),
        (0, "not asked"),
        (0, "of its rows 1 outvoted"),
    ]
    assert given_by(votes[1:2, 3:4], best[1:2], most[1:2], {}) == [
        (0, "of its rows 1 too unsure (at most 0.61)")
    ]


def test_a_function_nobody_could_check_says_so(tmp_path: Path) -> None:
    functions = (*FUNCTIONS, {"kind": "encoder"})
    spec = FunctionsSpec.model_validate({"functions": functions, "min_confidence": 0.5})
    vectors = np.eye(4, dtype=np.float32)
    known = np.array([0, 0, -1, -1])
    _, told = by_functions(spec, NAMES, ITEMS, known, _means(tmp_path, vectors))
    assert [f["given"] for f in told["functions"]] == [1, 1, 0]
    assert "it needs rows of two labels" in told["functions"][2]["note"]


def test_only_the_wanted_are_asked(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    truth = np.arange(60) % 2
    vectors = np.eye(2, 4, dtype=np.float32)[truth]
    items = [Item(f"r{i}", "t", f"f:{i}") for i in range(60)]
    known = np.where(np.arange(60) < 30, truth, -1)
    wanted = np.arange(50)
    guess, told = by_automatic(
        EncoderLabels(), NAMES, items, known, wanted, _means(tmp_path, vectors)
    )
    assert (guess.best[:50] == truth[:50]).all()
    assert (guess.best[50:] == -1).all()
    assert told["automatic"] | {"temperature": 0} == {
        "rows": 50,
        "known": 30,
        "sure": 50,
        "note": "",
        "accuracy": 1.0,
        "ece_before": told["automatic"]["ece_before"],
        "ece_after": told["automatic"]["ece_after"],
        "temperature": 0,
    }


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    known = np.full(4, -1)
    for spec, told in ((ModelLabels(), "a model"), (EncoderLabels(), "an encoder")):
        with pytest.raises(ConfigError, match=told):
            by_automatic(spec, NAMES, ITEMS, known, np.arange(4), _means(tmp_path))
