"""What is said about two routes."""

import pytest

from luthier.core.statistics import Interval
from luthier.evaluate import verdict
from luthier.evaluate.verdict import Difference


def between(
    first: str,
    second: str,
    mean: float,
    low: float,
    high: float,
    *,
    p_holm: float = 0.001,
    scope: str = "overall",
) -> Difference:
    return Difference(
        first=first, second=second, scope=scope, interval=Interval(mean, low, high, 100),
        p=0.0001, p_holm=p_holm, alpha=0.05, only_first=3, only_second=1, p_exact=0.6,
    )  # fmt: skip


def test_a_clear_win() -> None:
    d = between("rag+fine-tuned", "rag", 0.11, 0.08, 0.14)
    assert verdict.words(d) == "rag+fine-tuned beats rag by 0.11 [0.08, 0.14]"


def test_a_clear_loss_names_the_winner_first() -> None:
    d = between("few-shot", "base", -0.05, -0.09, -0.02)
    assert verdict.words(d) == "base beats few-shot by 0.05 [0.02, 0.09]"


def test_an_interval_over_zero_cannot_tell() -> None:
    d = between("rag", "base", 0.01, -0.02, 0.04)
    wanted = "cannot tell rag and base apart (difference 0.01 [-0.02, 0.04])"
    assert verdict.words(d) == wanted


def test_an_adjusted_p_value_over_alpha_cannot_tell() -> None:
    d = between("rag", "base", 0.04, 0.01, 0.07, p_holm=0.2)
    assert verdict.words(d).startswith("cannot tell rag and base apart")


def test_small_differences_get_a_third_digit_and_no_minus_zero() -> None:
    assert "by 0.005 [0.001, 0.009]" in verdict.words(between("a", "b", 0.005, 0.001, 0.009))
    assert verdict.number(-0.001) == "0.00"


@pytest.mark.parametrize(
    ("best", "against", "wanted"),
    [
        (
            between("rag", "fine-tuned", 0.2, 0.1, 0.3),
            between("rag", "base", 0.4, 0.3, 0.5),
            "rag beats fine-tuned by 0.20 [0.10, 0.30]; it beats base by 0.40 [0.30, 0.50]",
        ),
        (
            between("rag", "tuned", 0.0, -0.1, 0.1, scope="fact"),
            between("rag", "base", 0.4, 0.3, 0.5, scope="fact"),
            (
                "On fact questions cannot tell rag and tuned apart "
                "(difference 0.00 [-0.10, 0.10]); rag beats base by 0.40 [0.30, 0.50]"
            ),
        ),
        (
            between("base", "rag", 0.2, 0.1, 0.3),
            None,
            "base beats rag by 0.20 [0.10, 0.30]; no other route is better than base",
        ),
    ],
)
def test_headline(best: Difference, against: Difference | None, wanted: str) -> None:
    assert verdict.headline(best, "base", against) == wanted
