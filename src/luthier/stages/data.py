"""Stage 1 of a run: from sources to training rows and locked test items."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from luthier.core.records import Example, read_table, write_table
from luthier.data import collect as sources, prepare as data
from luthier.data.sources.sources import source_digest
from luthier.models.remote import RemoteSpec
from luthier.stages.work import Work

if TYPE_CHECKING:
    from luthier.data.balance.vectors import Encode
    from luthier.tune.classifier import Classifier

_REMEMBERED_TEXTS = 2048


def collect(work: Work) -> None:
    """Read all sources into documents and rows."""
    spec = work.project.data
    digests = [source_digest(s, work.base) for s in spec.sources]
    work.make(
        "collect",
        sources.COLLECT_VERSION,
        {"sources": digests, "max_refused": spec.max_refused},
        lambda folder: sources.collect(
            spec.sources, work.base, folder, work.progress, max_refused=spec.max_refused
        ),
    )


def clean(work: Work) -> None:
    """Repair, refuse and mask what was collected."""
    spec, seed, texts = work.project.data.clean, work.project.seed, work.texts
    if spec is None:
        return
    from luthier.core.progress import Quiet
    from luthier.data.batches import map_batches, ready
    from luthier.data.clean.clean import CLEAN_VERSION, clean, digest_clean

    runner = work.project.data.runner

    def fill(folder: Path) -> dict[str, Any]:
        with ready(runner):
            return clean(
                spec,
                texts.path,
                folder,
                work.progress,
                base=work.base,
                seed=seed,
                run=functools.partial(map_batches, runner=runner, progress=Quiet()),
                encode=work.encode,
            )

    work.make(
        "clean",
        CLEAN_VERSION,
        {
            "texts": texts,
            "clean": digest_clean(spec, work.base),
            "seed": seed,
            "encoder": work.encoder_digest() if spec.label_errors else None,
        },
        fill,
        recorded={"clean": spec},
    )


def annotate(work: Work) -> None:
    """Give rows their labels."""
    spec, seed, texts = work.project.data.annotate, work.project.seed, work.texts
    if spec is None:
        return
    from luthier.data.annotate import annotate as rooms

    asks, encodes = rooms.needs_model(spec), rooms.needs_encoder(spec)
    inputs: dict[str, Any] = {
        "texts": texts,
        "annotate": spec,
        "labels": rooms.annotate_digest(spec, work.base),
        "seed": seed,
        "writer": work.writer_identity() if asks else None,
        "encoder": work.encoder_digest() if encodes else None,
    }
    work.make(
        "annotate",
        rooms.ANNOTATE_VERSION,
        inputs,
        lambda folder: rooms.annotate(
            spec,
            texts.path,
            folder,
            work.progress,
            base=work.base,
            seed=seed,
            encode=work.encode if encodes else None,
            answer=work.writer() if asks else None,
        ),
    )


def prepare(work: Work) -> None:
    """Make questions, split, and lock the test side."""
    spec, seed, texts = work.project.data, work.project.seed, work.texts
    kept = data.kept_sides(spec, work.base)
    work.make(
        "prepare",
        data.PREPARE_VERSION,
        {"texts": texts, "settings": data.prepare_settings(spec), "kept": kept, "seed": seed},
        lambda folder: data.prepare(spec, texts.path, folder, work.progress, seed, kept),
    )


def synthesize(work: Work) -> None:
    """Have a model write more training rows."""
    spec, seed, rows = work.project.data.synthesize, work.project.seed, work.rows
    if spec is None:
        return
    from luthier.data.synthesize.synthesize import SYNTHESIZE_VERSION, synthesize
    from luthier.data.synthesize.writer import Prices

    model = work.project.data.writer
    prices = (
        Prices(model.prompt_price, model.completion_price)
        if isinstance(model, RemoteSpec)
        else Prices()
    )
    encodes = spec.novelty.max_similarity is not None
    texts = work.learned()

    def fill(folder: Path) -> dict[str, Any]:
        return synthesize(
            spec,
            rows.path,
            folder,
            work.progress,
            documents=data.read_documents(work.finished(texts).path),
            answer=work.writer(),
            journal=work.journal(),
            seed=seed,
            encode=work.encode if encodes else None,
            prices=prices,
        )

    inputs = {
        "rows": rows,
        "texts": texts,
        "synthesize": spec,
        "seed": seed,
        "writer": work.writer_identity(),
        "encoder": work.encoder_digest() if encodes else None,
    }
    work.make("synthesize", SYNTHESIZE_VERSION, inputs, fill)


def augment(work: Work) -> None:
    """Make varied copies of training rows."""
    spec, seed, rows = work.project.data.augment, work.project.seed, work.rows
    if spec is None:
        return
    from luthier.data.augment import augment as rooms
    from luthier.data.augment._brief import in_brief

    asks, classifies = rooms.needs_model(spec), rooms.needs_classifier(spec)
    if classifies:
        _classifier(work)
    inputs: dict[str, Any] = {
        "rows": rows,
        "augment": spec,
        "files": rooms.augment_digest(spec, work.base),
        "seed": seed,
        "encoder": work.encoder_digest(),
        "writer": work.writer_identity() if asks else None,
        "classifier": work.made.get("classifier"),
    }

    def fill(folder: Path) -> dict[str, Any]:
        encode = _Remembering(work.encode)
        told = rooms.augment(
            spec,
            rows.path,
            folder,
            work.progress,
            base=work.base,
            seed=seed,
            encode=encode,
            answer=work.writer() if asks else None,
            classify=_classify(work.made["classifier"].path, encode) if classifies else None,
            learn=_learner(work, rows.path, encode) if classifies else None,
        )
        return in_brief(told)

    work.make("augment", rooms.AUGMENT_VERSION, inputs, fill)


def _classifier(work: Work) -> None:
    """Train a linear classifier of the labels, for augmenting to attack or to be judged by."""
    from luthier.tune.classifier import CLASSIFIER_VERSION, Head, train_classifier

    rows, seed = work.rows, work.project.seed
    work.make(
        "classifier",
        CLASSIFIER_VERSION,
        {"rows": rows, "encoder": work.encoder_digest(), "seed": seed},
        lambda folder: train_classifier(
            Head(), rows.path, folder, work.progress, encode=work.encode, seed=seed
        ),
    )


class _Remembering:
    """An encoder that knows its last texts: an attack asks how like a text is, and its label."""

    def __init__(self, encode: Encode) -> None:
        self._encode = encode
        self._known: dict[str, Any] = {}

    def __call__(self, texts: Sequence[str]) -> Any:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        vectors = self._encode(new) if new or not texts else ()
        found = self._known | dict(zip(new, vectors, strict=True))
        self._known = dict(list(found.items())[-_REMEMBERED_TEXTS:])
        return np.stack([found[text] for text in texts]) if texts else vectors


class _Classify:
    """A classifier as augmenting asks it."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self.labels = classifier.labels

    def __call__(self, texts: Sequence[str]) -> Any:
        return self._classifier.probabilities(texts)


