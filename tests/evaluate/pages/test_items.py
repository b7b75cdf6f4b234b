"""Items: their texts, which are picked, and the table that filters read."""

import dataclasses
import json

from gated_runs import about, rows, run

from luthier.evaluate.pages import items
from luthier.evaluate.pages.sides import together
from luthier.evaluate.runs.rows import from_rows


def _asked(text: str, system: str = "") -> str:
    turns = [{"role": "system", "content": system}] if system else []
    return json.dumps([*turns, {"role": "user", "content": text}])


def test_an_item_is_shown_with_all_answers() -> None:
    held = [dataclasses.replace(rows(1)[0], prompt=_asked("Who?\r\nSay\x00it."), group="g")]
    side = together([from_rows(held, [{"a": 0.5}], about(name)) for name in ("x", "y")])[0]
    one = items.shown(side, 0, 100)
    assert one.turns == (("user", "Who?\nSay\ufffdit."),)
    assert (one.title, one.group, one.metric) == ("Who? Say\ufffdit.", "g", "a")
    assert [answer.scores for answer in one.answers] == [{"a": 0.5}] * 2


def test_a_long_prompt_is_called_by_its_question() -> None:
    held = [dataclasses.replace(rows(1)[0], prompt=_asked("words " * 50 + "\n\nWho was it then?"))]
    (side,) = together([from_rows(held, [{"a": 0.5}], about())])
    assert items.shown(side, 0, 1000).title == "Who was it then?"


def test_prompts_that_are_no_messages_are_shown_as_they_are() -> None:
    held = [dataclasses.replace(rows(1)[0], prompt="{not json")]
    (side,) = together([from_rows(held, [{"a": 0.5}], about())])
    assert items.shown(side, 0, 100).turns == (("prompt", "{not json"),)


def test_one_run_shows_its_worst() -> None:
    (side,) = together(
        [run({"exact_match": [1.0, 0.0, 1.0, 0.0], "token_f1": [1.0, 0.9, 1.0, 0.1]})]
    )
    picked = {pick.title: [one.id for one in pick.items] for pick in items.picks(side, 100)}
    assert picked == {"Worst answers": ["q3", "q1"], "Metrics disagree": ["q1"]}


def test_two_runs_show_what_changed() -> None:
    base = run({"accuracy": [1.0, 0.0, 0.0, 1.0]}, about("base"))
    new = run({"accuracy": [0.0, 1.0, 0.0, 1.0]}, about("new"))
    picked = {pick.title: [one.id for one in pick.items]
              for pick in items.picks(together([base, new])[0], 100)}  # fmt: skip
    assert picked["Got worse"] == ["q0"]
    assert picked["Got better"] == ["q1"]
    assert picked["Worst in all runs"] == ["q2"]
    assert "Runs disagree" not in picked


def test_flags() -> None:
    ends = ("length", "context", "error", "stop")
    held = [dataclasses.replace(row, finish_reason=end, reply="")
            for row, end in zip(rows(4), ends, strict=True)]  # fmt: skip
    (side,) = together([from_rows(held, [{"a": 0.0}] * 4, about())])
    flags = [items.shown(side, i, 10).answers[0].flag for i in range(4)]
    assert flags == ["cut off", "prompt too long", "no answer", "empty"]


def test_the_table_keeps_a_text_once() -> None:
    held = [dataclasses.replace(row, prompt=_asked(f"q{i}", "Be brief."))
            for i, row in enumerate(rows(3))]  # fmt: skip
    told = items.table(together([from_rows(held, [{"a": 1 / 3}] * 3, about())])[0], 100)
    assert sorted(told["texts"]) == ["Be brief.", "q0", "q1", "q2", "yes"]
    assert told["items"][0][-1][0][3] == [0.3333]
    assert told["lower"] == [False]


def test_long_texts_are_cut_where_there_are_many() -> None:
    held = [
        dataclasses.replace(row, reply=f"{i} " + "x" * 9000) for i, row in enumerate(rows(2000))
    ]
    (side,) = together([from_rows(held, [{"a": 0.0}] * 2000, about())])
    limit = items.limit_of(side)
    assert limit == 2000
    assert items.is_clipped(side, limit)
    assert items.shown(side, 0, limit).answers[0].reply.endswith("… (7,002 more characters)")
    assert len(items.plain(side, 0)[2]) < 400
