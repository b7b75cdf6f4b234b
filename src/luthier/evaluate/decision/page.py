"""The decision as a page that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from luthier.evaluate.decision import figures, words
from luthier.evaluate.page import Page, Section


def page_of(told: Mapping[str, Any]) -> Page:
    """A page of pictures and tables.

    Args:
        told: The content of ``decision.json``.
    """
    advice = told["advice"]
    return Page(
        title=f"{told['project']}: which way to answer",
        intro=words.basis(told),
        headline=[advice["sentence"], *advice["reasons"], *advice["apart"]],
        sections=[one for one in _sections(told) if one.figure or one.rows or one.text],
    )


def _sections(told: Mapping[str, Any]) -> list[Section]:
    advice, update, curve = told["advice"], told["update"], told["curve"]
    changes = [f"{line[:1].upper()}{line[1:]}." for line in advice["changes"]]
    allowed = [
        f"Not allowed: {name}, for {'; '.join(one['breaks'])}."
        for name, one in told["routes"].items()
        if one["breaks"]
    ]
    replayed = []
    if update:
        replayed = [
            f"Old fact, new fact: {update['facts']} facts were changed in the documents and in the "
            "test. Routes that retrieve were asked again with the new index; the others answer as "
            "before until they are tuned anew.",
            *(f"“{e['question']}” {e['old']} became {e['new']}." for e in update["examples"][:3]),
        ]
    joined = "Routes on the line are beaten by no other in both. Bars are intervals."
    return [
        Section("What would change it", text=[*changes, *allowed]),
        Section("Quality against cost", figures.front(told, "cost"), text=[joined]),
        Section("Quality against latency", figures.front(told, "latency"), text=[joined]),
        _table("Quality, latency and cost", words.routes(told)),
        _table(
            "Where costs break even with the route taken",
            words.break_even(told),
            text=["A dash: one of the two is cheaper at any number."],
        ),
        _table("How they answer", words.behaviour(told), text=replayed),
        _table(
            "Why answers are wrong",
            words.diagnosis(told),
            figure=figures.wrong(told),
            left=2,
            text=[
                "Gain at most: if each of these answers became right. Gain measured: asked again "
                "with the right passage first (not retrieved), with it alone (not read), or scored "
                "by content alone (badly formed)."
            ],
        ),
        _table("What is commonly advised", words.lessons(told), left=3),
        *(
            [Section(f"Would more labels help {curve['route']}?", figures.curve(told))]
            if curve
            else []
        ),
    ]


def _table(title: str, cells: words.Cells, *, left: int = 1, **more: Any) -> Section:
    """A section with a table; no line break cuts a figure."""
    header, rows = cells
    kept = [
        [*row[:left], *(cell.replace(" ", "\N{NO-BREAK SPACE}") for cell in row[left:])]
        for row in rows
    ]
    return Section(title, header=header, rows=kept, left=left, **more)
