"""Augment: make training rows from training rows, and keep those that pass the checks.

Only the last user turn of a training row is reworded; answer, label, group and kind stay. A made
row has a new id and names its parent. The validation and test sides pass through untouched.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, assert_never

import numpy as np
from pydantic import Field, field_validator

from luthier.core.errors import ConfigError, DataError
from luthier.core.ledger import Ledger
from luthier.core.progress import Progress
from luthier.core.records import Example, Message, read_table, write_table
from luthier.core.spec import Spec, digest_file, digest_of
from luthier.data.alike import without_likes
from luthier.data.augment._candidates import Augmenter, Workshop, make_candidates, scorer
from luthier.data.augment._checks import (
    LIKE_TEST,
    Judge,
    Made,
    Verdicts,
    by_model,
    by_neighbours,
    check_content,
    check_counts,
    check_meaning,
    check_new,
)
from luthier.data.augment._labels import Classify, Learn, sample_labelled
from luthier.data.augment._neighbours import (
    Encode,
    EncoderVectors,
    FileVectors,
    TrainedVectors,
    VectorsSpec,
)
from luthier.data.augment._preserve import check_answers, names_at_starts, spans_of
from luthier.data.augment._random import number_for
from luthier.data.augment.adversarial import AdversarialAugmenter
from luthier.data.augment.back_translation import BackTranslationAugmenter, ModelEngine
from luthier.data.augment.embeddings import EmbeddingsAugmenter
from luthier.data.augment.synonyms import SynonymsAugmenter
from luthier.models.generate import Generate

AUGMENT_VERSION = 3
SAMPLES = 12


class AugmentSpec(Spec):
    """How training rows are multiplied."""

    augmenters: tuple[Augmenter, ...] = Field(min_length=1)
    """Each makes its own candidates from the rows as they came."""
    per_row: int = Field(default=1, ge=1, le=20)
    """Candidates that an augmenter makes from a row, at most."""
    max_rows: int | None = Field(default=None, ge=1)
    """Largest number of made rows that are kept; a hash of their names chooses them."""
    only_labels: tuple[str, ...] = ()
    """Only rows with these labels are augmented; all rows if empty."""
    below: int | None = Field(default=None, ge=1)
    """Only labels with fewer training rows are augmented, until they have so many."""
    min_similarity: float = Field(default=0.7, ge=-1.0, le=1.0)
    """Least cosine of the encoder's vectors of a made question and its parent's."""
    min_sentence_similarity: float = Field(default=0.85, ge=-1.0, le=1.0)
    """In rows without a label, least cosine of each altered sentence to what it was."""
    judge: Literal["neighbours", "classifier", "answer"] = "neighbours"
    """Who must give a made row its parent's label: the nearest labelled training rows, the
    classifier, or the answering model. Adversarial rows are always judged by the neighbours."""
    neighbours: int = Field(default=3, ge=1)
    """Rows of each label whose mean similarity decides."""
    judge_rows: int = Field(default=200, ge=1)
    """Rows of each label that are encoded for the neighbours, at most."""
    prompt: str = "{text}"
    """What the answering model is asked to get a label; ``{text}`` stands for the question."""
    keep: tuple[str, ...] = ()
    """Words that are never altered, besides numbers, code, quotes, names, links and negations."""

    @field_validator("prompt")
    @classmethod
    def _has_text(cls, prompt: str) -> str:
        if "{text}" not in prompt:
            raise ValueError("the prompt must hold {text}")
        return prompt


def needs_model(spec: AugmentSpec) -> bool:
    """Whether any setting asks for the answering model."""
    return spec.judge == "answer" or any(
        (isinstance(a, BackTranslationAugmenter) and isinstance(a.engine, ModelEngine))
        or (isinstance(a, AdversarialAugmenter) and a.target == "answer")
        for a in spec.augmenters
    )


def needs_classifier(spec: AugmentSpec) -> bool:
    """Whether any setting asks for a classifier of the training rows' labels."""
    return spec.judge == "classifier" or any(
        isinstance(a, AdversarialAugmenter) and a.target == "classifier" for a in spec.augmenters
    )


def augment_digest(spec: AugmentSpec, base: Path) -> str:
    """A digest of the files that the settings name; one that is missing counts as empty."""
    named: list[str] = []
    for one in spec.augmenters:
        if isinstance(one, SynonymsAugmenter):
            named += [one.path, *([one.word_list] if one.word_list else [])]
        elif isinstance(one, EmbeddingsAugmenter):
            named += _vector_files(one.vectors)
    files = [base / name for name in named]
    return digest_of([digest_file(path) if path.is_file() else "" for path in files])


