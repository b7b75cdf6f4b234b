"""A run is judged, and comes out as a run; a judge of nonsense gives no number."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from gated_runs import about, rows
from suite_fakes import Told

from luthier.core.errors import DataError, ModelError
from luthier.core.store import Artifact
from luthier.evaluate.judge import JUDGED, JUDGEMENTS, JudgeSpec, judge
from luthier.evaluate.judging.rubric import Rubric
from luthier.evaluate.runs.answerers import own
from luthier.evaluate.runs.rows import read_run, write_run

RUBRIC = Rubric(name="quality", criterion="Right?", levels=("no", "yes"))


def made(folder: Path, *replies: str, digest: str = "d1", reference: str = "right") -> Path:
    held = [
        dataclasses.replace(row, reply=reply, reference=reference)
        for row, reply in zip(rows(len(replies)), replies, strict=True)
    ]
    scores = [{"exact_match": float(reply == "right")} for reply in replies]
    write_run(folder, held, scores, {**about(digest=digest), "summary": {"exact_match": {}}})
    return folder


def says(prompt: str) -> str:
    answer = prompt.split("<answer>\n")[1].split("\n")[0]
    return {"right": "Score: 2", "odd": "Hm."}.get(answer, "Score: 1")


def judged(run: Path, store: Path, say: Any = says, **more: Any) -> Artifact:
    return judge(run, RUBRIC, own("judge", Told(say), {"it": 1}), store, **more)


def test_a_judged_run_is_a_run(tmp_path: Path) -> None:
    run = made(tmp_path / "run", "right", "wrong", "right", "wrong")
    out = judged(run, tmp_path / "store")
    found = read_run(out.path)
    assert found.scores["quality"].tolist() == [1.0, 0.0, 1.0, 0.0]
    assert found.scores["exact_match"].tolist() == [1.0, 0.0, 1.0, 0.0]
    assert found.run["summary"]["quality"]["mean"] == 0.5
    told = json.loads((out.path / JUDGED).read_text())
    assert (told["metric"], told["judged"], told["invalid"]) == ("quality", 4, {})
    assert (out.path / JUDGEMENTS).is_file()
    assert judged(run, tmp_path / "store").reused


def test_nonsense_gives_no_number(tmp_path: Path) -> None:
    run = made(tmp_path / "run", *["right"] * 19, "odd")
    spec = JudgeSpec(max_invalid=0.05)
    told = judged(run, tmp_path / "store", spec=spec).summary
    assert told["invalid"] == {"unparsable": 1}
    assert (told["figure"]["n"], told["retried"]) == (19, 1)
    with pytest.raises(ModelError, match=r"no usable judgement of 1 of 20 .*no number"):
        judged(run, tmp_path / "store", spec=JudgeSpec(max_invalid=0.01))
    with pytest.raises(ModelError, match="20 out of range"):
        judged(run, tmp_path / "other", lambda _: "Score: 7")


def test_two_runs_are_compared(tmp_path: Path) -> None:
    first = made(tmp_path / "a", "right", "right", "wrong")
    second = made(tmp_path / "b", "wrong", "right", "wrong")

    def better(prompt: str) -> str:
        a, b = (prompt.split(f"<answer_{x}>\n")[1].split("\n")[0] for x in "ab")
        return "Better: tie" if a == b else f"Better: {'A' if a == 'right' else 'B'}"

    told = judged(first, tmp_path / "store", better, against=second).summary
    assert told["metric"] == "quality_preferred"
    assert told["figure"]["mean"] == pytest.approx(2 / 3)
    assert (told["consistent"]["mean"], told["prefers_first_place"]["mean"]) == (1.0, 0.5)
    other = made(tmp_path / "c", "right", "right", "wrong", digest="d2")
    with pytest.raises(DataError, match="not asked the same items"):
        judged(first, tmp_path / "store", better, against=other)


def test_labels_tell_how_far_it_can_be_trusted(tmp_path: Path) -> None:
    run = made(tmp_path / "run", *["right", "wrong"] * 15)
    labels = tmp_path / "labels.csv"
    labels.write_text("item_id,label\n" + "".join(f"q{i},{1 + i % 2}\n" for i in range(12)))
    held = judged(run, tmp_path / "store", labels=labels).summary["people"]
    assert (held["labelled"], held["same"]["mean"]) == (12, 0.0)
    assert held["corrected"]["trust"] == 0.0


def test_what_cannot_be_judged_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"1 of 1 items have none \(q0\)"):
        judged(made(tmp_path / "run", "x", reference=""), tmp_path / "store")
    texts = [dataclasses.replace(row, kind="text") for row in rows(2)]
    write_run(tmp_path / "texts", texts, [{}, {}], about())
    with pytest.raises(DataError, match="no answers to judge"):
        judged(tmp_path / "texts", tmp_path / "store")
