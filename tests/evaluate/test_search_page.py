"""What a search found is told without claiming more than was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from luthier.evaluate.search_page import PAGE, headline, search_page, write_search_page


def trial(number: int, state: str, value: float | None, lr: float, r: Any = 8) -> dict[str, Any]:
    return {
        "number": number,
        "state": state,
        "settings": {"lr": lr, "method.r": r},
        "value": value,
        "curve": [[1, 3.0], [2, 2.5]] if state != "fail" else [],
        "seconds": 1.5 if value is not None else None,
        "problem": "the loss is not a number" if state == "fail" else "",
        "mend": "",
    }


def found(verdict: str = "better", **changes: Any) -> dict[str, Any]:
    trials = [
        trial(0, "complete", 2.0, 1e-3),
        trial(1, "complete", 1.5, 1e-2),
        trial(2, "pruned", None, 1e-5),
        trial(3, "fail", None, 1.0),
    ]
    seeds = [] if verdict == "not confirmed" else [1, 2]
    confirmed = {
        "seeds": seeds,
        "values": {"default": [2.0, 2.1][: len(seeds)], "best": [1.5, 1.6][: len(seeds)]},
        "gain": {"mean": 0.5, "low": 0.3, "high": 0.7},
        "verdict": verdict,
    }
    return {
        "metric": "loss",
        "direction": "minimize",
        "sampler": "tpe",
        "trials": trials,
        "states": {"complete": 2, "pruned": 1, "fail": 1},
        "best": {"number": 1, "settings": {"lr": 1e-2, "method.r": 8}, "value": 1.5},
        "default": {"lr": 1e-4, "method.r": 8},
        "importance": {"lr": 0.9, "method.r": 0.1},
        "confirmed": confirmed,
        **changes,
    }


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("better", "It gains +0.5 [+0.3, +0.7] over the project file's settings, on 2 other"),
        ("worse", "it is worse than the project file's"),
        ("cannot tell apart", "cannot be told apart"),
        ("not confirmed", "Whether that is luck was not measured"),
    ],
)
def test_the_headline_says_how_sure_it_is(verdict: str, said: str) -> None:
    first, second = headline(found(verdict))
    assert first == "Best of the search: lr 0.01, method.r 8 (loss 1.5)."
    assert said in second


@pytest.mark.parametrize(
    ("failed", "verdict", "said"),
    [
        (
            (2, 0),
            "default fails",
            "2 with the project file's settings, 0 with the best",
        ),
        ((0, 1), "best fails", "0 with the project file's settings, 1 with the best"),
    ],
)
def test_runs_that_failed_are_told(failed: tuple[int, int], verdict: str, said: str) -> None:
    told = found(verdict)
    confirmed = told["confirmed"]
    confirmed |= {"failed": {"default": failed[0], "best": failed[1]}}
    confirmed["problem"] = {"default": "" if failed[1] else "the loss is not a number", "best": ""}
    confirmed["problem"]["best"] = "the loss grew" if failed[1] else ""
    confirmed["values"]["default"][0] = None
    first, second = headline(told)
    assert first.startswith("Best of the search")
    assert said in second
    kept = ("(the loss grew); the file's are kept", "(the loss is not a number); the best is taken")
    assert kept[not failed[1]] in second
    table = next(s for s in search_page(told, "").sections if s.title == "On other seeds")
    assert table.rows[0] == ("1", "failed", "1.5")


def test_every_trial_stands_on_the_page_the_best_first() -> None:
    page = search_page(found(), "tune:\n  lr: 0.01\n")
    table = next(s for s in page.sections if s.title == "All trials")
    assert [row[0] for row in table.rows] == ["1", "0", "2", "3"]
    assert table.rows[3][2] == "the loss is not a number"
    history = page.sections[0].figure
    assert history is not None
    best = next(t for t in history["data"] if t["name"] == "best so far")
    assert (best["x"], best["y"]) == ([0, 1], [2.0, 1.5])


def test_settings_of_wide_ranges_and_words_have_axes_of_their_own() -> None:
    told = found()
    for number, name in enumerate(("a", "b", "c", "d")):
        told["trials"][number]["settings"]["method.r"] = name
    told["trials"][0]["settings"]["lr"] = 1e-5
    figures = {s.title: s.figure for s in search_page(told, "").sections}
    lr, words = figures["lr"], figures["method.r"]
    assert lr is not None
    assert words is not None
    assert lr["layout"]["xaxis"]["type"] == "log"
    assert words["layout"]["xaxis"]["type"] == "category"


def test_the_page_is_written_beside_the_results(tmp_path: Path) -> None:
    (tmp_path / "search.json").write_text(json.dumps(found("not confirmed", importance={})))
    (tmp_path / "best.yaml").write_text("tune:\n  lr: 0.01\n")
    assert write_search_page(tmp_path, "search.json", "best.yaml") == tmp_path / PAGE
    text = (tmp_path / PAGE).read_text()
    assert "lr: 0.01" in text
    assert "What mattered" not in text
