"""The page has a point with its interval for each rung, and the table."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from luthier.evaluate._ladder_page import figure, ladder_page
from luthier.evaluate.page import write_page


def rung(name: str, kind: str, bits: float, *, pseudo: bool = False) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "pseudo": pseudo,
        "parameters": 1000,
        "train_s": 0.0,
        "bits_per_byte": {"mean": bits, "low": bits - 0.1, "high": bits + 0.2},
    }


RUNGS = [rung("ngram", "n-gram", 2.5), rung("bert", "BERT-type", 2.0, pseudo=True)]


def test_each_rung_is_a_point_with_its_interval() -> None:
    drawn = figure(RUNGS, "parameters")
    first, second = drawn["data"]
    assert (first["x"], first["y"], first["name"]) == ([1000], [2.5], "n-gram")
    assert first["error_y"]["array"][0] > first["error_y"]["arrayminus"][0]
    assert (second["name"], second["marker"]["symbol"]) == ("BERT-type*", "circle-open")
    assert figure(RUNGS, "train_s")["data"][0]["x"][0] > 0  # a logarithm knows no zero
    bare = [{**RUNGS[0], "bits_per_byte": {"mean": 2.5, "low": None, "high": None}}]
    assert not figure(bare, "parameters")["data"][0]["error_y"]["visible"]


def test_the_page_has_both_pictures_and_the_table(tmp_path: Path) -> None:
    found = {
        "rungs": RUNGS,
        "texts": {"bytes": 5000},
        "tokens": 10_000,
        "passes": 2.0,
        "learned": {"texts": 9},
    }
    table = (["rung", "bits per byte"], [["n-gram", "2.500 [2.400, 2.700]"]])
    page = ladder_page(found, "n-gram is the best <&>", table, ["No likelihood."])
    assert [bool(section.figure) for section in page.sections] == [True, True, False]
    write_page(page, tmp_path / "ladder.html")
    text = (tmp_path / "ladder.html").read_text(encoding="utf-8")
    for said in ("5,000 bytes scored", "n-gram is the best &lt;&amp;&gt;", "2.500 [2.400, 2.700]"):
        assert said in text
    assert "No likelihood." in text
    assert not re.search(r"<(script|link)[^>]+(src|href)=", text[:2000] + text[-4000:])
