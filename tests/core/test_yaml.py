"""YAML 1.2, lines, overrides, and the words of every kind of problem."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given, strategies as st
from pydantic import Field, model_validator

from luthier.core.errors import ConfigError
from luthier.core.spec import Spec
from luthier.core.yaml import core_schema, read_spec, read_tree


class Pydoc(Spec):
    kind: Literal["pydoc"] = "pydoc"
    packages: tuple[str, ...] = ("stdlib",)


class Csv(Spec):
    kind: Literal["csv"] = "csv"
    path: str
    rows: int = 10


Source = Annotated[Pydoc | Csv, Field(discriminator="kind")]


class Data(Spec):
    sources: tuple[Source, ...] = Field(min_length=1)


class Adamw(Spec):
    kind: Literal["adamw"] = "adamw"
    beta: float = Field(0.9, gt=0, lt=1)


class Sgd(Spec):
    kind: Literal["sgd"] = "sgd"


class Tune(Spec):
    lr: float = 1e-3
    epochs: int = Field(1, ge=1)
    method: Literal["full", "lora"] = "full"
    batch: int | Literal["auto"] = "auto"
    optimizer: Annotated[Adamw | Sgd, Field(discriminator="kind")] = Adamw()
    weights: dict[str, float] = {}

    @model_validator(mode="after")
    def _rule(self) -> Tune:
        if self.lr > 10:
            raise ValueError("lr is far too high for any model")
        return self


class Model(Spec):
    name: str
    dtype: Literal["float32", "bfloat16"] = "float32"


class Project(Spec):
    name: str
    seed: int = 0
    flag: bool = False
    data: Data
    model: Model = Model(name="starter")
    tune: Tune | None = None


GOOD = """\
name: demo
data:
  sources:
    - kind: csv
      path: a.csv
    - kind: pydoc
      packages: [json, re]
model: starter
tune:
  lr: 3e-4
  epochs: 2
  optimizer:
    kind: adamw
    beta: 0.8
