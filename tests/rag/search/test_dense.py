"""Nearest vectors are those that a product over all of them finds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from searching import BOTH, switched

from luthier.rag.search.dense import coded, unit

ROWS, WIDTH = 3000, 100  # a width that no register divides
VECTORS = np.random.default_rng(3).standard_normal((ROWS, WIDTH)).astype(np.float32)
ASKED = unit(VECTORS[17] + VECTORS[400])


@pytest.fixture(params=BOTH)
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from switched(request.param, monkeypatch)


def best(rows: np.ndarray, most: int) -> tuple[list[int], np.ndarray]:
    cosines = unit(VECTORS)[rows] @ ASKED
    order = np.argsort(-cosines)[:most]
    return rows[order].tolist(), cosines[order]


CHOICES = {
    "all": (None, None, np.arange(ROWS)),
    "marked": (None, np.arange(ROWS) % 3 == 0, np.arange(0, ROWS, 3)),
    "named": (np.arange(5, ROWS, 7, dtype=np.int32), None, np.arange(5, ROWS, 7)),
    "few": (np.array([2, 17, 30], np.int32), None, np.array([2, 17, 30])),
}


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("exact", [True, False])
def test_the_nearest_are_found(choice: str, exact: bool) -> None:
    rows, marks, within = CHOICES[choice]
    mask = None if marks is None else marks.astype(np.uint8)
    found, cosines = coded(VECTORS).nearest(ASKED, rows, mask, 10, exact=exact)
    expected, their = best(within, 10)
    assert found.tolist() == expected
    assert cosines == pytest.approx(their, abs=1e-6)


@pytest.mark.usefixtures("kernels")
def test_vectors_of_length_0_and_broken_ones_do_no_harm() -> None:
    vectors = VECTORS[:600].copy()
    vectors[3], vectors[5], vectors[9, 0] = 0, np.nan, np.inf
    for exact in (True, False):
        found, cosines = coded(vectors).nearest(ASKED, None, None, 600, exact=exact)
        assert not {5, 9} & set(found.tolist())
        assert np.isfinite(cosines).all()
        assert found[0] in (17, 400)
    assert coded(vectors[:0]).nearest(ASKED, None, None, 5, exact=True)[0].tolist() == []


@pytest.mark.usefixtures("kernels")
def test_codes_are_within_half_a_step() -> None:
    one = coded(VECTORS)
    assert np.abs(one.codes * one.scales[:, None] - one.values).max() <= one.scales.max() * 0.501
    assert (one.sums == 128 * one.codes.astype(np.int32).sum(axis=1)).all()
    assert np.linalg.norm(one.values, axis=1) == pytest.approx(np.ones(ROWS), abs=1e-5)


def test_c_and_numpy_make_the_same_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for kind in BOTH:
        for _ in switched(kind, monkeypatch):
            made.append([a.tobytes() for a in coded(VECTORS).arrays().values()])
    assert made[0] == made[1]


def test_unit_leaves_what_has_length_1_as_it_is() -> None:
    once = unit(VECTORS)
    assert unit(once) is once
    assert unit(np.zeros(3, np.float32)).tolist() == [0, 0, 0]
