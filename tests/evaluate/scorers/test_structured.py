"""Data in answers: valid JSON, a fitting schema, right fields."""

from __future__ import annotations

import builtins
import json
from typing import Any

import pytest

from luthier.core.errors import DataError, ResourceError
from luthier.evaluate.scorers import structured
from luthier.evaluate.scorers.structured import fits, leaves, same, structured_scores

SCHEMA = json.dumps({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})


@pytest.mark.parametrize(
    ("said", "valid", "fitting"),
    [('{"n": 1}', 1, 1), ('{"n": "1"}', 1, 0), ("{}", 1, 0), ('{"n": 1', 0, 0), ("", 0, 0),
     ("NaN", 0, 0), ('Here: {"n": 1}', 0, 0), ("[" * 100_000, 0, 0)],
)  # fmt: skip
def test_json_and_its_schema(said: str, valid: float, fitting: float) -> None:
    found = structured_scores(said, "", SCHEMA)
    assert found == {"json_valid": valid, "schema_valid": fitting}


def test_fields_are_counted_however_deep() -> None:
    wanted = '{"who": {"name": "A", "tags": ["x", "y"]}, "n": 1}'
    said = '{"n": 1.0, "who": {"tags": ["x", "z"], "name": "A"}, "more": true}'
    found = structured_scores(said, wanted, "")
    assert found == {"json_valid": 1.0, "json_match": 0.0, "field_accuracy": 0.75}
    assert structured_scores(wanted, wanted, "")["json_match"] == 1.0
    assert "field_accuracy" not in structured_scores("3", "3", "")
    assert "json_match" not in structured_scores("{}", "no JSON", "")


def test_true_is_not_one() -> None:
    assert not same(True, 1)
    assert not same([0], [False])
    assert same({"a": [1, None]}, {"a": [1.0, None]})
    assert leaves({"a": {}, "b": [[]]}) == {("a",): {}, ("b", 0): []}


def test_nothing_is_fetched_and_a_bad_schema_gives_no_number() -> None:
    remote = json.dumps({"$ref": "https://schemas.invalid/x.json"})
    with pytest.raises(DataError, match="refers to what is not in it"):
        fits({}, remote)
    with pytest.raises(DataError, match="no JSON Schema"):
        fits({}, '{"type": "strange"}')


def test_the_extra_is_named_where_the_library_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "jsonschema":
            raise ImportError("absent", name=name)
        return real(name, *args, **kwargs)

    structured._validator.cache_clear()
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ResourceError, match=r"luthier\[metrics\]"):
        fits({}, SCHEMA)
