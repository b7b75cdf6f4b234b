"""One file, complete in itself, that says what the numbers say and escapes what it is given."""

from __future__ import annotations

import dataclasses
import json
import random
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from luthier.core.errors import ResourceError
from luthier.core.progress import Quiet
from luthier.evaluate.answers import samples
from luthier.evaluate.compare import EvaluateSpec, compare
from luthier.evaluate.report import (
    Command,
    DataStep,
    LineageRow,
    LossPoint,
    ReportData,
    render,
)

NASTY = "<script>alert('x')</script> & \"more\""
VOID = {"meta", "br", "link", "img", "hr", "input"}


class Checker(HTMLParser):
    """Counts ids, and notes tags left open and anything loaded from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.loaded: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if given.get("id"):
            self.ids.add(str(given["id"]))
        if "src" in given or tag == "link":
            self.loaded.append(tag)
        if str(given.get("href", "")).startswith("#"):
            self.links.add(str(given["href"])[1:])

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


@pytest.fixture
def data(tmp_path: Path, fake: Any, example: Any, passage: Any) -> ReportData:
    pick = random.Random(2)
    items = [
        example(
            f"i{i}",
            f"{NASTY} {i}",
            json.dumps([i]) if i % 2 else f"number {i}",
            kind="form" if i % 2 else "fact",
            document="doc",
        )
        for i in range(60)
    ]
    held = passage("doc", f"It is number 4. {NASTY}")
    routes = {
        "base": fake(lambda q: "word " * 60, nll=2.0),
        "few-shot": fake(lambda q: "x", fits=3),
        "rag": fake(
            lambda q: "number " + q.split()[-1] if pick.random() < 0.9 else "?",
            passages=lambda q: (held,),
        ),
    }
    spec = EvaluateSpec(routes=("base", "few-shot", "rag"), resamples=1000, latency_items=3)
    comparison = compare(spec, items, routes, tmp_path, Quiet(), seed=0)
    return ReportData(
        project=f"demo {NASTY}",
        made_at="22 November 2026",
        version="0.1.0",
        comparison=comparison,
        losses=(LossPoint(1, 10, 3.0, 3.2), LossPoint(2, 20, 2.0)),
        steps=(DataStep("documents", 90, {f"empty {NASTY}": 7}, {"shortened": 2}),),
        split={"train": {"fact": 80}, "test": {"fact": 20}},
        leakage={"leaks": False, "lines": ["nothing"], "overlaps": [], "questions_in_corpus": []},
        machine={"CPU": "2 cores"},
        model={"parameters": "12 M"},
        plan={"method": "LoRA"},
        index={"passages": "1,234"},
        samples=samples(tmp_path, per_kind=2),
        lineage=(LineageRow("tune", "tune-0123", False, 221.0), LineageRow("x", "x-1", True, 1.0)),
        commands=(Command("luthier chat", "Talk to it."),),
    )


def _page(data: ReportData, folder: Path) -> tuple[str, Checker]:
    path = folder / "report.html"
    render(data, path)
    text = path.read_text(encoding="utf-8")
    scripts = re.findall(r"<script>.*?</script>", text, flags=re.S)
    own = text.replace(max(scripts, key=len), "") if scripts else text
    checker = Checker()
    checker.feed(own)
    return own, checker


def test_it_is_whole_and_loads_nothing(data: ReportData, tmp_path: Path) -> None:
    own, checker = _page(data, tmp_path)
    assert (checker.wrong, checker.open, checker.loaded) == ([], [], [])
    assert checker.links <= checker.ids
    assert checker.links == {
        "comparison", "samples", "tuning", "data", "leakage", "setup", "lineage", "next"
    }  # fmt: skip
    assert "http://" not in own
    assert "https://" not in own
    assert "url(" not in own
    whole = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert whole.count("plotly.js v") == 1


def test_every_plot_has_its_place(data: ReportData, tmp_path: Path) -> None:
    own, checker = _page(data, tmp_path)
    found = re.search(r"const figures = (\{.*\});", own)
    assert found
    figures = json.loads(found[1])
    assert set(figures) == {"comparison", "loss", "kept", "split"}
    assert {f"plot-{name}" for name in figures} <= checker.ids


def test_text_is_escaped_everywhere(data: ReportData, tmp_path: Path) -> None:
    own, _ = _page(data, tmp_path)
    assert "<script>alert" not in own
    assert own.count("&lt;script&gt;alert") >= 7


def test_numbers_verdicts_and_warnings_are_shown(data: ReportData, tmp_path: Path) -> None:
    own, _ = _page(data, tmp_path)
    assert data.comparison is not None
    for scope in ("overall", "fact", "form"):
        words = data.comparison["headline"][scope].split(" [")[0].rsplit(" ", 1)[0]
        assert words in own
    assert "base: 60 of 60 answers were cut off at 48 tokens." in own
    assert "few-shot: 60 of 60 prompts did not fit the model's context" in own.replace("&#39;", "'")
    assert f"{data.comparison['routes']['rag']['token_f1']['fact']['mean']:.3f}" in own
    assert "3 min 41 s" in own
    assert "The prompt did not fit the context." in own


def test_what_a_route_has_not_is_a_dash(data: ReportData, tmp_path: Path) -> None:
    assert data.comparison is not None
    base = {
        **data.comparison["routes"]["base"], "completion_tokens": 0.0,
        "perplexity": {"overall": None},
    }  # fmt: skip
    routes = {"classifier": base, "rag": data.comparison["routes"]["rag"]}
    plain = {**data.comparison, "routes": routes, "against_base": {"overall": {}}}
    own, _ = _page(dataclasses.replace(data, comparison=plain, samples=()), tmp_path)
    quality, time = (row.split("</tr>")[0] for row in own.split("</span>classifier</th>")[1:])
    assert quality.rstrip().endswith("<td>–</td>")
    assert "<td>–</td>" in time
    rag = own.split("</span>rag</th>")[2].split("</tr>")[0]
    assert "<td>–</td>" not in rag


def test_only_clear_differences_are_coloured(data: ReportData, tmp_path: Path) -> None:
    own, _ = _page(data, tmp_path)
    assert data.comparison is not None
    against = data.comparison["against_base"]
    clear = [d["clear"] for scope in against.values() for d in scope.values()]
    assert 0 < sum(clear) < len(clear)
    assert len(re.findall(r'<td class="(?:good|bad)">', own)) == sum(clear)
    assert own.count('<td class="muted">') >= len(clear) - sum(clear)


def test_an_empty_report_has_no_empty_sections(tmp_path: Path) -> None:
    own, checker = _page(ReportData("p", "today", "0.1.0"), tmp_path)
    assert checker.links == set()
    assert "<h2>" not in own
    assert (checker.wrong, checker.open) == ([], [])


def test_a_leak_is_told_with_its_rows(data: ReportData, tmp_path: Path) -> None:
    overlap = {
        "text": "What is it?", "test_origin": "faq.csv:7", "other_id": "row9",
        "other_origin": "faq.csv:9", "kind": "same",
    }  # fmt: skip
    leak = {"leaks": True, "lines": ["1"], "overlaps": [overlap], "questions_in_corpus": []}
    own, _ = _page(ReportData("p", "today", "0.1.0", leakage=leak), tmp_path)
    assert "not to be trusted" in own
    assert "faq.csv:9" in own


def test_a_missing_library_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(ResourceError, match="pip install 'luthier"):
        render(ReportData("p", "today", "0.1.0"), tmp_path / "r.html")
    assert not list(tmp_path.iterdir())
