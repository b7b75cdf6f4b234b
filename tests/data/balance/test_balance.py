"""Balancing as a stage: only labelled training rows change, nothing is lost, losses are right."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from pydantic import TypeAdapter, ValidationError

from luthier.core.errors import ConfigError, DataError
from luthier.core.ledger import read_ledger
from luthier.core.progress import Quiet
from luthier.core.records import Example, Message, Side, read_table, write_table
from luthier.data.balance.balance import BalanceSpec, Technique, balance
from luthier.data.balance.vectors import read_vectors
from luthier.data.split import lock_of, locked
from luthier.models.encode import load_encoder
from luthier.setup.losses import read_losses

COUNTS = {"ask": 30, "pay": 8, "send": 3}
TECHNIQUES = TypeAdapter(tuple[Technique, ...])


def _lock(rows: list[Example]) -> str:
    return lock_of(locked(row) for row in rows if row.side == "test")


def encode(texts: Sequence[str]) -> np.ndarray:
    """A made-up encoder: a point near the label's own, on the unit sphere."""
    found = []
    for text in texts:
        label, number = text.split()[:2]
        random = np.random.default_rng([ord(label[0]), int(number)])
        centre = np.random.default_rng(ord(label[0])).normal(size=8)
        found.append(centre + random.normal(size=8))
    return np.array([v / np.linalg.norm(v) for v in found], dtype=np.float32).reshape(-1, 8)


def row(label: str, number: int, side: Side) -> Example:
    text = f"{label or 'none'} {number} {side}"
    turns = (Message("user", text), Message("assistant", label or "free text"))
    return Example(text, turns, f"rows.csv:{text}", f"group {text}", "", side=side, label=label)


def example_rows(counts: dict[str, int]) -> list[Example]:
    rows = [row(label, i, "train") for label, count in counts.items() for i in range(count)]
    rows += [row(label, i, "test") for label in counts for i in range(2)]
    rows += [row(label, i, "validation") for label in counts for i in range(1)]
    return [*rows, row("", 1, "train"), row("", 2, "test"), row("only in test", 3, "test")]


def spec_of(*techniques: dict[str, Any]) -> BalanceSpec:
    return BalanceSpec(techniques=TECHNIQUES.validate_python(techniques))


def run(
    spec: BalanceSpec, rows: Sequence[Example], base: Path, seed: int = 0
) -> tuple[Path, dict[str, Any]]:
    prepared, folder = base / "prepared", base / "balanced"
    for place in (prepared, folder):
        place.mkdir(parents=True)
    write_table(prepared / "examples.parquet", rows, Example)
    return folder, balance(spec, prepared, folder, Quiet(), seed=seed, encode=encode)


OVER, UNDER = {"kind": "over_sample"}, {"kind": "under_sample"}
SMOTE, WEIGHTS = {"kind": "smote"}, {"kind": "class_weights"}
CHAINS: list[list[dict[str, Any]]] = [
    [OVER],
    [UNDER],
    [{"kind": "under_sample", "ratio": 0.2}, {"kind": "over_sample", "ratio": 0.5}],
    [SMOTE],
    [{"kind": "smote", "method": "borderline", "then": "tomek"}],
    [{"kind": "smote", "method": "adasyn", "then": "edited", "neighbours": 2}],
    [UNDER, SMOTE, WEIGHTS],
    [WEIGHTS, {"kind": "focal"}, {"kind": "label_smoothing"}],
]


