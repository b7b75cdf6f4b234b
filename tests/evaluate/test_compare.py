"""The whole comparison on answerers whose quality is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from luthier.core.errors import ConfigError, DataError
from luthier.core.progress import Quiet
from luthier.evaluate.answers import read_answers
from luthier.evaluate.compare import EvaluateSpec, compare, read_comparison, select_items

SPEC = EvaluateSpec(routes=("base", "rag"), resamples=1000, latency_items=2)


def test_the_subset_is_stable_when_rows_are_added(example: Any) -> None:
    rows = [example(f"i{i}", "q", "a") for i in range(200)]
    before = select_items(rows[:150], 50)
    after = select_items(rows[::-1], 80)
    assert before == select_items(rows[:150][::-1], 50)
    kept = [item for item in after if item in before]
    assert kept == [item for item in before if item in after]
    assert len(kept) > 40
    assert len(select_items(rows, 1000)) == 200


def test_only_test_rows_are_items(example: Any) -> None:
    with pytest.raises(DataError, match="train side"):
        select_items([example("a", "q", "a", side="train")], 5)
    with pytest.raises(DataError, match="no test questions"):
        select_items([], 5)


def test_compare_writes_what_it_returns(tmp_path: Path, fake: Any, example: Any) -> None:
    items = [example(f"i{i}", f"number {i}", f"number {i}") for i in range(40)]
    routes = {
        "base": fake(lambda q: "no idea"),
        "rag": fake(lambda q: q, nll=0.5),
        "fine-tuned": fake(lambda q: "not asked"),
    }
    summary = compare(SPEC, items, routes, tmp_path, Quiet(), seed=1)
    assert summary == read_comparison(tmp_path) == json.loads(json.dumps(summary))
    rows = read_answers(tmp_path)
    assert [row.route for row in rows] == ["base"] * 40 + ["rag"] * 40
    assert summary["headline"]["overall"] == "rag beats base by 1.000 [1.000, 1.000]"
    assert not routes["fine-tuned"].asked


def test_the_same_seed_gives_the_same_numbers(tmp_path: Path, fake: Any, example: Any) -> None:
    items = [example(f"i{i}", f"number {i}", f"number {i % 7}") for i in range(40)]

    def once(name: str) -> Any:
        (tmp_path / name).mkdir()
        routes = {"base": fake(lambda q: "no idea"), "rag": fake(lambda q: q)}
        return compare(SPEC, items, routes, tmp_path / name, Quiet(), seed=1)

    first, second = once("a"), once("b")
    assert first["against_base"] == second["against_base"]
    assert first["routes"]["rag"]["token_f1"] == second["routes"]["rag"]["token_f1"]


def test_a_route_nobody_answers_for(tmp_path: Path, fake: Any, example: Any) -> None:
    with pytest.raises(ConfigError, match="nobody answers for rag"):
        compare(SPEC, [example("a", "q", "a")], {"base": fake(str)}, tmp_path, Quiet(), 0)
    twice = EvaluateSpec(routes=("base", "base"))
    with pytest.raises(ConfigError, match="twice"):
        compare(twice, [example("a", "q", "a")], {"base": fake(str)}, tmp_path, Quiet(), 0)
    with pytest.raises(DataError, match="no items"):
        compare(SPEC, [], {"base": fake(str), "rag": fake(str)}, tmp_path, Quiet(), 0)


@pytest.mark.parametrize(
    "text",
    ['{"routes": []}', '{"routes": ["gpt"]}', '{"confidence": 1.0}', '{"max_items": 0}',
     '{"resamples": 10}', '{"price_per_hour": -1}', '{"metrics": "token_f1"}'],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        EvaluateSpec.model_validate_json(text)
    assert EvaluateSpec.model_validate_json('{"routes": ["base", "rag"]}').routes[1] == "rag"
