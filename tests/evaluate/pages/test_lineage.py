"""Who answered, what, and from which files."""

from gated_runs import about, right, run

from luthier.evaluate.pages.lineage import facts, files
from luthier.evaluate.pages.sides import together


def test_facts_that_are_one_stand_once() -> None:
    who = {"name": "x", "digest": "d-x", "identity": {"model": "m", "quantised": False}}
    first = about("x", answerer=who, settings={"max_new_tokens": 64, "stop": []}, seed=0)
    second = about("y", answerer={**who, "name": "y", "digest": "d-y"})
    (side,) = together([run({"a": right(4, 1)}, told) for told in (first, second)])
    told = dict(facts(side))
    assert told["who answered"] == ("x", "y")
    assert told["its digest"] == ("d-x", "d-y")
    assert told["its quantised"] == ("no",)
    assert told["stop"] == ("none", "")
    assert told["suite's digest"] == ("d1",)
    assert told["seed"] == ("0", "")


def test_files_are_counted() -> None:
    (side,) = together([run({"a": right(7, 1)})])
    assert files(side) == [("suite.jsonl", 7)]
