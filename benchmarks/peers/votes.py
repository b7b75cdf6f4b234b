"""Snorkel's LabelModel over votes of labelling functions, for ``benchmarks/annotation.py``."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

EPOCHS = 500  # of its own examples; 100 is its default


def installed() -> bool:
    """Whether Snorkel can be imported."""
    try:
        import snorkel.labeling.model  # noqa: F401
    except ImportError:
        return False
    return True


def snorkel(
    votes: npt.NDArray[np.int16], labels: int, balance: npt.NDArray[np.float64] | None, seed: int
) -> npt.NDArray[np.float64]:
    """Probabilities of labels, shape (rows, labels).

    Args:
        votes: [rows, functions] of label numbers, -1 to abstain.
        labels: How many labels there are.
        balance: Share of each label; None for even shares, as it comes.
        seed: Of its initialisation.
    """
    from snorkel.labeling.model import LabelModel

    said: Any = votes.astype(int)
    model = LabelModel(cardinality=labels, verbose=False)
    model.fit(said, class_balance=balance, n_epochs=EPOCHS, seed=seed, progress_bar=False)
    return np.asarray(model.predict_proba(said))
