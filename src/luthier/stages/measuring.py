"""Retrieval and answers measured on the living index: the work behind ``luthier rag evaluate``."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from luthier.core.errors import ConfigError, DataError, StoreError
from luthier.core.records import Side
from luthier.stages import living, retrieval
from luthier.stages.work import Work

if TYPE_CHECKING:
    from luthier.core.ledger import Ledger
    from luthier.core.space import Value
    from luthier.evaluate.documents import Answers
    from luthier.evaluate.routes import Route
    from luthier.rag.abstain import Calibration
    from luthier.rag.measure import Measurement, Sought
    from luthier.rag.spec import RagSpec

NOW = "now"
"""The name of the search as the project sets it."""


def questions(
    work: Work,
    ledger: Ledger,
    *,
    side: Side = "validation",
    made: int | None = None,
    file: Path | None = None,
    most: int | None = None,
) -> list[Sought]:
    """The questions to measure with.

    Args:
        work: The project, its rows split unless a file is given or questions are made.
        ledger: Gets a line for each made question that was refused.
        side: Of the project's rows.
        made: Make at most so many from the documents instead.
        file: Read them from a file instead; see `luthier.rag.measuring.file`.
        most: Draw so many of them; the same each time.

    Raises:
        DataError: There are none.
    """
    from luthier.rag.measuring.file import read_questions

    if file is not None:
        found = read_questions(file, work.documents())
    elif made is not None:
        found = retrieval.made_questions(work, made, ledger)
    else:
        found = living.sought(work, side)
    if most is None or most >= len(found):
        return found
    drawn = set(random.Random(work.project.seed).sample(range(len(found)), most))
    return [one for place, one in enumerate(found) if place in drawn]


def searches(
    work: Work, asked: Sequence[Sought], others: Sequence[str] = ()
) -> dict[str, Measurement]:
    """Measure the search as it is set, and with other settings.

    Args:
        work: The project.
        asked: The questions; those that no document answers are left out.
        others: Retrievers (``bm25``), or settings under ``rag`` (``retriever=dense,top_k=5``).

    Raises:
        ConfigError: A setting is not there, or needs another index.
        DataError: No question has an answer that its viewer may see.
        StoreError: The index cannot be opened.
    """
    from luthier.rag.index import open_index
    from luthier.rag.measure import measure

    base = living.settings(work)
    specs = {NOW: base, **{name: changed(base, name) for name in others}}
    access, folder, made = living.access(work), living.folder_of(work), {}
    for name, spec in specs.items():
        index = open_index(folder, spec)
        index.search(asked[0].text)  # what is loaded at the first question is no latency
        made[name] = measure(asked, retrieval.searched(index), access, depth=retrieval.DEPTH)
    return made


def changed(base: RagSpec, told: str) -> RagSpec:
    """Settings of a search with some changed, as ``--compare`` names them.

    Raises:
        ConfigError: A setting is not there, cannot have the value, or decides the index.
    """
    from luthier.rag.measuring import settings

    if "=" not in told:
        return settings.applied(base, {"retriever": told})
    changes: dict[str, Value] = {}
    for part in told.split(","):
        name, _, value = part.partition("=")
        changes[name.strip()] = _value(value.strip())
    spec = settings.applied(base, changes)
    if cut := [name for name in settings.index_names(changes) if name != "retriever"]:
        raise ConfigError(
            f"'{cut[0]}' decides the index, and this one is built already",
            where="--compare",
            mend="`luthier rag tune` builds one for each value.",
        )
    return spec


def routes_of(work: Work) -> list[Route]:
    """The routes that can answer from the living index without any training."""
    from luthier.tune.supervised import OPENED

    tune = work.project.tune
    writes = tune is None or not isinstance(tune.objective, OPENED)
    known = writes and work.project.model.name != "scratch"
    return ["extractive", *(["rag"] if known else [])]  # type: ignore[list-item]


def answers(work: Work, asked: Sequence[Sought], routes: Sequence[Route]) -> dict[str, Answers]:
    """Ask routes on the living index, and measure what they say.

    Args:
        work: The project, its model found (and tuned, for ``rag+fine-tuned``).
        asked: The questions.
        routes: Those that retrieve.

    Raises:
        LuthierError: As the routes do.
    """
    from luthier.evaluate.documents import measure_answers
    from luthier.rag.answer import RagAnswerer
    from luthier.rag.extract import ExtractiveAnswerer
    from luthier.stages.model import model

    if any(name != "extractive" for name in routes) and "model" not in work.made:
        model(work)
    spec = work.project.evaluate
    tokens = spec.max_new_tokens if spec else 48
    folder, access = living.folder_of(work), living.access(work)
    made: dict[str, Answers] = {}
    for name in dict.fromkeys(routes):
        route = work.answerer(name, folder)
        if not isinstance(route, RagAnswerer | ExtractiveAnswerer):
            raise ConfigError(
                f"the route '{name}' retrieves nothing",
                where="--route",
                mend="Those that do are: extractive, rag, rag+fine-tuned.",
            )
        made[name] = measure_answers(
            name, route, asked, access, work.progress, max_new_tokens=tokens
        )
    return made


def calibrate(work: Work, asked: Sequence[Sought]) -> Calibration:
    """Learn when the documents answer, and keep it with the living index.

    Raises:
        DataError: Too few questions can be used.
        StoreError: The index cannot be opened.
    """
    from luthier.rag.calibration import calibrate_index

    folder, spec = living.folder_of(work), living.settings(work)
    return calibrate_index(folder, spec, asked, work.project.seed)


def stale(work: Work, version: int) -> str:
    """What to do about a calibration that does not know a version of the index; "" for nothing."""
    from luthier.rag.abstain import FILE_NAME, Calibration
    from luthier.rag.calibration import searched_with

    spec, path = living.settings(work), living.folder_of(work) / FILE_NAME
    if spec.abstain.policy == "off":
        return ""
    if not path.is_file():
        return "abstain    not calibrated, so nothing is withheld: luthier rag calibrate"
    try:
        made = Calibration.read(path, searched_with(spec))
    except StoreError as error:
        return f"abstain    {error.what}: luthier rag calibrate"
    if made.index_version == version:
        return ""
    return (
        f"abstain    calibrated at version {made.index_version}; if much has changed since: "
        "luthier rag calibrate"
    )


def abstention(work: Work) -> str:
    """One sentence on whether questions that the documents do not answer are told."""
    from luthier.rag.routes import extractive

    care = extractive(living.open_living(work)).care
    return "abstention is off" if care.abstention is None else care.abstention.told


def _value(text: str) -> Value:
    try:
        told = json.loads(text)
    except ValueError:
        return text
    if not isinstance(told, bool | int | float | str):
        raise DataError(f"'{text}' is no value of a setting", where="--compare")
    return told