def _vector_files(spec: VectorsSpec) -> list[str]:
    match spec:
        case FileVectors():
            return [spec.path]
        case TrainedVectors():
            return list(spec.corpus)
        case EncoderVectors():
            return []
        case _:
            assert_never(spec)


def augment(
    spec: AugmentSpec,
    prepared: Path,
    folder: Path,
    progress: Progress,
    *,
    base: Path,
    seed: int,
    encode: Encode,
    answer: Generate | None = None,
    classify: Classify | None = None,
    learn: Learn | None = None,
) -> dict[str, Any]:
    """Add made rows to the training side.

    Args:
        spec: The stage's settings.
        prepared: A folder with ``examples.parquet``, split into sides.
        folder: Gets ``examples.parquet``, ``ledger.parquet`` and ``augment.json``; and
            ``word2vec.txt`` where vectors are trained.
        progress: Shows one bar for each augmenter.
        base: Folder that relative paths start from.
        seed: Of all choices; a row's candidates follow from it and the row alone.
        encode: Vectors of length 1, one for each text.
        answer: The answering model, for back translation, judging or attack.
        classify: The user's classifier, for judging or attack.
        learn: Trains a classifier like it on some rows, to attack the others.

    Returns:
        What ``augment.json`` holds: counts (``rows_lost`` are rows that came in and, among more
        rows, turned out too like a test question), reasons, seconds and samples for each
        augmenter, and the robustness report of attacks.

    Raises:
        ConfigError: A model is needed that is not there.
        DataError: There is no row to augment, or a file cannot be read.
        ResourceError: A program, thesaurus or library is missing.
    """
    started = time.monotonic()
    rows = read_table(prepared / "examples.parquet", Example)
    asking = [row for row in rows if any(m.role == "user" for m in row.prompt)]
    training = [row for row in asking if row.side == "train"]
    validation = [row for row in asking if row.side == "validation"]
    said = (text for row in training for text in (row.question, row.answer))
    keep = frozenset(word.lower() for word in spec.keep) | names_at_starts(said)
    shop = Workshop(
        base, folder, progress, seed, spec.per_row, keep, encode, answer, classify,
        spec.prompt, training, validation, learn, spec.min_similarity > -1.0,
    )  # fmt: skip
    made, told = _make(spec, _parents(training, spec), shop, {row.id for row in rows})
    with progress.task("Checking", len(made)) as task:
        verdicts = _judge(spec, made, rows, shop)
        task.advance(len(made), note=f"{len(made) - len(verdicts)} kept")
    summary = _write(folder, rows, made, verdicts)
    tellings = [told[i] | _tell(made, verdicts, i, seed) for i in range(len(told))]
    summary |= {"augmenters": tellings, "seconds": round(time.monotonic() - started, 2)}
    text = json.dumps(summary, indent=2, ensure_ascii=False)
    (folder / "augment.json").write_text(text, encoding="utf-8")
    return summary


def _write(
    folder: Path, rows: Sequence[Example], made: Sequence[Made], verdicts: Verdicts
) -> dict[str, Any]:
    """Write the tables and return the counts; adds rows too like a test question to verdicts."""
    ledger = Ledger()
    for one in made:
        if one.row.id in verdicts:
            said = f"{one.kind}: {one.row.question}"
            ledger.refuse(verdicts[one.row.id], one.parent.origin, said)
    kept = [one.row for one in made if one.row.id not in verdicts]
    out = without_likes([*rows, *kept], ledger)
    left = {row.id for row in out}
    verdicts |= {row.id: LIKE_TEST for row in kept if row.id not in left}
    ledger.check(rows_in=len(rows) + len(made), rows_out=len(out), limit=1.0, stage="augment")
    write_table(folder / "examples.parquet", out, Example)
    ledger.write(folder)
    return {
        "rows_in": len(rows),
        "made": len(made),
        "kept": len(made) - len(verdicts),
        "rows_out": len(out),
        "rows_lost": sum(row.id not in left for row in rows),
        "refused": ledger.refused,
        "reasons": ledger.reasons(),
    }


def _parents(training: Sequence[Example], spec: AugmentSpec) -> list[Example]:
    """The training rows that are augmented."""
    counts = Counter(row.label for row in training)
    if unknown := sorted(set(spec.only_labels) - set(counts)):
        raise DataError(
            f"no training row has the label {unknown[0]!r}",
            where="augment.only_labels",
            mend=f"Labels there are: {', '.join(sorted(filter(None, counts))[:20]) or 'none'}.",
        )
    chosen = [
        row
        for row in training
        if (not spec.only_labels or row.label in spec.only_labels)
        and (spec.below is None or (row.label and counts[row.label] < spec.below))
    ]
    if not chosen and spec.below is None:
        raise DataError(
            "there is no training row to augment",
            where="augment",
            mend="Rows need a question and the training side.",
        )
    return chosen


