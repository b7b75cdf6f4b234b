"""The decision on a terminal."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from rich.console import Console

sys.path.insert(0, str(Path(__file__).parents[1] / "evaluate" / "decision"))
from made import decision

from luthier.cli._decision import show_decision
from luthier.evaluate.decide import DecideSpec
from luthier.evaluate.decision.spec import NeedSpec


def shown(spec: DecideSpec | None = None, width: int = 140) -> str:
    said = io.StringIO()
    show_decision(decision(spec), Console(width=width, file=said), Path("decision.html"))
    return said.getvalue()


def test_tables_advice_and_basis() -> None:
    said = shown()
    assert "Take rag+fine-tuned (0.92, 4.20 USD a month)." in said
    assert "not read" in said
    assert "60 questions" in said
    assert "decision.html" in said


def test_what_is_not_allowed_is_said() -> None:
    assert "Not allowed: rag+fine-tuned, for a month costs 4.20" in shown(
        DecideSpec(need=NeedSpec(cost_per_month=1.0))
    )


def test_columns_that_do_not_fit_are_left_out_whole() -> None:
    assert " p95 " in shown()
    narrow = shown(width=90).splitlines()
    header = narrow[2]
    assert "p95" not in header
    assert "a month" in header
    assert not any("…" in line for line in narrow[:8])
