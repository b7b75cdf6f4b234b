"""The tables of a comparison show its figures as they are, and colour only what is clear."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from luthier.cli._comparison import show_comparison


def shown(comparison: dict[str, Any], width: int = 100, *, colour: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True)
    show_comparison(comparison, console)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text if colour else re.sub(r"\x1b\[[0-9;]*m", "", text)


def rows(text: str, route: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.startswith(f" {route} ")]


def test_the_table_of_routes(comparison: dict[str, Any]) -> None:
    cells = rows(shown(comparison), "rag+fine-tuned")[0]
    f1 = comparison["routes"]["rag+fine-tuned"]["token_f1"]["overall"]
    against = comparison["against_base"]["overall"]["rag+fine-tuned"]
    assert cells == [
        "rag+fine-tuned", f"{f1['mean']:.2f}", f"[{f1['low']:.2f},", f"{f1['high']:.2f}]",
        "0.80", "0.75", "1.6", "150", "ms", f"{0.15 / 3600 * 0.1 * 1000:.4f}",
        f"{against['mean']:+.2f}", f"[{against['low']:+.2f},", f"{against['high']:+.2f}]",
    ]  # fmt: skip


def test_the_base_has_no_faithfulness_and_no_difference_to_itself(
    comparison: dict[str, Any],
) -> None:
    cells = rows(shown(comparison), "base")[0]
    assert cells[5] == "-"
    assert cells[-1] == "-"


def test_each_kind_of_question_has_its_figures(comparison: dict[str, Any]) -> None:
    head = next(line for line in shown(comparison).splitlines() if "fact: token F1" in line)
    assert head.index("form: token F1") < head.index("JSON")
    assert head.count("JSON") == 1, "only form questions ask for JSON"
    cells = rows(shown(comparison), "rag")[1]
    routes = comparison["routes"]["rag"]
    assert cells[1] == f"{routes['token_f1']['fact']['mean']:.2f}"
    assert cells[5] == f"{routes['token_f1']['form']['mean']:.2f}"
    assert cells[6] == f"{routes['json_match']['form']['mean']:.2f}"


def test_one_kind_of_question_needs_no_second_table(comparison: dict[str, Any]) -> None:
    text = shown({**comparison, "kinds": {"row": 100}})
    assert "row: token F1" not in text
    assert len(rows(text, "rag")) == 1


def test_the_other_metric_can_lead(comparison: dict[str, Any]) -> None:
    text = shown({**comparison, "metric": "exact_match"})
    head = text.splitlines()[0].split()
    assert head[:4] == ["route", "exact", "match", "F1"]
    assert rows(text, "rag+fine-tuned")[0][1] == "0.80"


@pytest.mark.parametrize("route", ["few-shot", "rag"])
def test_only_clear_differences_are_in_colour(comparison: dict[str, Any], route: str) -> None:
    line = next(x for x in shown(comparison, colour=True).splitlines() if x.startswith(f" {route}"))
    clear = comparison["against_base"]["overall"][route]["clear"]
    assert clear is (route == "rag")
    assert ("\x1b[1;32m" in line) is clear


def test_what_is_clearly_worse_is_red(comparison: dict[str, Any]) -> None:
    found = comparison["against_base"]["overall"]["rag"]
    worse = {**found, "mean": -0.3, "low": -0.4, "high": -0.2}
    against = {**comparison["against_base"], "overall": {"rag": worse}}
    text = shown({**comparison, "against_base": against}, colour=True)
    assert "\x1b[1;31m-0.30 [-0.40, -0.20]" in text


def test_verdicts_stand_below_in_words(comparison: dict[str, Any]) -> None:
    text = " ".join(shown(comparison).split())
    for sentence in comparison["headline"].values():
        assert sentence in text
    assert "95% paired intervals over 100 questions" in text


def test_there_is_no_minus_before_zero(comparison: dict[str, Any]) -> None:
    assert "-0.00" not in shown(comparison)


def test_a_narrow_terminal_gets_one_kind_at_a_time(comparison: dict[str, Any]) -> None:
    text = shown(comparison, 80)
    assert "perpl." not in text
    assert not any("fact:" in line and "form:" in line for line in text.splitlines())
    assert "…" not in text