def _make(
    spec: AugmentSpec, parents: Sequence[Example], shop: Workshop, taken: set[str]
) -> tuple[list[Made], list[dict[str, Any]]]:
    """All augmenters' candidates, and what is told of each augmenter."""
    made: list[Made] = []
    told: list[dict[str, Any]] = []
    for place, augmenter in enumerate(spec.augmenters):
        started = time.monotonic()
        with shop.progress.task(f"Augmenting: {augmenter.kind}", len(parents)) as task:
            candidates, more = make_candidates(augmenter, parents, shop)
            task.advance(len(parents), note=f"{sum(map(len, candidates))} candidates")
        for parent, texts in zip(parents, candidates, strict=True):
            for number, text in enumerate(texts, 1):
                name = _free(f"{parent.id}~{augmenter.kind}{place}.{number}", taken)
                made.append(Made(_reworded(parent, text, name), parent, place, augmenter.kind))
        none = sum(not texts for texts in candidates)
        seconds = round(time.monotonic() - started, 2)
        told.append({"kind": augmenter.kind, "without": none, "seconds": seconds, **more})
    return made, told


def _free(name: str, taken: set[str]) -> str:
    """A name that no row has yet, also when rows are augmented a second time."""
    while name in taken:
        name += "+"
    taken.add(name)
    return name


def _reworded(parent: Example, text: str, name: str) -> Example:
    last = max(i for i, m in enumerate(parent.prompt) if m.role == "user")
    messages = list(parent.messages)
    messages[last] = Message("user", text)
    return dataclasses.replace(parent, id=name, messages=tuple(messages), parent=parent.id)


def _judge(
    spec: AugmentSpec, made: Sequence[Made], rows: Sequence[Example], shop: Workshop
) -> Verdicts:
    """Reasons of all refusals but likeness to test questions."""
    found = check_content(made, lambda row: spans_of(row, shop.keep))
    left = [one for one in made if one.row.id not in found]
    near = _neighbour_judge(spec, left, shop)
    judge = _chosen_judge(spec, left, shop, near)
    found |= check_meaning(left, shop.encode, spec.min_similarity, judge, near)
    left = [one for one in left if one.row.id not in found]
    found |= check_answers(left, shop.encode, spec.min_sentence_similarity, shop.keep)
    left = [one for one in left if one.row.id not in found]
    left.sort(key=lambda one: number_for(shop.seed, one.row.id))
    found |= check_new(left, rows)
    left = [one for one in left if one.row.id not in found]
    return found | check_counts(left, shop.training, spec.below, spec.max_rows)


def _neighbour_judge(spec: AugmentSpec, made: Sequence[Made], shop: Workshop) -> Judge:
    needed = any(
        one.row.label and (spec.judge == "neighbours" or one.kind == "adversarial") for one in made
    )
    rows = sample_labelled(shop.training, spec.judge_rows, shop.seed) if needed else []
    vectors = shop.encode([row.question for row in rows]) if rows else np.zeros((0, 1), np.float32)
    return by_neighbours(rows, vectors, spec.neighbours)


def _chosen_judge(spec: AugmentSpec, made: Sequence[Made], shop: Workshop, near: Judge) -> Judge:
    if not any(one.row.label for one in made):
        return near
    match spec.judge:
        case "neighbours":
            return near
        case "answer":
            return by_model(scorer(shop.answer, shop.training, spec.prompt))
        case "classifier":
            if shop.classify is None:
                raise ConfigError(
                    "there is no classifier to judge labels",
                    where="augment.judge",
                    mend="Name a classifier, or set `judge: neighbours`.",
                )
            return by_model(shop.classify)
        case _:
            assert_never(spec.judge)


def _tell(made: Sequence[Made], verdicts: Verdicts, place: int, seed: int) -> dict[str, Any]:
    """Counts, reasons and samples of one augmenter."""
    own = [one for one in made if one.augmenter == place]
    kept = [one for one in own if one.row.id not in verdicts]
    kept.sort(key=lambda one: number_for(seed, "sample", one.row.id))
    reasons = Counter(verdicts[one.row.id] for one in own if one.row.id in verdicts)
    return {
        "candidates": len(own),
        "kept": len(kept),
        "reasons": dict(reasons.most_common()),
        "samples": [[one.parent.question, one.row.question] for one in kept[:SAMPLES]],
    }
