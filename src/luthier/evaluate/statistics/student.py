"""Student's t and the beta distribution in plain Python, so that no heavy library is needed."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from statistics import NormalDist

_TINY = 1e-300
_MOST_TERMS = 20_000


def beta_cdf(x: float, a: float, b: float) -> float:
    """Share of a beta distribution below ``x`` (the regularised incomplete beta function).

    By its continued fraction, Lentz's way (Press et al. 2007, "Numerical Recipes", section 6.4).

    Args:
        x: 0 to 1.
        a: First shape, above 0.
        b: Second shape, above 0.
    """
    if x <= 0 or x >= 1:
        return float(x >= 1)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    if x < (a + 1) / (a + b + 2):
        return min(1.0, front * _fraction(x, a, b) / a)
    return max(0.0, 1 - front * _fraction(1 - x, b, a) / b)


def beta_quantile(share: float, a: float, b: float) -> float:
    """Where the given share of a beta distribution lies below."""
    return _solve(lambda x: beta_cdf(x, a, b), share, 0.0, 1.0)


def t_cdf(t: float, df: float) -> float:
    """Share of Student's t distribution below ``t``.

    Args:
        t: Any number, infinite ones too.
        df: Degrees of freedom, above 0; infinite for the normal distribution.
    """
    if math.isinf(df):
        return NormalDist().cdf(t)
    if math.isinf(t):
        return float(t > 0)
    tail = 0.5 * beta_cdf(df / (df + t * t), df / 2, 0.5)
    return 1 - tail if t > 0 else tail


@functools.cache
def t_quantile(share: float, df: float) -> float:
    """Where the given share of Student's t distribution lies below.

    Args:
        share: Between 0 and 1, ends excluded.
        df: As in ``t_cdf``.
    """
    if math.isinf(df):
        return NormalDist().inv_cdf(share)
    if share == 0.5:
        return 0.0
    far = 2.0
    while t_cdf(far, df) < max(share, 1 - share):
        far *= 2
    found = _solve(lambda t: t_cdf(t, df), max(share, 1 - share), 0.0, far)
    return found if share > 0.5 else -found


def _solve(rising: Callable[[float], float], wanted: float, low: float, high: float) -> float:
    for _ in range(60):
        middle = (low + high) / 2
        if rising(middle) < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d, c = 1 / _away(1 + even * d), _away(1 + even / c)
        value *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d, c = 1 / _away(1 + odd * d), _away(1 + odd / c)
        value *= d * c
        if abs(d * c - 1) < 1e-13:
            break
    return value


def _away(number: float) -> float:
    return number if abs(number) > _TINY else _TINY
