"""Pydantic's errors in the words of the project file."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from luthier.core._problems import Mark, explain, name_of
from luthier.core.spec import Spec


class Pydoc(Spec):
    kind: Literal["pydoc"] = "pydoc"
    packages: tuple[str, ...] = ("stdlib",)


class Csv(Spec):
    kind: Literal["csv"] = "csv"
    path: str


class Adamw(Spec):
    kind: Literal["adamw"] = "adamw"
    betas: tuple[float, float] = (0.9, 0.95)


class Sgd(Spec):
    kind: Literal["sgd"] = "sgd"


class Tune(Spec):
    lr: float = Field(1e-3, gt=0, lt=1)
    epochs: int = Field(1, ge=1, le=100)
    batch: int | Literal["auto"] = "auto"
    method: Literal["full", "lora"] = "full"
    optimizer: Annotated[Adamw | Sgd, Field(discriminator="kind")] = Adamw()
    weights: dict[str, float] = {}
    shuffle: bool = True

    @model_validator(mode="after")
    def _rule(self) -> Tune:
        if self.epochs == 13:
            raise ValueError("13 epochs bring bad luck")
        return self


class Project(Spec):
    name: str = Field("x", max_length=5, pattern="^[a-z]+$")
    sources: tuple[Annotated[Pydoc | Csv, Field(discriminator="kind")], ...] = Field(
        (Pydoc(),), min_length=1
    )
    tune: Tune | None = None


def told(data: Any) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Project.model_validate_json(json.dumps(data))
    problems = explain(Project, caught.value.errors(include_url=False))
    return [f"{name_of(p.path)}: {p.text}" for p in problems]


@pytest.mark.parametrize(
    ("tune", "message"),
    [
        ({"lr": "fast"}, "lr: expected a number, found the text 'fast'"),
        ({"lr": None}, "lr: expected a number, found nothing"),
        ({"lr": "3e-4"}, "lr: expected a number, found the text '3e-4'"),
        ({"lr": [1]}, "lr: expected a number, found a list"),
        ({"lr": {}}, "lr: expected a number, found a mapping of keys"),
        ({"lr": float("nan")}, "lr: expected a finite number, found the number nan"),
        ({"lr": 0}, "lr: expected a number above 0, found the number 0"),
        ({"lr": 1.0}, "lr: expected a number below 1, found the number 1"),
        ({"epochs": 1.5}, "epochs: expected a whole number, found the number 1.5"),
        ({"epochs": True}, "epochs: expected a whole number, found true"),
        ({"epochs": 0}, "epochs: expected a number of at least 1, found the number 0"),
        ({"epochs": 101}, "epochs: expected a number of at most 100, found the number 101"),
        ({"shuffle": "no"}, "shuffle: expected true or false, found the text 'no'"),
        ({"batch": "off"}, "batch: expected a whole number or 'auto', found the text 'off'"),
        ({"weights": {"a": "b"}}, "weights.a: expected a number, found the text 'b'"),
        ({"weights": []}, "weights: expected a mapping of keys, found a list"),
        ({"optimizer": {"kind": "sgd", "betas": 1}}, "optimizer.betas: unknown key"),
        ({"optimizer": {"betas": [1, 2]}},
         "optimizer.kind: expected 'adamw' or 'sgd', found nothing"),
        ({"optimizer": {"kind": "adamw", "betas": [0.9]}},
         "optimizer.betas.1: required, but missing"),
        ({"method": "loar"},
         "method: expected 'full' or 'lora', found the text 'loar'; did you mean 'lora'?"),
        ({"optimizer": {"kind": "adam"}},
         "optimizer.kind: expected 'adamw' or 'sgd', found the text 'adam'; "
         "did you mean 'adamw'?"),
        ({"epoch": 2}, "epoch: unknown key; did you mean 'epochs'?"),
        ({"zebra": 2}, "zebra: unknown key"),
    ],
)  # fmt: skip
def test_one_wrong_value(tune: dict[str, Any], message: str) -> None:
    assert told({"tune": tune}) == [f"tune.{message}"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"tune": [1]}, "tune: expected a mapping of keys, found a list"),
        ({"tune": {"epochs": 13}}, "tune: 13 epochs bring bad luck"),
        ({"name": 3}, "name: expected text, found the number 3"),
        ({"name": "abcdef"}, "name: expected at most 5 characters, found 6"),
        ({"name": "A"}, "name: expected text like ^[a-z]+$, found the text 'A'"),
        ({"sources": []}, "sources: expected at least 1 entry, found 0"),
        ({"sources": "json"}, "sources: expected a list, found the text 'json'"),
        ({"sources": [{"kind": "csv"}]}, "sources.0.path: required, but missing"),
        ({"sources": [{"kind": "csv", "paht": "a"}]},
         "sources.0.paht: unknown key; did you mean 'path'?"),
        ({"sources": [{"kind": "pydok"}]},
         "sources.0.kind: expected 'pydoc' or 'csv', found the text 'pydok'; "
         "did you mean 'pydoc'?"),
        ({"sources": [{"kind": "pydoc", "packages": ["a", 7]}]},
         "sources.0.packages.1: expected text, found the number 7"),
        ({"lr": 1}, "lr: unknown key; did you mean 'tune.lr'?"),
        ({"zzz": 1}, "zzz: unknown key"),
    ],
)  # fmt: skip
def test_one_wrong_section(data: dict[str, Any], message: str) -> None:
    assert told(data) == [message]


def test_several_problems_are_all_told() -> None:
    problems = told({"sources": [{"kind": "csv"}], "tune": {"lr": "x", "epoch": 1}, "nmae": "a"})
    assert sorted(problems) == [
        "nmae: unknown key; did you mean 'name'?",
        "sources.0.path: required, but missing",
        "tune.epoch: unknown key; did you mean 'epochs'?",
        "tune.lr: expected a number, found the text 'x'",
    ]


def test_long_texts_are_shortened() -> None:
    (problem,) = told({"tune": {"lr": "x" * 100}})
    assert problem.endswith(f"found the text '{'x' * 37}...'")


def test_marks() -> None:
    assert str(Mark("luthier.yaml", 14)) == "luthier.yaml:14"
    assert str(Mark("--set tune.lr")) == "--set tune.lr"
