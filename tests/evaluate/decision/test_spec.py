"""Shorthands of the section ``decide``, and what it refuses."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from luthier.evaluate.decision.spec import EndpointSpec, TunedSpec
from luthier.tune.methods import Lora


def test_a_bare_method_is_enough() -> None:
    assert TunedSpec.model_validate_json('"lora"') == TunedSpec(method=Lora())
    told = TunedSpec.model_validate_json('{"method": "lora", "lr": 0.01}')
    assert (told.called, told.lr) == ("lora", 0.01)


def test_a_name_of_its_own_goes_first() -> None:
    assert TunedSpec(name="small", method=Lora(r=2)).called == "small"


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ValidationError, match="lara"):
        TunedSpec.model_validate_json('"lara"')


def test_editors_are_offered_the_bare_method() -> None:
    kinds = TunedSpec.model_json_schema()
    assert {"type": "string"} in kinds["anyOf"]


def test_an_endpoint_has_a_name_without_spaces() -> None:
    with pytest.raises(ValidationError, match="name"):
        EndpointSpec(name="my model", base_url="http://127.0.0.1/v1", model="m")