@pytest.mark.parametrize("chain", CHAINS, ids=str)
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    counts=st.dictionaries(st.sampled_from(sorted(COUNTS)), st.integers(1, 15), min_size=2),
    seed=st.integers(0, 9),
)
def test_rows_in_are_rows_out_and_only_training_changes(
    tmp_path_factory: pytest.TempPathFactory,
    chain: list[dict[str, Any]],
    counts: dict[str, int],
    seed: int,
) -> None:
    rows = example_rows(counts)
    folder, told = run(spec_of(*chain), rows, tmp_path_factory.mktemp("balance"), seed)
    out = read_table(folder / "examples.parquet", Example)
    ledger = read_ledger(folder)
    assert len(rows) + told["copies"] == len(out) + ledger.refused
    # Soup#680: rows are repeated before they are divided, and stand on both sides
    untouched = [r for r in rows if r.side != "train" or not r.label]
    assert [r for r in out if r.side != "train" or not r.label] == untouched
    assert _lock(out) == _lock(rows)
    assert len({r.id for r in out}) == len(out)
    here = {r.id for r in rows}
    assert all(r.id in here or r.parent in here for r in out)
    assert {r.label for r in out if r.side == "train" and r.label} == set(counts)
    assert told["before"] == dict(sorted(counts.items()))
    assert told["imbalance_after"] >= 1.0
    assert json.loads((folder / "balance.json").read_text()) == {
        k: v for k, v in told.items() if k != "seconds"
    }
    assert read_losses(folder / "losses.json").labels == tuple(sorted(counts))


def test_over_and_under_sampling_even_the_classes_out(tmp_path: Path) -> None:
    rows = example_rows(COUNTS)
    _, over = run(spec_of(OVER), rows, tmp_path / "over")
    assert over["after"] == dict.fromkeys(COUNTS, 30)
    assert (over["copies"], over["imbalance_before"], over["imbalance_after"]) == (49, 10.0, 1.0)
    _, under = run(spec_of(UNDER), rows, tmp_path / "under")
    assert under["after"] == dict.fromkeys(COUNTS, 3)
    assert under["reasons"] == {"under-sampled": 32}


def test_synthetic_vectors_know_their_parents(tmp_path: Path) -> None:
    folder, told = run(spec_of(SMOTE), example_rows(COUNTS), tmp_path)
    assert told["after"] == dict.fromkeys(COUNTS, 30)
    assert told["rows"] == 41  # no text is made up
    assert told["synthetic_vectors"] == 49
    found = read_vectors(folder / "vectors.npz")
    real = {i: v for i, v in zip(found.ids, found.vectors, strict=True) if i}
    assert len(real) == 41
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1.0, rtol=1e-5)
    lines = zip(found.vectors, found.labels, found.ids, found.parents, strict=True)
    for vector, label, name, (first, second) in lines:
        if name:
            assert (first, second) == ("", "")
            np.testing.assert_allclose(vector, encode([name])[0], rtol=1e-5)
        else:
            assert first.startswith(label)
            assert second.startswith(label)
            plane = np.stack([real[first], real[second]])
            share = np.linalg.lstsq(plane.T, vector, rcond=None)[0]
            np.testing.assert_allclose(share @ plane, vector, atol=1e-4)
            assert (share > -1e-4).all()


def test_a_clean_up_says_what_it_took_out_and_spares_the_last(tmp_path: Path) -> None:
    rows = example_rows({"ask": 30, "pay": 8, "send": 1})
    spec = spec_of({"kind": "smote", "ratio": 0.1, "then": "edited"})
    folder, told = run(spec, rows, tmp_path)
    assert set(told["reasons"]) == {"contradicted by neighbours"}
    gone = {entry.origin for entry in read_ledger(folder).entries}
    left = read_table(folder / "examples.parquet", Example)
    assert gone == {r.origin for r in rows} - {r.origin for r in left}
    assert set(read_vectors(folder / "vectors.npz").ids) - {""} == {
        r.id for r in left if r.side == "train" and r.label
    }
    assert told["after"]["send"] >= 1
    assert told["other_method_used"] == {"send": "copy"}


def test_weights_follow_from_the_rows_in_the_end(tmp_path: Path) -> None:
    rows = example_rows(COUNTS)
    folder, told = run(spec_of(WEIGHTS), rows, tmp_path / "alone")
    weights = read_losses(folder / "losses.json").class_weights
    assert weights == pytest.approx((41 / 90, 41 / 24, 41 / 9))
    assert told["class_weights"]["send"] == pytest.approx(41 / 9, abs=1e-6)
    folder, _ = run(spec_of(WEIGHTS, OVER), rows, tmp_path / "both")
    assert read_losses(folder / "losses.json").class_weights == (1.0, 1.0, 1.0)
    folder, _ = run(spec_of({"kind": "effective_number", "beta": 0.0}), rows, tmp_path / "even")
    assert read_losses(folder / "losses.json").class_weights == (1.0, 1.0, 1.0)


