"""The page of a decision."""

from __future__ import annotations

from made import decision

from luthier.evaluate.decide import DecideSpec
from luthier.evaluate.decision.page import page_of
from luthier.evaluate.decision.spec import NeedSpec


def test_it_leads_with_the_advice() -> None:
    told = decision()
    page = page_of(told)
    assert page.headline[0] == told["advice"]["sentence"]
    titles = [section.title for section in page.sections]
    assert titles.index("Quality against cost") < titles.index("Why answers are wrong")
    assert titles[-1] == "Would more labels help rag+fine-tuned?"


def test_what_is_not_allowed_is_said() -> None:
    page = page_of(decision(DecideSpec(need=NeedSpec(cost_per_month=1.0))))
    said = [line for section in page.sections for line in section.text]
    assert "Not allowed: rag+fine-tuned, for a month costs 4.20." in said
