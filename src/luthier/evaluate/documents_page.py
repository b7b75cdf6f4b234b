"""Retrieval and answers from documents, measured: as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from luthier.evaluate._figures import comparison
from luthier.evaluate._format import signed
from luthier.evaluate.documents import Answers
from luthier.evaluate.page import Page, Section
from luthier.rag.measure import ALL, Measurement, compare, figure_text

PANELS = 4
"""All questions, and so many types less one, are drawn; the tables have every type."""
WORST = 20
_SHOWN = 160  # characters of a text in a cell
RANKED, ANSWERED = "ndcg@10", "token_f1"
"""What searches, and answers, are held against each other by."""


def measured_page(
    project: str,
    asked: str,
    searches: Mapping[str, Measurement],
    answers: Mapping[str, Answers],
    notes: Sequence[str] = (),
) -> Page:
    """The page.

    Args:
        project: Its name.
        asked: Which questions, in words.
        searches: By name; the first is what others are held against.
        answers: By route; so here.
        notes: Further lines below the headline.
    """
    routes = {name: one.measured for name, one in answers.items()}
    sections = [
        *_sections("Passages found", searches, RANKED),
        *_sections("Answers", routes, ANSWERED),
        *(_worst(name, one) for name, one in answers.items()),
    ]
    every = [*searches.items(), *routes.items()]
    headline = [_head(name, one) for name, one in every]
    leaks = [f"{name}: {note}" for name, one in every for note in one.notes() if "LEAK" in note]
    return Page(f"{project}: retrieval measured", asked, [*leaks, *headline, *notes], sections)


def gaps(
    measured: Mapping[str, Measurement], metrics: Sequence[str]
) -> list[tuple[str, str, str, Any]]:
    """Each of some measurements against the first: name, metric, scope and the paired difference.

    A metric that no question has in both is left out.
    """
    first, *others = measured.items()
    return [
        (f"{name} - {first[0]}", metric, scope, gap)
        for name, one in others
        for metric in metrics
        for scope, gap in compare(one, first[1], metric).items()
    ]


def _head(name: str, one: Measurement) -> str:
    figures = one.rows()[0].figures
    first = RANKED if RANKED in figures else ANSWERED
    told = [f"{m} {figure_text(figures[m])}" for m in (first, "recall@5", "faithfulness")
            if m in figures]  # fmt: skip
    return f"{name}: {', '.join(told)}; {one.notes()[0]}"


def _sections(title: str, measured: Mapping[str, Measurement], metric: str) -> list[Section]:
    if not measured:
        return []
    names = list(measured)
    rows = {name: {row.scope: row for row in one.rows()} for name, one in measured.items()}
    whole = [rows[name][ALL].figures for name in names]
    metrics = list(dict.fromkeys(m for figures in whole for m in figures))
    table = [(m, *(figure_text(figures.get(m)) for figures in whole)) for m in metrics]
    times = [
        (f"p{p}, ms", *(figure_text_ms(one, p) for one in measured.values())) for p in (50, 95)
    ]
    told = [line for one in measured.values() for line in one.notes()[1:]]
    sections = [
        Section(
            title,
            _figure(rows, metric),
            header=["", *names],
            rows=[*table, *times],
            text=["Means with 95 % intervals; questions of one group are resampled together.",
                  *dict.fromkeys(told)],
        )
    ]  # fmt: skip
    scopes = list(rows[names[0]])
    if len(scopes) > 1:
        cells = [
            (s, f"{rows[names[0]][s].questions:,}",
             *(figure_text(rows[n][s].figures.get(metric)) for n in names))
            for s in scopes
        ]  # fmt: skip
        header = ["", "questions", *names]
        sections.append(Section(f"{title}: {metric} by type", header=header, rows=cells))
    if len(names) > 1:
        sections.append(_held(title, measured, metrics))
    return sections


def figure_text_ms(one: Measurement, percentile: float) -> str:
    """A percentile of latencies with its interval, in milliseconds."""
    at = one.latency(percentile)
    return f"{at.mean:.1f} [{at.low:.1f}, {at.high:.1f}]"


def _held(title: str, measured: Mapping[str, Measurement], metrics: Sequence[str]) -> Section:
    cells = [
        (name, metric, scope, signed(g.gain.mean),
         f"{signed(g.gain.low)} to {signed(g.gain.high)}", f"{g.p:.4f}", f"{g.gain.n:,}", g.verdict)
        for name, metric, scope, g in gaps(measured, metrics)
    ]  # fmt: skip
    header = ["", "metric", "questions", "gain", "95 %", "p", "pairs", "verdict"]
    note = "Paired by question; p by flipping signs, of one comparison alone."
    name = f"{title}: held against each other"
    return Section(name, header=header, rows=cells, left=3, text=[note])


def _figure(rows: Mapping[str, Mapping[str, Any]], metric: str) -> dict[str, Any] | None:
    """The metric of each, a panel for all questions and for the most frequent types."""
    common = [s for s in next(iter(rows.values())) if all(
        s in mine and metric in mine[s].figures for mine in rows.values())]  # fmt: skip
    if ALL not in common:
        return None
    first = next(iter(rows.values()))
    types = sorted((s for s in common if s != ALL), key=lambda s: -first[s].questions)
    named = {ALL: "overall", **{s: s.partition(": ")[2] for s in types[: PANELS - 1]}}
    data = {
        "metric": metric,
        "scopes": list(named.values()),
        "items": first[ALL].questions,
        "kinds": {told: first[s].questions for s, told in named.items()},
        "routes": {
            name: {metric: {told: _cell(mine[s].figures[metric]) for s, told in named.items()}}
            for name, mine in rows.items()
        },
    }
    return comparison(data)


def _cell(figure: Any) -> dict[str, float]:
    return {"mean": figure.mean, "low": figure.low, "high": figure.high, "n": figure.n}


def _worst(name: str, one: Answers) -> Section:
    """The answers that are furthest from what is accepted."""
    f1 = one.measured.values[ANSWERED]
    places = [i for i in sorted(range(len(f1)), key=lambda i: f1[i]) if f1[i] < 1]
    cells = [
        (_short(q.text), _short(" | ".join(q.answers)), _short(one.given[i].text), f"{f1[i]:.2f}")
        for i in places[:WORST]
        for q in [one.measured.questions[i]]
    ]
    header = ["question", "accepted", "said", "token F1"]
    title = f"{name}: furthest from what is accepted"
    return Section(title, header=header, rows=cells, left=3)


def _short(text: str) -> str:
    told = " ".join(text.split())
    return told if len(told) <= _SHOWN else f"{told[:_SHOWN]}..."
