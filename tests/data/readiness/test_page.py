"""The page stands alone, shows every light and every fact, and runs nothing that a row says."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from luthier.data.readiness.lights import Light
from luthier.data.readiness.page import write_page

EVIL = "<script>alert('x')</script> & \"more\""


class Tags(HTMLParser):
    """Counts tags and collects texts; notices what is left open or points elsewhere."""

    void = frozenset({"meta", "rect", "line"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.texts: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.links += [str(v) for k, v in attrs if k in ("src", "href")]
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_page_names_its_project(tmp_path: Path) -> None:
    write_page(tmp_path / "page.html", [], {}, EVIL)
    shown = Tags((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert f"{EVIL}: data readiness" in shown.texts
    assert "script" not in shown.seen


def page(tmp_path: Path, *lights: Light, **counts: int) -> str:
    write_page(tmp_path / "page.html", lights, counts)
    return (tmp_path / "page.html").read_text(encoding="utf-8")


LIGHTS = (
    Light("size", "red", "3 rows", "Let `data.synthesize` make more.", {"train": 3}),
    Light("balance", "yellow", "uneven", "x", {"ratio": 7.5, "counts": {"a": 15, "b": 2}}),
    Light("lengths", "green", "they fit", "", {
        "limit": 40, "context": 99, "over": 1, "quantiles": {"p5": 3, "p50": 9},
        "histogram": {"counts": [4, 0, 2], "edges": [0.0, 20.0, 40.1, 60.0]}}),
    Light("label agreement", "grey", "nobody", "", {
        "agreement": [{"name": "krippendorff_alpha", "annotators": ["anna", "bert"],
                       "value": None, "low": 0.25}]}),
    Light("representation", "yellow", "uneven", "x", {"attributes": [
        {"attribute": "gender", "ratio": 9.0, "said": "women 1, men 9", "groups": {
            "men": {"texts": 9, "words": ["engineer", "drives"]}, "women": {"texts": 1,
                                                                           "words": []}}}]}),
)  # fmt: skip


def test_the_page_is_whole_and_stands_alone(tmp_path: Path) -> None:
    told = Tags(page(tmp_path, *LIGHTS, documents=5, rows=1200))
    assert told.open == []
    assert told.links == []
    assert not {"script", "link", "img", "iframe"} & set(told.seen)
    assert "5 documents, 1,200 rows" in told.texts


def test_every_light_stands_under_its_colour(tmp_path: Path) -> None:
    html = page(tmp_path, *LIGHTS)
    colours = re.findall(r'<section class="(\w+)">.*?<h2>([\w ]+)</h2>', html)
    assert colours == [(light.colour, light.name) for light in LIGHTS]
    assert re.findall(r'<span class="\w+">(\d \w+)', html) == [
        "1 red", "2 yellow", "1 green", "1 grey",
    ]  # fmt: skip


def test_facts_become_bars_tables_and_a_picture(tmp_path: Path) -> None:
    html = page(tmp_path, *LIGHTS)
    told = Tags(html)
    assert told.seen.count("rect") == 3
    assert told.seen.count("line") == 1
    assert '<td>a</td><td class="n">15</td><td><span class="bar" style="width:300px">' in html
    assert "<td>b</td>" in html
    assert "width:40px" in html
    assert {"anna, bert", "-", "0.25", "engineer, drives", "gender"} <= set(told.texts)
    assert "None" not in html
    assert "<code>data.synthesize</code>" in html


def test_the_limit_is_drawn_only_where_it_lies_within(tmp_path: Path) -> None:
    far = {"limit": 900, "histogram": {"counts": [1, 1], "edges": [0.0, 5.0, 10.0]}}
    assert "line" not in Tags(page(tmp_path, Light("lengths", "green", "x", "", far))).seen


def test_what_rows_say_is_text(tmp_path: Path) -> None:
    facts = {
        "counts": {EVIL: 2},
        "suspects": [{"origin": EVIL, EVIL: EVIL}],
        "words": [EVIL],
        "attributes": [{"attribute": EVIL, "groups": {EVIL: {"words": [EVIL]}}}],
    }
    told = Tags(page(tmp_path, Light(EVIL, "red", EVIL, EVIL, facts), **{EVIL: 1}))
    assert "script" not in told.seen
    assert "".join(told.texts).count(EVIL) == 12


def test_long_lists_are_cut_and_say_so(tmp_path: Path) -> None:
    counts = {f"class {i}": 1 for i in range(50)}
    html = page(tmp_path, Light("rare", "red", "x", "y", {"classes": counts}))
    assert "class 19<" in html
    assert "class 20<" not in html
    assert "and 30 more" in html


def test_an_empty_histogram_and_no_lights(tmp_path: Path) -> None:
    flat = {"limit": 5, "histogram": {"counts": [0, 0], "edges": [0.0, 0.5, 1.0]}}
    assert Tags(page(tmp_path, Light("lengths", "grey", "x", "", flat))).seen.count("rect") == 2
    assert "0 red" in page(tmp_path)
