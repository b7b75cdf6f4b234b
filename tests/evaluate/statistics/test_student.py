"""Student's t and the beta distribution against scipy."""

import math

import pytest

from luthier.evaluate.statistics.student import beta_cdf, beta_quantile, t_cdf, t_quantile

stats = pytest.importorskip("scipy.stats")


@pytest.mark.parametrize("df", [1, 2, 5.5, 29, 300, 1e5])
def test_t_is_scipys(df: float) -> None:
    for share in (0.001, 0.025, 0.5, 0.8, 0.9999):
        wanted = stats.t.ppf(share, df)
        assert t_quantile(share, df) == pytest.approx(wanted, rel=1e-6, abs=1e-9)
        assert t_cdf(wanted, df) == pytest.approx(share, rel=1e-7)


def test_t_of_endless_freedom_is_normal() -> None:
    assert t_quantile(0.975, math.inf) == pytest.approx(1.959964, abs=1e-6)
    assert t_cdf(1.959964, math.inf) == pytest.approx(0.975, abs=1e-6)
    assert (t_cdf(-math.inf, 3), t_cdf(math.inf, 3)) == (0, 1)


@pytest.mark.parametrize(("a", "b"), [(1, 1), (0.5, 3), (20, 1), (300, 700), (5e5, 5e5)])
def test_beta_is_scipys(a: float, b: float) -> None:
    for x in (0.0, 0.01, 0.3, 0.5, 0.5007, 0.9, 1.0):
        assert beta_cdf(x, a, b) == pytest.approx(stats.beta.cdf(x, a, b), abs=1e-9)
    assert beta_quantile(0.1, a, b) == pytest.approx(stats.beta.ppf(0.1, a, b), rel=1e-6)
