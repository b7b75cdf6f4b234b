"""Points of a grid, its order, and what is asked of a range."""

from __future__ import annotations

from pathlib import Path

from luthier.core.space import Dimension
from luthier.tune._study import direction, grid, open_study, take_back
from luthier.tune.search import GridSampler, SearchSpec


def test_a_grid_in_the_order_of_its_seed() -> None:
    space = {"a": Dimension(choices=(1, 2)), "b": Dimension(low=0.0, high=1.0, steps=3)}
    every = grid(SearchSpec(space=space, sampler=GridSampler(), trials=100))
    assert len(every) == len({tuple(p.items()) for p in every}) == 6
    assert grid(SearchSpec(space=space, sampler=GridSampler(), trials=4)) == every[:4]
    assert grid(SearchSpec(space=space, sampler=GridSampler(), trials=100, seed=1)) != every
    assert grid(SearchSpec(space=space)) == []


def test_which_way_is_better() -> None:
    space = {"a": Dimension(choices=(1, 2))}
    assert direction(SearchSpec(space=space)) == "minimize"
    assert direction(SearchSpec(space=space, metric="accuracy")) == "maximize"


def test_a_point_of_a_grid_is_not_lost_where_its_trial_was_killed(tmp_path: Path) -> None:
    space = {"a": Dimension(choices=(1, 2)), "b": Dimension(choices=(3, 4))}
    study = open_study(tmp_path, SearchSpec(space=space, sampler=GridSampler()))
    study.enqueue_trial({"a": 2, "b": 4})
    study.ask().suggest_categorical("a", [1, 2])  # killed before it asked for `b`
    take_back(study)
    again = study.ask()
    assert again.suggest_categorical("a", [1, 2]) == 2
    assert again.suggest_categorical("b", [3, 4]) == 4
