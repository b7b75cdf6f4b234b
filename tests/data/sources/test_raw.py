"""What every source of rows can be told."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from luthier.data.sources.raw import (
    ConstantMissing,
    FlagMissing,
    MissingSpec,
    Raw,
    RowSource,
)


def test_policies_are_chosen_by_kind() -> None:
    source = RowSource.model_validate_json(
        '{"missing": {"a": {"kind": "constant", "value": 3}, "b": {"kind": "flag"}}}'
    )
    assert source.missing == {"a": ConstantMissing(value=3), "b": FlagMissing(marker="[missing]")}
    with pytest.raises(ValidationError, match="drop"):
        TypeAdapter(MissingSpec).validate_python({"kind": "mean"})


@pytest.mark.parametrize(
    "named",
    [
        {"question": "q", "text": "t"},
        {"question": "q", "answer": "a", "text": "t"},
        {"answer": "a", "label": "l"},
    ],
)
def test_columns_are_questions_or_texts(named: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="or that of `text`"):
        RowSource(**named)  # type: ignore[arg-type]


def test_unknown_dialects_are_refused() -> None:
    with pytest.raises(ValidationError, match="dialect"):
        RowSource.model_validate({"dialect": "klingon"})


def test_a_raw_row_keeps_its_types() -> None:
    row = Raw({"n": 1, "t": "x"}, "orders:7")
    assert (row.values["n"], row.origin) == (1, "orders:7")
