"""Stage 1 of a run: from sources to training rows and locked test items."""

from __future__ import annotations

from luthier.data import prepare as data
from luthier.stages.work import Work


def collect(work: Work) -> None:
    """Read all sources into documents and rows."""
    spec = work.project.data
    sources = [data.source_digest(s, work.base) for s in spec.sources]
    work.make(
        "collect",
        data.COLLECT_VERSION,
        {"sources": sources, "max_refused": spec.max_refused},
        lambda folder: data.collect(spec, work.base, folder, work.progress),
    )


def prepare(work: Work) -> None:
    """Make questions, split, and lock the test side."""
    spec, seed, texts = work.project.data, work.project.seed, work.texts
    work.make(
        "prepare",
        data.PREPARE_VERSION,
        {"texts": texts, "settings": data.prepare_settings(spec), "seed": seed},
        lambda folder: data.prepare(spec, texts.path, folder, work.progress, seed),
    )


def leakage(work: Work) -> None:
    """Fail if a training row, a test item and the corpus share what they must not."""
    if work.project.evaluate is None:
        return
    from luthier.evaluate.leakage import LEAKAGE_VERSION, require_clean

    texts, rows = work.texts, work.rows
    work.make(
        "leakage",
        LEAKAGE_VERSION,
        {"texts": texts, "rows": rows},
        lambda folder: require_clean(texts.path, rows.path, folder, work.progress),
    )
