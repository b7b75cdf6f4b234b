"""Every kind of augmenter makes candidates, and never alters what must stay."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from pydantic import TypeAdapter

from luthier.core.errors import ConfigError
from luthier.core.progress import Quiet
from luthier.core.records import Example, Message
from luthier.data.augment._candidates import Augmenter, Workshop, make_candidates, scorer
from luthier.data.augment._pieces import keeps_content, protected

SPANS = ["5", "`a b`", "[name]", '"be quick"', "$20,000", "https://a.org/x", "my_id", "not", "7am"]
WORDS = ["send", "the", "money", "please", "account", "song", "tune", "savings", "to", "my"]
THESAURUS = "UTF-8\nmoney|1\n(noun)|cash\nsong|1\n(noun)|melody\nsend|1\n(verb)|mail\n"
KINDS: list[dict[str, Any]] = [
    {"kind": "characters", "rate": 0.5},
    {"kind": "words", "edits": ("swap", "delete", "split", "merge"), "rate": 0.3},
    {"kind": "sentences"},
    {"kind": "synonyms", "path": "th.dat", "rate": 1.0, "mutual": False, "min_word_similarity": -1},
    {"kind": "embeddings", "min_word_similarity": -1.0, "rate": 0.5},
    {"kind": "adversarial", "method": "deepwordbug", "min_similarity": -1.0},
    {"kind": "adversarial", "min_similarity": -1.0, "min_word_similarity": -1.0},
]


def _augmenter(told: dict[str, Any]) -> Any:
    return TypeAdapter(Augmenter).validate_python(told)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    (folder / "th.dat").write_text(THESAURUS)
    return folder


def _shop(
    base: Path, encode: Any, classify: Any, rows: list[Example], seed: int = 0, learn: Any = None
) -> Workshop:
    training = [r for r in rows if r.side == "train"]
    validation = [r for r in rows if r.side == "validation"]
    return Workshop(
        base, base, Quiet(), seed, 3, frozenset(), encode, None, classify, "{text}",
        training, validation, learn or (lambda taught: classify),
    )  # fmt: skip


@given(
    cut=st.lists(st.sampled_from([*SPANS, *WORDS, *WORDS, "song."]), min_size=1, max_size=12),
    seed=st.integers(0, 5),
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@pytest.mark.parametrize("told", KINDS, ids=lambda told: f"{told['kind']} {told.get('method', '')}")
def test_kept_spans_stay(
    told: dict[str, Any], base: Path, encode: Any, classify: Any, rows: list[Example],
    cut: list[str], seed: int,
) -> None:  # fmt: skip
    text = " ".join(cut)
    row = dataclasses.replace(rows[0], messages=(Message("user", text), Message("assistant", "a")))
    shop = _shop(base, encode, classify, rows, seed)
    found, _ = make_candidates(_augmenter(told), [row], shop)
    assert len(found) == 1
    assert len(found[0]) <= 3
    for made in found[0]:
        assert made != text
        assert keeps_content(text, made), (text, made)
        if told["kind"] != "sentences":
            old = protected(text)
            assert [s for s in protected(made) if s in old] == old  # in their order, too


@pytest.mark.parametrize("told", KINDS[:5], ids=lambda told: told["kind"])
def test_a_row_is_made_alike_whatever_stands_beside_it(
    told: dict[str, Any], base: Path, encode: Any, classify: Any, rows: list[Example]
) -> None:
    shop = _shop(base, encode, classify, rows)
    together, _ = make_candidates(_augmenter(told), rows, shop)
    alone = [make_candidates(_augmenter(told), [row], shop)[0][0] for row in rows[::-1]]
    if told["kind"] != "embeddings":  # rows outside the training side add words to the vocabulary
        assert alone[::-1] == together
    assert any(together) or told["kind"] == "sentences"


def test_attacks_report_on_both_sides(
    base: Path, encode: Any, classify: Any, rows: list[Example]
) -> None:
    shop = _shop(base, encode, classify, rows)
    augmenter = _augmenter({**KINDS[5], "rows": 4})
    training = list(shop.training)
    found, more = make_candidates(augmenter, training, shop)
    report = more["robustness"]
    assert report["train"]["attacked"] == 4
    assert report["validation"]["attacked"] == 2
    assert 0 < sum(map(len, found)) <= 4
    for row, texts in zip(training, found, strict=True):
        for text in texts:
            assert classify.labels[classify([text])[0].argmax()] != row.label


def test_rows_are_attacked_against_models_that_have_not_seen_them(
    base: Path, encode: Any, learn: Any, rows: list[Example]
) -> None:
    training = [row for row in rows if row.side == "train"]
    knowing = learn(training)
    told = {**KINDS[5], "max_changed": 0.4, "folds": 3}
    shop = _shop(base, encode, knowing, rows, learn=lambda taught: knowing)
    assert not any(make_candidates(_augmenter(told), training, shop)[0])  # it has seen them all

    taught: list[set[str]] = []

    def teach(others: list[Example]) -> Any:
        taught.append({row.id for row in others})
        return learn(others)

    shop = _shop(base, encode, knowing, rows, learn=teach)
    found, more = make_candidates(_augmenter(told), training, shop)
    assert [len(ids) for ids in taught] == [4, 4, 4]
    assert sorted(row.id for row in training for ids in taught if row.id not in ids) == sorted(
        row.id for row in training
    )
    assert any(found)
    report = more["robustness"]
    assert (report["folds"], report["train"]["attacked"]) == (3, 6)
    assert report["train"]["accuracy_under_attack"]["value"] < 1


def test_a_label_that_only_one_fold_has_is_not_attacked_alone(
    base: Path, encode: Any, classify: Any, rows: list[Example]
) -> None:
    few = [row for row in rows if row.side == "train"][:4]  # three of bank, one of music
    shop = _shop(base, encode, classify, few)
    _, more = make_candidates(_augmenter({**KINDS[5], "folds": 20}), few, shop)
    assert more["robustness"]["train"]["attacked"] == 3


def test_models_that_are_missing(base: Path, encode: Any, rows: list[Example]) -> None:
    shop = _shop(base, encode, None, rows)
    with pytest.raises(ConfigError, match="no classifier to attack"):
        make_candidates(_augmenter({"kind": "adversarial"}), rows[:1], shop)
    blind = dataclasses.replace(_shop(base, encode, object(), rows), learn=None)
    with pytest.raises(ConfigError, match="that has not seen the rows"):
        make_candidates(_augmenter({**KINDS[5]}), rows[:1], blind)
    with pytest.raises(ConfigError, match="answering model"):
        make_candidates(_augmenter({"kind": "adversarial", "target": "answer"}), rows[:1], shop)
    with pytest.raises(ConfigError, match="needs a model"):
        told = {"kind": "back_translation", "engine": {"kind": "model"}}
        make_candidates(_augmenter(told), rows[:1], shop)


def test_the_answering_model_knows_the_labels_of_the_rows(rows: list[Example]) -> None:
    model: Any = object()
    assert scorer(model, rows, "{text}").labels == ("bank", "music")
