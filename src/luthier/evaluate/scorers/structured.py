"""Answers that are data: is it JSON, does it fit the schema, which fields are right?"""

from __future__ import annotations

import functools
import json
from typing import Any

from luthier.core.errors import DataError, ResourceError

EXTRA = "pip install 'luthier[metrics]'"


def structured_scores(said: str, reference: str, schema: str) -> dict[str, float]:
    """Scores of an answer that should be JSON.

    Args:
        said: The answer.
        reference: The right JSON, or "".
        schema: A JSON Schema, or "".

    Returns:
        ``json_valid``: it is JSON (RFC 8259: no NaN, nothing around it). ``schema_valid``: and fits
        the schema. ``json_match``: it says what the reference does, the order of keys aside.
        ``field_accuracy``: the share of the reference's fields, nested ones and list entries too,
        that have the right value.

    Raises:
        DataError: The schema is none, or refers to what is not in it.
        ResourceError: jsonschema is not installed.
    """
    given, valid = read_json(said)
    scores = {"json_valid": float(valid)}
    if schema:
        scores["schema_valid"] = float(fits(given, schema) if valid else False)
    wanted, there = read_json(reference) if reference.strip() else (None, False)
    if there:
        scores["json_match"] = float(valid and same(given, wanted))
        fields = leaves(wanted)
        if isinstance(wanted, dict | list) and fields:
            held = leaves(given) if valid else {}
            right = sum(k in held and same(held[k], v) for k, v in fields.items())
            scores["field_accuracy"] = right / len(fields)
    return scores


def fits(given: Any, schema: str) -> bool:
    """Whether data fits a JSON Schema; nothing is ever fetched for it.

    Raises:
        DataError: The schema is none, or refers to what is not in it.
        ResourceError: jsonschema is not installed.
    """
    validator = _validator(schema)
    from referencing.exceptions import Unresolvable

    try:
        return bool(validator.is_valid(given))
    except Unresolvable as error:
        raise DataError(
            f"the schema refers to what is not in it: {error}",
            mend="Put it under `$defs` of the schema itself.",
        ) from error
    except RecursionError:
        return False


@functools.lru_cache(maxsize=256)
def _validator(schema: str) -> Any:
    try:
        import jsonschema  # type: ignore[import-untyped]
        import referencing
    except ImportError as error:
        raise ResourceError(
            f"JSON Schemas need the library '{error.name}', which is not installed", mend=EXTRA
        ) from error
    told = json.loads(schema)
    kind = jsonschema.validators.validator_for(told, jsonschema.Draft202012Validator)
    try:
        kind.check_schema(told)
    except jsonschema.SchemaError as error:
        where = "/".join(map(str, error.absolute_path))
        raise DataError(
            f"this is no JSON Schema: {error.message}", where=f"schema {where}".strip()
        ) from error
    return kind(told, registry=referencing.Registry())


def read_json(text: str) -> tuple[Any, bool]:
    """What a text says as JSON, and whether it is JSON."""
    try:
        return json.loads(text, parse_constant=_refused), True
    except (ValueError, RecursionError):
        return None, False


def same(one: Any, other: Any) -> bool:
    """Whether two pieces of data are the same as JSON: 1 is 1.0, and true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(v, other[k]) for k, v in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def leaves(data: Any, path: tuple[str | int, ...] = ()) -> dict[tuple[str | int, ...], Any]:
    """Every value by its path; an empty list or object is a value."""
    inside = (
        data.items() if isinstance(data, dict)
        else enumerate(data) if isinstance(data, list)
        else ()
    )  # fmt: skip
    found: dict[tuple[str | int, ...], Any] = {}
    for key, value in inside:
        found |= leaves(value, (*path, key))
    return found or {path: data}


def _refused(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")
