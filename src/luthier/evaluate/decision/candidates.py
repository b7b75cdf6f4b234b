"""Who is measured: every way of answering that a project can take, each with a name."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from luthier.evaluate.decision.spec import PASSAGES, EndpointSpec, TunedSpec
from luthier.evaluate.routes import RETRIEVE, Route

if TYPE_CHECKING:
    from luthier.evaluate.decide import DecideSpec
    from luthier.tune.tune import TuneSpec


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    """One way of answering.

    Attributes:
        name: As it stands in tables.
        route: Its kind; that of an endpoint is how it is asked.
        tuned: How its model is tuned; None for a model as it is.
        endpoint: Who answers in the local model's place; None for the local model.
    """

    name: str
    route: Route
    tuned: TunedSpec | None = None
    endpoint: EndpointSpec | None = None

    @property
    def retrieves(self) -> bool:
        """Whether it looks into an index."""
        return self.route in RETRIEVE


@dataclasses.dataclass(frozen=True, slots=True)
class Means:
    """What a project has, for candidates to be made of.

    Attributes:
        rag: Whether there is an index.
        classifier: Whether there is a classifier.
        tune: How the model is tuned, if it is.
        writes: Whether the tuned model answers in words; one for labels answers alone.
    """

    rag: bool
    classifier: bool
    tune: TuneSpec | None
    writes: bool = True


def open_routes(means: Means) -> tuple[Route, ...]:
    """The routes that a project has the sections for."""
    asks = means.tune is None or means.writes
    possible: list[tuple[Route, bool]] = [
        ("base", asks),
        ("few-shot", asks),
        ("rag", asks and means.rag),
        ("extractive", means.rag),
        ("classifier", means.classifier),
        ("fine-tuned", means.tune is not None),
        ("rag+fine-tuned", means.tune is not None and means.writes and means.rag),
    ]
    return tuple(route for route, there in possible if there)


def candidates(spec: DecideSpec, means: Means) -> tuple[Candidate, ...]:
    """All candidates of a project: the untuned ones first, endpoints last.

    Args:
        spec: What is asked for. Routes that it names and the project has not are left out; the
            project file is checked for them before.
        means: What there is.
    """
    there = open_routes(means)
    wanted = [r for r in (spec.routes or there) if r in there]
    found = [Candidate(r, r) for r in wanted if "fine-tuned" not in r]
    tuned = spec.tuned or _as_it_stands(means)
    several = len({(one.method, one.name) for one in tuned}) > 1 or bool(spec.tuned)
    for one in tuned:
        label = f" {one.called}" if several else ""
        shown = one.with_passages > 0
        if "fine-tuned" in wanted and not (shown and "rag+fine-tuned" in there):
            found.append(Candidate(f"fine-tuned{label}", "fine-tuned", one))
        if "rag+fine-tuned" in wanted:
            end = " (passages)" if shown else ""
            found.append(Candidate(f"rag+fine-tuned{label}{end}", "rag+fine-tuned", one))
    for endpoint in spec.endpoints:
        for way in endpoint.ways:
            if way != "rag" or means.rag:
                name = endpoint.name if way == "base" else f"{endpoint.name} {way}"
                found.append(Candidate(name, way, endpoint=endpoint))
    return tuple(found)


def _as_it_stands(means: Means) -> tuple[TunedSpec, ...]:
    """The section ``tune``, without passages and with them."""
    if means.tune is None:
        return ()
    plain = TunedSpec(method=means.tune.method)
    if not (means.rag and means.writes):
        return (plain,)
    share = means.tune.with_passages or PASSAGES
    return plain, plain.model_copy(update={"with_passages": share})