def test_losses_hold_what_was_asked_for_and_no_more(tmp_path: Path) -> None:
    costs = {"kind": "costs", "of_class": {"send": 5.0}, "of_pair": {"send": {"ask": 9.0}}}
    rows = example_rows(COUNTS)
    chain = [costs, {"kind": "focal", "gamma": 1.5}, {"kind": "label_smoothing", "amount": 0.2}]
    folder, _ = run(spec_of(*chain), rows, tmp_path)
    terms = read_losses(folder / "losses.json")
    assert terms.costs == ((0, 1, 1), (1, 0, 1), (9, 5, 0))
    assert (terms.focal_gamma, terms.label_smoothing) == (1.5, 0.2)
    assert terms.class_weights is None
    assert not (folder / "vectors.npz").exists()


def test_costs_of_unknown_labels_are_refused_before_anything_is_encoded(tmp_path: Path) -> None:
    write_table(tmp_path / "examples.parquet", example_rows(COUNTS), Example)
    spec = spec_of(SMOTE, {"kind": "costs", "of_class": {"only in test": 3.0}})

    def never(texts: Sequence[str]) -> np.ndarray:
        raise AssertionError(f"encoded {len(texts)} texts")

    with pytest.raises(ConfigError, match="no training row has the label 'only in test'"):
        balance(spec, tmp_path, tmp_path, Quiet(), seed=0, encode=never)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row("ask", 1, "train"), row("pay", 1, "test")], "have 1 labels"),
        ([row("", 1, "train")], "have 0 labels"),
        ([row("ask", 1, ""), row("pay", 1, "train")], "on no side"),
    ],
)
def test_rows_that_cannot_be_balanced_are_errors(
    tmp_path: Path, rows: list[Example], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        run(spec_of(OVER), rows, tmp_path)


@pytest.mark.parametrize(
    "chain",
    [
        [],
        [OVER, OVER],
        [WEIGHTS, {"kind": "effective_number"}],
        [SMOTE, UNDER],
        [{"kind": "costs"}],
        [{"kind": "costs", "of_class": {"a": -1.0}}],
        [{"kind": "over_sample", "ratio": 1.5}],
        [{"kind": "focal", "gamma": 0.0}],
        [{"kind": "unheard_of"}],
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(chain: list[dict[str, Any]]) -> None:
    with pytest.raises(ValidationError):
        spec_of(*chain)


@pytest.mark.parametrize("chain", CHAINS[:6], ids=str)
def test_the_same_seed_gives_the_same_files(tmp_path: Path, chain: list[dict[str, Any]]) -> None:
    rows = example_rows(COUNTS)
    first, _ = run(spec_of(*chain), rows, tmp_path / "1", seed=5)
    again, _ = run(spec_of(*chain), rows, tmp_path / "2", seed=5)
    names = sorted(p.name for p in first.iterdir())
    assert names == sorted(p.name for p in again.iterdir())
    for name in names:
        assert (first / name).read_bytes() == (again / name).read_bytes()


def test_a_real_encoder_will_do(tiny_encoder: Path, tmp_path: Path) -> None:
    words = ["fill the text", "wrap lines", "join a path", "list of paths", "string width"]
    rows = [
        Example(
            f"{label} {i}",
            (Message("user", f"{words[i % 5]} {'and ' * (i // 5)}"), Message("assistant", label)),
            f"rows.csv:{label}{i}",
            "g",
            "",
            side="train",
            label=label,
        )
        for label, count in (("ask", 9), ("pay", 3))
        for i in range(count)
    ]
    write_table(tmp_path / "examples.parquet", rows, Example)
    encoder = load_encoder(str(tiny_encoder), device="cpu")
    told = balance(
        spec_of(SMOTE), tmp_path, tmp_path, Quiet(), seed=0, encode=lambda t: encoder.encode(t)
    )
    assert told["after"] == {"ask": 9, "pay": 9}
    assert read_vectors(tmp_path / "vectors.npz").vectors.shape == (18, 16)
