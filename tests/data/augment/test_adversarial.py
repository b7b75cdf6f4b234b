"""Attacks on a model and what they say of it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from luthier.core.records import Example, Message
from luthier.data.augment._attack import Attack
from luthier.data.augment._neighbours import Neighbours
from luthier.data.augment.adversarial import (
    AdversarialAugmenter,
    attack_texts,
    folds_of,
    robustness,
)

NEAR = Neighbours({"money": (("moneys", 0.9), ("cash", 0.7)), "account": (("accounts", 0.9),)})
LOOSE = {"min_similarity": 0.3, "max_changed": 1.0}


def _run(spec: AdversarialAugmenter, classify: Any, encode: Any, seed: int = 0) -> list[Attack]:
    texts = ["send the money", "play the song", "what money"]
    steps: list[int] = []
    labels = ["bank", "music", "unknown"]
    found = attack_texts(texts, labels, spec, classify, NEAR, encode, seed, lambda: steps.append(1))
    assert len(steps) == 3
    return found


def test_textfooler_takes_near_words(classify: Any, encode: Any) -> None:
    bank, music, unknown = _run(AdversarialAugmenter(**LOOSE), classify, encode)  # type: ignore[arg-type]
    assert bank.found in {"send the moneys"}
    assert bank.correct
    assert (music.correct, music.found) == (True, "")  # its words have no neighbours
    assert not unknown.correct


def test_deepwordbug_misspells(classify: Any, encode: Any) -> None:
    spec = AdversarialAugmenter(method="deepwordbug", **LOOSE)  # type: ignore[arg-type]
    bank, music, _ = _run(spec, classify, encode)
    assert bank.found.startswith("send the m")
    assert music.found.startswith("play the s")
    assert _run(spec, classify, encode) == [bank, music, _]


def test_similarity_binds(classify: Any, encode: Any) -> None:
    spec = AdversarialAugmenter(min_similarity=0.999)
    assert not any(a.found for a in _run(spec, classify, encode))


def test_the_report_counts() -> None:
    def one(correct: bool, found: str, changed: int = 0, exhausted: bool = False) -> Attack:
        return Attack("t", correct, found, 10, 4, changed, exhausted)

    attacks = [one(True, "x", 1), one(True, "y", 3), one(True, "", 0, True), one(False, "")]
    report = robustness(attacks, 0)
    assert report["attacked"] == 4
    assert report["accuracy"]["value"] == 0.75
    assert report["accuracy_under_attack"]["value"] == 0.25
    assert report["success_rate"]["value"] == 0.6667
    assert report["success_rate"]["n"] == 3
    assert report["words_changed"]["value"] == 2.0
    assert report["share_of_words_changed"]["value"] == 0.5
    assert report["queries"]["value"] == 10.0
    assert report["out_of_queries"] == 1
    assert report["samples"] == [["t", "x"], ["t", "y"]]
    assert robustness([], 0)["accuracy"]["value"] is None


def test_folds_keep_groups_whole_and_spread_labels() -> None:
    def row(number: int, group: str, label: str) -> Example:
        messages = (Message("user", f"text {number}"), Message("assistant", label))
        return Example(f"r{number}", messages, f"f:{number}", group, "row", label=label)

    rows = [row(n, f"g{n // 2}", "few" if n < 8 else "many") for n in range(40)]
    folds = folds_of(rows, 4, seed=3)
    assert folds[::2] == folds[1::2]  # two rows of a group
    assert Counter(folds) == {0: 10, 1: 10, 2: 10, 3: 10}
    assert Counter(folds[:8]) == {0: 2, 1: 2, 2: 2, 3: 2}
    assert folds == folds_of(rows, 4, seed=3) != folds_of(rows, 4, seed=4)
