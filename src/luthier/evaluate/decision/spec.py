"""Settings of the decision: what is asked, what things cost, and what is needed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

from luthier.core.spec import Spec
from luthier.models.remote import RemoteSpec
from luthier.tune.methods import Full, MethodSpec

Way = Literal["base", "few-shot", "rag"]
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
PASSAGES = 0.6
"""Share of the training questions shown with passages, where the project does not say."""


class TunedSpec(Spec):
    """One way of tuning that is measured; what it does not say is as in the section ``tune``."""

    method: MethodSpec = Full()
    """Which weights are updated; a bare kind is enough: ``method: lora``."""
    name: str = Field("", pattern=rf"^$|{NAME}")
    """What its routes are called; by default the method's kind."""
    lr: float | None = Field(None, gt=0)
    """Peak learning rate: adapters want a higher one than all weights."""
    epochs: float | None = Field(None, gt=0)
    """Passes over the training rows."""
    with_passages: float = Field(0.0, ge=0, le=1)
    """Share of the training questions shown with passages. Above 0 it is asked with retrieval
    alone; at 0 with and without."""

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: Any) -> Any:
        """``lora`` and ``{method: lora}`` mean ``{method: {kind: lora}}``."""
        told = {"method": value} if isinstance(value, str) else value
        if isinstance(told, dict) and isinstance(told.get("method"), str):
            return {**told, "method": {"kind": told["method"]}}
        return told

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """The schema for editors, which also allows the shorthands."""
        schema = handler(core_schema)
        field = handler.resolve_ref_schema(schema)["properties"]["method"]
        if "anyOf" not in field:
            choice = {key: field.pop(key) for key in ("oneOf", "discriminator") if key in field}
            field["anyOf"] = [{"type": "string"}, choice]
        return {"anyOf": [{"type": "string"}, schema]}

    @property
    def called(self) -> str:
        """Its name."""
        return self.name or self.method.kind


class EndpointSpec(RemoteSpec):
    """A model behind an endpoint that is measured beside the others."""

    name: str = Field(pattern=NAME, max_length=40)
    """What its routes are called."""
    ways: Annotated[tuple[Way, ...], Field(min_length=1)] = ("base", "rag")
    """How it is asked: with the question alone, with worked examples, with passages."""


class PricesSpec(Spec):
    """What things cost."""

    per_hour: float | None = Field(None, ge=0)
    """An hour of the machine that answers, indexes and tunes; by default
    ``evaluate.price_per_hour``. Measured seconds are charged, as if paid by the second."""
    tuning_per_hour: float | None = Field(None, ge=0)
    """An hour of tuning, where another machine does it; by default ``per_hour``."""
    per_label: float = Field(0.10, ge=0)
    """One question and answer written by a person. Rows that Luthier makes from documents, and
    copies of rows, cost none."""


class NeedSpec(Spec):
    """What a route must keep to; one that does not is not recommended."""

    latency_p95_s: float | None = Field(None, gt=0)
    """Seconds within which 95 of 100 answers must be there."""
    quality: float | None = Field(None, ge=0, le=1)
    """Least mean of the metric."""
    sourced: float | None = Field(None, ge=0, le=1)
    """Least share of answers with a checked source."""
    unsupported: float | None = Field(None, ge=0, le=1)
    """Largest share of answers that no document supports."""
    cost_per_month: float | None = Field(None, gt=0)
    """Most that a month may cost, one-off costs spread over ``months``."""


class ReplaySpec(Spec):
    """The replay of an update: some facts change in documents and test, and all are asked again."""

    facts: int = Field(60, ge=1)
    """Most facts that change."""
    longest_words: int = Field(5, ge=1, le=40)
    """Facts whose answer is longer stay as they are: a sentence cannot be swapped without care."""


def _rising(shares: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(sorted(set(shares)))


Shares = Annotated[
    tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(max_length=6), AfterValidator(_rising)
]
