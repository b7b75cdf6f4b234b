"""The report of runs: one file, whole without a script, safe with any text."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from gated_runs import about, right, rows, run

from luthier.core.errors import DataError
from luthier.evaluate.gate import gate
from luthier.evaluate.gates.rules import GatesSpec
from luthier.evaluate.runs.rows import RunRows, from_rows
from luthier.evaluate.runs_page import file_name, write_runs_page

EVIL = "<script>alert(1)</script></script><!-- & \"' \u202eabc \u0000 \u2028"


class Parsed(HTMLParser):
    """Tags that are open at the end, headings, and what would be loaded."""

    VOID = frozenset({"meta", "input", "br", "link", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[int] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        told = dict(attrs)
        self.loads += [value for name in ("src", "href") if (value := told.get(name))]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Nothing stays open."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page(tmp_path: Path, *runs: RunRows, **more: Any) -> str:
    write_runs_page(runs, tmp_path / "report.html", **more)
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def items_of(text: str) -> dict[str, Any]:
    (found,) = re.findall(r'<script type="application/json">(.*?)</script>', text, re.S)
    told: dict[str, Any] = json.loads(found)
    return told


def test_a_run_has_numbers_items_and_lineage(tmp_path: Path) -> None:
    told = about("tuned", answerer={"name": "tuned", "kind": "model", "digest": "abc123"})
    text = page(tmp_path, run({"exact_match": right(40, 10)}, told))
    assert "exact_match: 0.750, 95 % interval" in text
    assert "Worst answers" in text
    assert "abc123" in text
    assert "suite.jsonl" in text
    assert items_of(text)["runs"] == ["tuned"]
    assert len(items_of(text)["items"]) == 40
    parsed = Parsed(text)
    assert not parsed.open
    assert parsed.headings[0] == 1
    assert all(
        b - a <= 1 or b == 5 for a, b in zip(parsed.headings, parsed.headings[1:], strict=False)
    )
    assert all(link.startswith("#") for link in parsed.loads)


def test_two_runs_are_told_apart_or_not(tmp_path: Path) -> None:
    base = run({"exact_match": right(100, 60)}, about("base"))
    new = run({"exact_match": right(100, 20)}, about("tuned"))
    text = page(tmp_path, base, new)
    assert "tuned is better than base: exact_match 0.400 to 0.800, by +0.400" in text
    assert "Got better" in text
    assert "Got worse" not in text
    text = page(tmp_path, base, run({"exact_match": right(100, 58)}, about("tuned")))
    assert "tuned and base: cannot tell" in text


def test_runs_of_one_name_are_numbered(tmp_path: Path) -> None:
    runs = [run({"exact_match": right(20, n)}, about("seed")) for n in (3, 4)]
    assert items_of(page(tmp_path, *runs))["runs"] == ["seed (1)", "seed (2)"]


def test_a_gate_and_its_runs(tmp_path: Path) -> None:
    new = run({"exact_match": right(100, 15)}, about("tuned"))
    old = run({"exact_match": right(100, 20)}, about("base"))
    spec = GatesSpec.model_validate_json(
        '{"rules": [{"kind": "level", "metric": "exact_match", "min": 0.95},'
        '{"kind": "superiority", "metric": "exact_match"}]}'
    )
    text = page(tmp_path, new, against=[old], gate=gate(spec, [new], [old]))
    assert "<title>faq: gate fail" in text
    assert "exact_match is at least 0.95" in text
    assert items_of(text)["runs"] == ["base", "tuned"]


def test_suites_stand_one_after_the_other(tmp_path: Path) -> None:
    first = run({"exact_match": right(20, 5)}, about(suite="a"))
    second = run({"accuracy": right(20, 5)}, about(suite="b", digest="d2"))
    text = page(tmp_path, first, second)
    assert 'id="numbers-0"' in text
    assert 'id="numbers-1"' in text
    assert text.count("application/json") >= 2


def test_no_text_can_leave_its_place(tmp_path: Path) -> None:
    held = [
        dataclasses.replace(
            row, item_id=f"{EVIL}{i}", reply=EVIL, reference=EVIL, tags=(EVIL,), origin=EVIL,
            group=EVIL, error=EVIL,
            prompt=json.dumps([{"role": EVIL, "content": EVIL + "\ud800"}]),
        )
        for i, row in enumerate(rows(6))
    ]  # fmt: skip
    evil = from_rows(held, [{EVIL: 0.5}] * 6, about(EVIL, suite=EVIL, settings={EVIL: EVIL}))
    text = page(tmp_path, evil, evil)
    assert "<script>alert" not in text
    assert text.count("<script") == 2
    assert not Parsed(text).open
    assert items_of(text)["runs"][0].startswith("<script>alert(1)")


def test_nothing_and_very_much(tmp_path: Path) -> None:
    held = [dataclasses.replace(row, reply="" if i else "x" * 20_000, finish_reason="stop")
            for i, row in enumerate(rows(5))]  # fmt: skip
    text = page(tmp_path, from_rows(held, [{"exact_match": 0.0}] * 5, about()))
    assert "4 of 5 answers are empty" in text
    assert "(14,000 more characters)" in text
    assert len(text) < 100_000


def test_other_items_are_no_comparison(tmp_path: Path) -> None:
    first = run({"exact_match": right(20, 5)}, about())
    with pytest.raises(DataError, match="not asked the same items"):
        page(tmp_path, first, run({"exact_match": right(20, 5)}, about(digest="other")))
    with pytest.raises(DataError, match="at least one run"):
        page(tmp_path)


def test_names_of_files() -> None:
    assert file_name("my suite/1") == "my-suite-1.html"
    assert file_name("") == "suite.html"
