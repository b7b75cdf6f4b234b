"""Configurations measured on questions: each once, on indexes that are built once, and in pairs."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from luthier.core.errors import DataError, StoreError
from luthier.core.space import Value
from luthier.core.spec import digest_of
from luthier.core.statistics import Interval, paired_bootstrap, sign_flip_p
from luthier.core.store import write_atomic

MEASURED, INDEXES = "measured", "indexes"
ALPHA = 0.05
Settings = Mapping[str, Value]
Verdict = Literal["better", "worse", "cannot tell apart"]


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """What one configuration did with the questions.

    Attributes:
        values: The metric of each question, in the order of the questions; larger is better.
        latencies_ms: How long each took, end to end.
    """

    values: tuple[float, ...]
    latencies_ms: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values or len(self.values) != len(self.latencies_ms):
            raise DataError(
                f"{len(self.values)} figures and {len(self.latencies_ms)} times do not make a "
                "measurement",
                mend="Each question needs one of each, and there must be questions.",
            )

    @property
    def value(self) -> float:
        """The mean of the metric."""
        return float(np.mean(self.values))

    def latency_ms(self, percentile: int) -> float:
        """So many per cent of the questions took at most this long."""
        return float(np.percentile(self.latencies_ms, percentile))


@dataclasses.dataclass(frozen=True, slots=True)
class Bench:
    """Measures settings on some questions, and keeps what it built and measured.

    Attributes:
        evaluate: Asks all questions with some settings, on the index in a folder. It must give the
            same metric for the same settings.
        folder: Keeps ``indexes`` and ``measured``; may be shared by benches.
        documents: What tells these documents from others: a digest.
        questions: What tells these questions from others: a digest.
        build: Fills an empty folder with the index of some settings, once for each distinct one;
            None if ``evaluate`` needs none.
        index_settings: Names of the settings that decide the index.
        groups: The group of each question, such as its document: whole groups are resampled.
        rest: What tells apart the settings that are not told to ``evaluate``: a digest.
    """

    evaluate: Callable[[Settings, Path], Measured]
    folder: Path
    documents: str
    questions: str
    build: Callable[[Settings, Path], None] | None = None
    index_settings: Collection[str] = ()
    groups: Sequence[str] | None = None
    rest: str = ""

    @property
    def about(self) -> str:
        """A digest of documents and questions."""
        return digest_of([self.documents, self.questions])[:16]

    def measure(self, settings: Settings) -> Measured:
        """What some settings do; read where they were measured before.

        Raises:
            StoreError: A measurement that was kept is damaged.
            LuthierError: As building and evaluating do.
        """
        named = digest_of([dict(settings), self.rest] if self.rest else dict(settings))
        path = self.folder / MEASURED / self.about / f"{named[:24]}.json"
        if path.is_file():
            try:
                told = json.loads(path.read_text(encoding="utf-8"))
                return Measured(tuple(told["values"]), tuple(told["latencies_ms"]))
            except (ValueError, KeyError, TypeError) as error:
                raise StoreError(
                    f"this measurement cannot be read: {error}", where=str(path), mend="Delete it."
                ) from error
        made = self.evaluate(settings, self._index(settings))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps({"settings": dict(settings), **dataclasses.asdict(made)}))
        return made

    def _index(self, settings: Settings) -> Path:
        """The folder of the index for some settings, built if it is not there."""
        own = {name: settings[name] for name in self.index_settings if name in settings}
        place = self.folder / INDEXES / digest_of([self.documents, own])[:24]
        if self.build is None or place.is_dir():
            return place
        begun = place.with_name(f"{place.name}.{os.getpid()}.begun")
        shutil.rmtree(begun, ignore_errors=True)
        begun.mkdir(parents=True)
        try:
            self.build(settings, begun)
            begun.rename(place)  # a killed build leaves no index that looks whole
        finally:
            shutil.rmtree(begun, ignore_errors=True)
        return place


@dataclasses.dataclass(frozen=True, slots=True)
class Compared:
    """Two configurations on the same questions.

    Attributes:
        gain: Mean difference of the metric with its 95 % interval, positive where the first is
            better.
        p: Two-sided p-value of no difference; for steps adjusted for their number (Holm).
        p50_ms: Difference of median latencies.
        p95_ms: Difference of 95th percentiles.
        verdict: In words.
    """

    gain: Interval
    p: float
    p50_ms: float
    p95_ms: float
    verdict: Verdict


def compare(first: Measured, second: Measured, groups: Sequence[str] | None = None) -> Compared:
    """Two measurements of the same questions, in pairs.

    Args:
        first: Its gain is positive where it is better.
        second: What it is held against.
        groups: The group of each question.

    Raises:
        DataError: They are not of the same questions.
    """
    if len(first.values) != len(second.values):
        raise DataError(
            f"{len(first.values)} and {len(second.values)} questions cannot be compared in pairs",
            mend="Evaluate must ask the same questions each time.",
        )
    differences = [a - b for a, b in zip(first.values, second.values, strict=True)]
    gain = paired_bootstrap(differences, groups=groups)
    p = sign_flip_p(differences, groups=groups)
    return Compared(
        gain,
        p,
        first.latency_ms(50) - second.latency_ms(50),
        first.latency_ms(95) - second.latency_ms(95),
        verdict_of(gain, p),
    )


def verdict_of(gain: Interval, p: float) -> Verdict:
    """What an interval and a p-value say of a gain."""
    if p > ALPHA or not gain.excludes_zero:
        return "cannot tell apart"
    return "better" if gain.mean > 0 else "worse"