def _classify(folder: Path, encode: Encode) -> _Classify:
    from luthier.tune.classifier import load_classifier

    return _Classify(load_classifier(folder, encode))


def _learner(
    work: Work, prepared: Path, encode: Encode
) -> Callable[[Sequence[Example]], _Classify]:
    """What trains the run's kind of classifier on some of its training rows."""
    from luthier.tune.classifier import Head, train_classifier

    def labelled() -> list[Example]:
        rows = read_table(prepared / "examples.parquet", Example)
        return [row for row in rows if row.label and row.side != "test"]

    @functools.cache
    def vectors() -> dict[str, Any]:
        texts = list(dict.fromkeys(row.question for row in labelled()))
        return dict(zip(texts, encode(texts), strict=True))

    def learn(taught: Sequence[Example]) -> _Classify:
        watched = [row for row in labelled() if row.side == "validation"]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_table(folder / "examples.parquet", [*taught, *watched], Example)
            train_classifier(
                Head(),
                folder,
                folder,
                work.progress,
                encode=lambda texts: np.stack([vectors()[text] for text in texts]),
                seed=work.project.seed,
            )
            return _classify(folder, encode)

    return learn


def balance(work: Work) -> None:
    """Even out the classes, by rows or by what the loss is told."""
    spec, seed, rows = work.project.data.balance, work.project.seed, work.rows
    if spec is None:
        return
    from luthier.data.balance.balance import BALANCE_VERSION, balance

    work.make(
        "balance",
        BALANCE_VERSION,
        {"rows": rows, "balance": spec, "seed": seed, "encoder": work.encoder_digest()},
        lambda folder: balance(
            spec, rows.path, folder, work.progress, seed=seed, encode=work.encode
        ),
    )


def readiness(work: Work) -> None:
    """Judge the prepared data; the model says what fits."""
    from luthier.data.readiness.readiness import (
        READINESS_VERSION,
        Needs,
        digest_readiness,
        readiness,
    )
    from luthier.models.load import load_tokenizer
    from luthier.models.render import Renderer
    from luthier.tune.tune import TuneSpec

    spec, seed, rows, texts = work.project.data.readiness, work.project.seed, work.rows, work.texts
    limit = (work.project.tune or TuneSpec()).max_length
    earlier = {name: artifact.path for name, artifact in work.made.items()}

    def fill(folder: Any) -> dict[str, Any]:
        renderer = Renderer(load_tokenizer(work.model_folder))

        def count_tokens(example: Example) -> int:
            rows = renderer.rows(example.messages, example.tools)
            return max(len(row.ids) for row in rows)

        context = work.made["model"].summary["context_length"]
        needs = Needs(count_tokens, min(limit, context), context, work.encode)
        return readiness(
            spec,
            rows.path,
            texts.path,
            folder,
            work.progress,
            base=work.base,
            needs=needs,
            earlier=earlier,
            seed=seed,
            name=work.project.name,
        )

    inputs = {
        "rows": rows,
        "texts": texts,
        "readiness": digest_readiness(spec, work.base),
        "name": work.project.name,
        "model": work.made["model"],
        "max_length": limit,
        "encoder": work.encoder_digest(),
        "seed": seed,
    }
    work.keep("readiness", work.make("readiness", READINESS_VERSION, inputs, fill))


def leakage(work: Work) -> None:
    """Fail if a training row, a test item and the corpus share what they must not."""
    if work.project.evaluate is None:
        locked = work.finished(work.made["prepare"]).summary["sides"]["test"]
        if not any(locked.values()):
            return  # nothing is locked, and nobody asks for a comparison
    from luthier.evaluate.leakage import LEAKAGE_VERSION, require_clean

    rows, corpus = work.rows, work.texts if work.project.rag is not None else None
    work.make(
        "leakage",
        LEAKAGE_VERSION,
        {"texts": corpus, "rows": rows},
        lambda folder: require_clean(
            corpus.path if corpus else None,
            rows.path,
            folder,
            work.progress,
            work.store.root / "leakage.json",
        ),
    )
