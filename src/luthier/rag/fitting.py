"""Fit what ranking can learn from questions with known answers, and keep what surely helps.

Three things, each by itself: k1 and b of the search by words, the weights of the adaptive fusion,
and a linear map of question vectors. Each is judged on questions that it was not fitted on, in
pairs against what is in use now, and taken only where the 95 % interval of its gain lies above
zero. What is taken is written as files that the settings name, so its digest decides artifacts.

Never on test questions: what was fitted on them says nothing with them.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from luthier.core.errors import ConfigError, DataError
from luthier.core.statistics import Interval, folds, paired_bootstrap
from luthier.core.store import write_atomic
from luthier.models.encode import Vectors
from luthier.rag.access import Slice
from luthier.rag.legs import Legs
from luthier.rag.measure import Sought
from luthier.rag.measuring.metrics import score
from luthier.rag.queries.linear_map import LEAST_PAIRS, learn, save_map
from luthier.rag.ranking.adaptive import SHIPPED, Judged, Weights, fit_weights, load_weights
from luthier.rag.ranking.facts import asked_of, meaning_leg, words_leg
from luthier.rag.ranking.fusion import Leg, fused
from luthier.rag.ranking.words import tune_words
from luthier.rag.spec import RagSpec

FIT_VERSION = 1
FIT_FILE, WEIGHTS_FILE, MAP_FOLDER = "fit.json", "weights.json", "map"
Name = Literal["words", "weights", "map"]
NAMES: tuple[Name, ...] = ("words", "weights", "map")
FEWEST = 30
"""Questions for weights; fewer say nothing."""
_DEPTH, _FOLDS = 200, 3


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """One thing that was fitted.

    Attributes:
        name: ``words``, ``weights`` or ``map``.
        text: What was found, in words.
        gain: Over what is in use, on questions it was not fitted on; None where
            nothing could be fitted.
        settings: By dotted name below ``rag``, what to set; empty where nothing is taken.
    """

    name: Name
    text: str
    gain: Interval | None = None
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Fitted:
    """What was fitted.

    Attributes:
        questions: How many it was fitted on.
        parts: In the order of `NAMES`.
    """

    questions: int
    parts: tuple[Part, ...]

    @property
    def settings(self) -> dict[str, Any]:
        """What to set in all; files are named as they were told."""
        return {key: value for part in self.parts for key, value in part.settings.items()}

    def as_json(self) -> dict[str, Any]:
        """Everything as plain JSON data."""
        return {"version": FIT_VERSION, **dataclasses.asdict(self), "settings": self.settings}


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """What is fitted on.

    Attributes:
        legs: The index, in memory.
        spec: The settings in use.
        questions: With the ids of the documents that answer them; asked as what everyone may see.
        encode: Vectors of questions; None where words alone are searched.
        encoder_digest: Of the encoder.
        said: Which questions, in words; kept with the weights.
        seed: Of folds and intervals.
    """

    legs: Legs
    spec: RagSpec
    questions: Sequence[Sought]
    encode: Callable[[Sequence[str]], Vectors] | None
    encoder_digest: str
    said: str
    seed: int = 0


def fit(source: Source, folder: Path, named: str, parts: Sequence[Name] = NAMES) -> Fitted:
    """Fit, and write what is taken.

    Args:
        source: See `Source`.
        folder: Gets ``weights.json``, ``map/`` and ``fit.json``; what an earlier fit left goes.
        named: How the settings name the folder.
        parts: What is fitted.

    Raises:
        DataError: There are no questions.
        StoreError: The rows of the index are no passages.
    """
    if not source.questions:
        raise DataError("there are no questions to fit on")
    folder.mkdir(parents=True, exist_ok=True)
    for name in parts:
        _forget(folder, name)
    found: list[Part] = []
    spec = source.spec
    for name in (one for one in NAMES if one in parts):
        match name:
            case "words":
                found.append(_words(source))
                told = found[-1].settings
                changed = {key.removeprefix("words."): value for key, value in told.items()}
                spec = spec.model_copy(update={"words": spec.words.model_copy(update=changed)})
            case "weights":
                found.append(_weights(source, spec, folder, named))
            case "map":
                found.append(_map(source, folder, named))
    fitted = Fitted(len(source.questions), tuple(found))
    told = {**fitted.as_json(), "said": source.said}
    write_atomic(folder / FIT_FILE, json.dumps(told, indent=2, ensure_ascii=False))
    return fitted


def refuse_test(questions: Sequence[Sought], test: Sequence[str]) -> None:
    """Refuse questions that the test side asks, too.

    Args:
        questions: To fit on.
        test: Texts of the test side's questions.

    Raises:
        ConfigError: One of them is a test question.
    """
    locked = {" ".join(text.lower().split()) for text in test}
    same = [q for q in questions if " ".join(q.text.lower().split()) in locked]
    if same:
        raise ConfigError(
            f"{len(same)} of {len(questions)} questions are test questions, such as "
            f"'{same[0].text[:60]}'",
            where="--questions",
            mend="Take them out: what is fitted on test questions cannot be judged with them.",
        )


def _forget(folder: Path, name: Name) -> None:
    if name == "weights":
        (folder / WEIGHTS_FILE).unlink(missing_ok=True)
    elif name == "map":
        shutil.rmtree(folder / MAP_FOLDER, ignore_errors=True)


def _words(source: Source) -> Part:
    spec = source.spec
    if spec.retriever == "dense":
        return Part("words", "nothing is searched by words")
    asked = [(one.text, one.relevant) for one in source.questions]
    tuned = tune_words(source.legs.tables(), spec.words, asked, seed=source.seed)
    changed = (tuned.k1, tuned.b) != (spec.words.k1, spec.words.b)
    settings = {"words.k1": tuned.k1, "words.b": tuned.b} if changed else {}
    return Part("words", tuned.text, tuned.gain, settings)


def _weights(source: Source, spec: RagSpec, folder: Path, named: str) -> Part:
    """Weights of the fusion, held against those in use by cross-validation over groups."""
    if spec.retriever != "hybrid" or spec.ranking.fusion != "adaptive" or source.encode is None:
        return Part("weights", "only adaptive fusion of both searches has weights")
    judged = [one for one in _judged(source, spec) if len(one.legs[0].keys)]
    if len(judged) < FEWEST:
        return Part("weights", f"{len(judged)} questions are too few; {FEWEST} are needed")
    used = load_weights(Path(spec.ranking.weights) if spec.ranking.weights else SHIPPED)
    groups = [one.group for one in judged]
    fold = folds(groups, _FOLDS, source.seed)
    gaps = np.zeros(len(judged))
    for number in range(_FOLDS):
        held = np.flatnonzero(fold == number)
        kept = [judged[i] for i in np.flatnonzero(fold != number)]
        own = fit_weights(kept, source.said, seed=source.seed)
        tried = [judged[i] for i in held]
        gaps[held] = _ndcg(tried, own) - _ndcg(tried, used)
    gain = paired_bootstrap(gaps, groups=groups, seed=source.seed)
    text = f"{_said(gain)} nDCG@10 over those in use, cross-validated"
    if gain.low <= 0:
        return Part("weights", f"{text}; {_left(gain)}", gain)
    fit_weights(judged, source.said, seed=source.seed).save(folder / WEIGHTS_FILE)
    return Part("weights", f"{text}; taken", gain, {"ranking.weights": f"{named}/{WEIGHTS_FILE}"})


def _map(source: Source, folder: Path, named: str) -> Part:
    """A map of question vectors, judged by `learn`'s own nested cross-validation."""
    if source.encode is None or not source.legs.dimension:
        return Part("map", "nothing is searched by meaning")
    passages = source.legs.look(range(source.legs.count), Slice())
    seen = [(row, passage) for row, passage in enumerate(passages) if passage is not None]
    rows = [row for row, _ in seen]
    of: dict[str, list[int]] = {}
    for place, (_, passage) in enumerate(seen):
        of.setdefault(passage.document_id, []).append(place)
    held = source.legs.vectors(rows)
    asked, answers = [], []
    vectors = source.encode([one.text for one in source.questions])
    for one, vector in zip(source.questions, vectors, strict=True):
        own = [place for document in one.relevant for place in of.get(document, ())]
        if own:
            asked.append(vector)
            answers.append(own[int(np.argmax(held[own] @ vector))])
    if len(asked) < LEAST_PAIRS:
        return Part("map", f"{len(asked)} questions are too few; {LEAST_PAIRS} are needed")
    made = learn(np.array(asked), answers, held, source.encoder_digest)
    known = made.learned
    gain = Interval(known.after - known.before, known.low, known.high, known.pairs)
    text = f"{_said(gain)} mean reciprocal rank by meaning, cross-validated"
    if not known.helps:
        return Part("map", f"{text}; {_left(gain)}", gain)
    save_map(made, folder / MAP_FOLDER)
    return Part("map", f"{text}; taken", gain, {"query.map": f"{named}/{MAP_FOLDER}"})


