"""Stage 4 of a run for rows with labels: the classifier on the encoder's vectors."""

from __future__ import annotations

from luthier.stages.work import Work


def classify(work: Work) -> None:
    """Train the classifier, and measure it on the validation side and on the locked test items."""
    spec, rows, seed = work.project.classifier, work.rows, work.project.seed
    if spec is None:
        return
    from luthier.evaluate.labels import require_labels
    from luthier.tune.classifier import CLASSIFIER_VERSION
    from luthier.tune.judge import train_and_judge

    compared = work.project.evaluate
    if compared is not None and "classifier" in compared.routes:
        require_labels(work.items())  # said before the hours that tuning may take
    inputs = {
        "rows": rows,
        "classifier": spec,
        "encoder": work.encoder.digest,
        "max_items": compared.max_items if compared else None,
        "seed": seed,
    }
    work.make(
        "classify",
        CLASSIFIER_VERSION,
        inputs,
        lambda folder: train_and_judge(
            spec,
            rows.path,
            folder,
            work.progress,
            encode=work.encode,
            seed=seed,
            split=work.examples("train"),
            sides={"validation": work.examples("validation"), "test": work.items()},
        ),
    )
