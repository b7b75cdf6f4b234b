"""The report in both forms holds the figures, and the page needs nothing beside it."""

from __future__ import annotations

import dataclasses
import html.parser
import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from luthier.core.errors import ResourceError
from luthier.monitor.report import render, write_html
from luthier.monitor.watch import Day, Drift, DriftTest, MonitorReport

TESTS = (
    DriftTest("length in words", "KS", 0.5, 0.0001, True, 4.0, 9.25),
    DriftTest("meaning (embeddings)", "energy", 0.125, 0.4, False),
)
DRIFT = Drift(
    "drift", "questions differ in: <length>", 200, 50, TESTS, ("something: no <encoder>",)
)
REPORT = MonitorReport(
    since="2026-11-15T12:00:00+00:00",
    until="2026-11-17T12:00:00+00:00",
    answers=51,
    days=(Day("2026-11-15", 20), Day("2026-11-16", 0), Day("2026-11-17", 31)),
    latency_p50_s=0.51,
    latency_p95_s=1.52,
    first_token_p50_s=None,
    refused=1,
    empty=2,
    truncated=3,
    abandoned=4,
    failed=5,
    prompt_tokens=12345,
    completion_tokens=678,
    retrieved=8,
    cited_share=0.75,
    bundles={"b" * 64: 50, "c" * 64: 1},
    drift=DRIFT,
)
QUIET = dataclasses.replace(
    REPORT,
    answers=0,
    days=(Day("2026-11-15", 0),),
    cited_share=None,
    drift=Drift("cannot tell", "too few answers to tell", 200, 0),
)


def screen(report: MonitorReport) -> str:
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(render(report))
    return console.export_text()


def page(report: MonitorReport, path: Path) -> str:
    write_html(report, path)
    return path.read_text(encoding="utf-8")


def test_the_screen() -> None:
    text = screen(REPORT)
    for word in ("51", "0.51 s", "1.52 s", "none yet", "12,345", "75% of the 8", "c" * 12):
        assert word in text
    bars = {line.split()[0]: line.count("█") for line in text.splitlines() if "2026-11-1" in line}
    assert (bars["2026-11-16"], bars["2026-11-17"]) == (0, 30)
    assert bars["2026-11-15"] == 19
    assert re.search(r"length in words .* yes", text)
    assert "no <encoder>" in text
    assert "too few answers to tell" in screen(QUIET)


def test_the_page_is_whole_and_self_contained(tmp_path: Path) -> None:
    text = page(REPORT, tmp_path / "deep" / "report.html")
    for word in ("51", "0.51 s", "12,345", "75% of the 8", "9.25", "0.0001", "2026-11-16"):
        assert word in text
    assert "src=" not in text
    assert "http" not in text
    assert "&lt;length&gt;" in text
    assert "<length>" not in text
    heights = [float(h) for h in re.findall(r'class="bar"[^>]*?height="([\d.]+)"', text, re.S)]
    assert heights == [pytest.approx(110 * 20 / 31, abs=0.1), 0.0, 110.0]
    assert text.count('class="alarm"') == 1
    parser = html.parser.HTMLParser()
    parser.feed(text)
    parser.close()


def test_a_page_without_answers(tmp_path: Path) -> None:
    text = page(QUIET, tmp_path / "report.html")
    assert "too few answers to tell" in text
    assert "verdict drift" not in text


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="cannot write"):
        write_html(REPORT, tmp_path / "file" / "report.html")