def _judged(source: Source, spec: RagSpec) -> list[Judged]:
    """Each question as both searches see it, passages counted for their documents."""
    assert source.encode is not None
    legs, k1, b = source.legs, spec.words.k1, spec.words.b
    vectors = source.encode([one.text for one in source.questions])
    made = []
    for one, vector in zip(source.questions, vectors, strict=True):
        found = (
            words_leg(legs, one.text, _DEPTH, Slice(), k1=k1, b=b),
            meaning_leg(legs, vector, _DEPTH, Slice()),
        )
        pair = tuple(_by_document(leg, legs) for leg in found)
        asked = asked_of(legs, one.text)
        made.append(Judged(pair, asked, dict(one.relevant), one.group or one.id))
    return made


def _by_document(leg: Leg, legs: Legs) -> Leg:
    """Each document once, with its best passage's score."""
    documents = [p.document_id for p in legs.passages(leg.keys, Slice())]
    first: dict[str, int] = {}
    for place, document in enumerate(documents):
        first.setdefault(document, place)
    keys = np.array(list(first), np.str_)
    return dataclasses.replace(leg, keys=keys, scores=leg.scores[list(first.values())])


def _ndcg(judged: Sequence[Judged], weights: Weights) -> Any:
    """nDCG@10 of each question with some weights."""
    found = [
        fused(one.legs, "calibrated", meaning_weight=weights.weight(one.legs, one.asked)).keys[:10]
        for one in judged
    ]
    rankings = [keys.tolist() for keys in found]
    return score(rankings, [one.relevant for one in judged], ["ndcg@10"])["ndcg@10"]


def _said(gain: Interval) -> str:
    return f"{gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]"


def _left(gain: Interval) -> str:
    return "not taken, it may be luck" if gain.mean > 0 else "not taken"