"""


def read(folder: Path, text: str, *sets: str) -> Project:
    path = folder / "luthier.yaml"
    path.write_text(text, encoding="utf-8")
    return read_spec(Project, path, sets, shorthands={"model": "name"})


def problems(folder: Path, text: str, *sets: str) -> list[str]:
    """The lines of the error, with the folder left out."""
    with pytest.raises(ConfigError) as caught:
        read(folder, text, *sets)
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def test_a_good_file_is_read_with_all_its_types(tmp_path: Path) -> None:
    project = read(tmp_path, GOOD)
    assert project.data.sources == (Csv(path="a.csv"), Pydoc(packages=("json", "re")))
    assert project.tune == Tune(lr=3e-4, epochs=2, optimizer=Adamw(beta=0.8))
    assert project.model == Model(name="starter")


def test_unknown_key_names_line_and_the_likely_key(tmp_path: Path) -> None:
    text = GOOD.replace("epochs: 2", "epoch: 2")
    assert problems(tmp_path, text) == [
        "luthier.yaml:11: tune.epoch: unknown key; did you mean 'epochs'?"
    ]


def test_unknown_keys_inside_tagged_unions(tmp_path: Path) -> None:
    text = GOOD.replace("packages:", "package:").replace("beta:", "betas:")
    assert problems(tmp_path, text) == [
        "luthier.yaml:7: data.sources.1.package: unknown key; did you mean 'packages'?",
        "luthier.yaml:14: tune.optimizer.betas: unknown key; did you mean 'beta'?",
    ]


def test_a_mistyped_required_key_is_one_problem_not_two(tmp_path: Path) -> None:
    text = GOOD.replace("path: a.csv", "paht: a.csv")
    assert problems(tmp_path, text) == [
        "luthier.yaml:5: data.sources.0.paht: unknown key; did you mean 'path'?"
    ]


def test_a_key_of_another_section_is_found_there(tmp_path: Path) -> None:
    assert problems(tmp_path, GOOD + "lr: 1e-4\n") == [
        "luthier.yaml:15: lr: unknown key; did you mean 'tune.lr'?"
    ]


def test_a_key_like_no_other_gets_no_suggestion(tmp_path: Path) -> None:
    assert problems(tmp_path, GOOD + "zzz: 1\n") == ["luthier.yaml:15: zzz: unknown key"]


def test_an_empty_list_where_entries_are_needed(tmp_path: Path) -> None:
    assert problems(tmp_path, "name: demo\ndata:\n  sources: []\n") == [
        "luthier.yaml:3: data.sources: expected at least 1 entry, found 0"
    ]


def test_all_problems_come_together_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = GOOD.replace("name: demo", "nmae: demo").replace("3e-4", "fast") + "zzz: 1\n"
    assert [line.split(": ")[0] for line in problems(tmp_path, text)] == [
        "luthier.yaml:1",
        "luthier.yaml:10",
        "luthier.yaml:15",
    ]


def test_overrides_are_yaml(tmp_path: Path) -> None:
    project = read(
        tmp_path,
        GOOD,
        "tune.lr=1e-4",
        "data.sources.1.packages=[os, 'no']",
        "model.dtype=bfloat16",
        "name=a: b",
        "tune.optimizer={kind: sgd}",
    )
    assert project.tune is not None
    assert project.tune.lr == 1e-4
    assert project.tune.optimizer == Sgd()
    assert project.data.sources[1] == Pydoc(packages=("os", "no"))
    assert project.model == Model(name="starter", dtype="bfloat16")
    assert project.name == "a: b"


def test_an_override_makes_or_removes_a_section(tmp_path: Path) -> None:
    short = "name: demo\ndata: {sources: [{kind: pydoc}]}\n"
    assert read(tmp_path, short, "tune.epochs=3").tune == Tune(epochs=3)
    assert read(tmp_path, GOOD, "tune=null").tune is None
    assert read(tmp_path, GOOD, "model=other").model == Model(name="other")
    assert read(tmp_path, GOOD, "seed=1", "seed=2").seed == 2


def test_a_wrong_override_is_named_instead_of_a_line(tmp_path: Path) -> None:
    assert problems(tmp_path, GOOD, "tune.lr=fast") == [
        "--set tune.lr: expected a number, found the text 'fast'"
    ]
    assert problems(tmp_path, GOOD, "tune.epoch=2") == [
        "--set tune.epoch: unknown key; did you mean 'epochs'?"
    ]
    assert problems(tmp_path, GOOD, "tune={lr: fast}") == [
        "--set tune: tune.lr: expected a number, found the text 'fast'"
    ]


@pytest.mark.parametrize("text", ["tune.lr", "=3", "tune..lr=3", ".=1", ""])
def test_malformed_overrides(tmp_path: Path, text: str) -> None:
    assert "expected KEY=VALUE" in problems(tmp_path, GOOD, text)[0]


def test_an_override_of_a_list_entry_that_is_not_there(tmp_path: Path) -> None:
    lines = problems(tmp_path, GOOD, "data.sources.7.path=x")
    assert lines[0] == (
        "--set data.sources.7.path: data.sources is a list of 2; '7' is none of its entries"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "luthier.yaml: this file is empty"),
        (b"# only a comment\n", "luthier.yaml: this file is empty"),
        (b"- a\n", "luthier.yaml:1: expected a mapping of keys at the top"),
        (
            b"a: 1\nb: [x\n",
            (
                "luthier.yaml:3: broken YAML: while parsing a flow sequence, "
                "expected ',' or ']', but got '<stream end>'"
            ),
        ),
        (b"a: b: c\n", "luthier.yaml:1: broken YAML: mapping values are not allowed here"),
        (
            b"a: 1\n\tb: 2\n",
            (
                "luthier.yaml:2: broken YAML: while scanning for the next token, "
                "found character '\\t' that cannot start any token"
            ),
        ),
        (b"a: 1\nb: \xff\n", "luthier.yaml:2: not UTF-8 (byte 0xff)"),
        (b"a: 1\nb:\n  c: 1\n  c: 2\n", "luthier.yaml:4: b.c: this key is already set in line 3"),
        (b"a: &x [*x]\n", "luthier.yaml:1: an alias that holds itself"),
        (
            b"a: !!python/object:os.system 1\n",
            (
                "luthier.yaml:1: the tag "
                "'tag:yaml.org,2002:python/object:os.system' means nothing here"
            ),
        ),
        (b"? [a]\n: 1\n", "luthier.yaml:1: a key must be a word"),
        (
            b"a: 1\n---\nb: 1\n",
            (
                "luthier.yaml:2: broken YAML: expected a single document in the "
                "stream, but found another document"
            ),
        ),
    ],
)
def test_files_that_are_not_settings(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "luthier.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_tree(path)
    assert str(caught.value).replace(f"{tmp_path}/", "").splitlines()[0] == message


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: no such file"):
        read_tree(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot read this file: Is a directory"):
        read_tree(tmp_path)


def test_a_bomb_of_aliases_is_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    path = tmp_path / "bomb.yaml"
    path.write_text("\n".join(lines))
    with pytest.raises(ConfigError, match="more than 100,000 values"):
        read_tree(path)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: x\n")
    assert read_tree(path).data == {"name": "x"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3e-4", 3e-4),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-7", -7),
        ("0o17", 15),
        ("0xff", 255),
        ("010", 10),
        ("no", "no"),
        ("off", "off"),
        ("yes", "yes"),
        ("y", "y"),
        ("True", True),
        ("~", None),
        ("2026-11-22", "2026-11-22"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("-.inf", -math.inf),
        ("1.2.3", "1.2.3"),
        ("e3", "e3"),
    ],
)
def test_core_schema(text: str, value: object) -> None:
    got = core_schema(text)
    assert got == value
    assert type(got) is type(value)


@given(st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans(), st.none()))
def test_every_number_reads_back_as_itself(value: float | bool | None) -> None:
    text = {True: "true", False: "false", None: "null"}[value] if (
        value is None or isinstance(value, bool)
    ) else str(value).replace("inf", ".inf")  # fmt: skip
    assert core_schema(text) == value


def test_the_line_is_kept_for_every_key(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(GOOD)
    marks = read_tree(path).marks
    assert marks[("tune", "optimizer", "beta")].line == 14
    assert marks[("data", "sources", 1)].line == 6
