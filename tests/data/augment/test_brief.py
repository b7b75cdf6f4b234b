"""The short account of augmenting."""

from __future__ import annotations

from typing import Any

from luthier.data.augment._attack import Attack
from luthier.data.augment._brief import in_brief
from luthier.data.augment.adversarial import robustness


def _told(**more: Any) -> dict[str, Any]:
    one = {"candidates": 4, "kept": 3, "without": 1, "seconds": 0.5, "reasons": {"r": 1}}
    return {"kind": "characters", "samples": [["a", "b"]], **one, **more}


def test_each_augmenter_has_a_line() -> None:
    told = {"kept": 3, "augmenters": [_told(), _told()], "reasons": {"r": 2}, "seconds": 1.0}
    brief = in_brief(told)
    line = {"candidates": 4, "kept": 3, "rows_without": 1, "seconds": 0.5}
    assert brief["augmenters"] == {"1 characters": line, "2 characters": line}
    assert (brief["kept"], brief["reasons"], brief["seconds"]) == (3, {"r": 2}, 1.0)
    assert "robustness" not in brief


def test_each_attacked_side_has_a_line() -> None:
    train = robustness(
        [Attack("t", True, "u", 9, 4, 2, False), Attack("t", True, "", 7, 4, 0, False)], 0
    )
    report = {"method": "textfooler", "train": train, "validation": robustness([], 0)}
    brief = in_brief({"augmenters": [_told(kind="adversarial", robustness=report)], "reasons": {}})
    assert list(brief["augmenters"]) == ["1 textfooler"]
    assert brief["robustness"]["1 textfooler train"] == {
        "attacked": 2,
        "accuracy": "1.000 [0.342, 1.000]",
        "under_attack": "0.500 [0.095, 0.905]",
        "words_changed": 2.0,
        "queries_per_row": 8.0,
    }
    assert brief["robustness"]["1 textfooler validation"]["accuracy"] is None
