"""Bagging, forests and boosting over encoder vectors, plain and balanced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, assert_never

import numpy as np
import numpy.typing as npt
from pydantic import Field

from luthier.core.errors import ResourceError
from luthier.core.spec import Spec
from luthier.models.encode import Vectors

Fit = Callable[[Vectors], npt.NDArray[np.float64]]


class Bagging(Spec):
    """Many classifiers, each on a bootstrap sample of the rows (Breiman 1996)."""

    kind: Literal["bagging"] = "bagging"
    """Tag."""
    estimators: int = Field(10, ge=1)
    """How many."""
    base: Literal["logistic", "tree"] = "logistic"
    """What each of them is."""
    balanced: bool = False
    """Whether each sample is first under-sampled to equal classes."""


class Forest(Spec):
    """A random forest (Breiman 2001)."""

    kind: Literal["forest"] = "forest"
    """Tag."""
    estimators: int = Field(200, ge=1)
    """How many trees."""
    balanced: bool = False
    """Whether each tree's sample has equal classes (Chen, Liaw & Breiman 2004)."""


class AdaBoost(Spec):
    """Shallow trees one after the other, each on what the last got wrong (Zhu et al. 2009)."""

    kind: Literal["adaboost"] = "adaboost"
    """Tag."""
    estimators: int = Field(100, ge=1)
    """How many trees."""
    depth: int = Field(3, ge=1)
    """Depth of each."""
    balanced: bool = False
    """Whether each round is first under-sampled to equal classes (RUSBoost, Seiffert et al.
    2010)."""


class GradientBoosting(Spec):
    """Histogram gradient boosting (after LightGBM, Ke et al. 2017)."""

    kind: Literal["gradient_boosting"] = "gradient_boosting"
    """Tag."""
    iterations: int = Field(100, ge=1)
    """Rounds; each grows one tree for each class."""
    learning_rate: float = Field(0.1, gt=0, le=1)
    """How much each tree counts."""


def fit_ensemble(
    spec: Bagging | Forest | AdaBoost | GradientBoosting,
    vectors: Vectors,
    targets: npt.NDArray[np.intp],
    row_weights: npt.NDArray[np.float64] | None,
    seed: int,
) -> Fit:
    """Train an ensemble.

    Args:
        spec: Which one.
        vectors: Shape (n, d).
        targets: Indices of labels, 0 to k - 1, each of which occurs.
        row_weights: How much each row counts; None if all the same.
        seed: Decides samples and splits; the same gives the same classifier.

    Returns:
        A function from vectors to probabilities, shape (rows, k).

    Raises:
        ResourceError: scikit-learn, or for ``balanced`` imbalanced-learn, is not installed.
    """
    model = _make(spec, seed)
    if row_weights is None:
        model.fit(vectors, targets)
    else:
        model.fit(vectors, targets, sample_weight=row_weights)

    def probabilities(rows: Vectors) -> npt.NDArray[np.float64]:
        found: npt.NDArray[np.float64] = np.asarray(model.predict_proba(rows), dtype=np.float64)
        return found

    return probabilities


def takes_row_weights(spec: Bagging | Forest | AdaBoost | GradientBoosting) -> bool:
    """Whether class weights can be used: a balanced ensemble evens the classes out itself."""
    return isinstance(spec, GradientBoosting) or not spec.balanced


def _make(spec: Bagging | Forest | AdaBoost | GradientBoosting, seed: int) -> Any:
    try:
        return _plain(spec, seed) if takes_row_weights(spec) else _balanced(spec, seed)
    except ImportError as error:
        raise ResourceError(
            f"a library for this ensemble is not installed: {error}",
            where=spec.kind,
            mend="pip install scikit-learn imbalanced-learn",
        ) from error


def _plain(spec: Bagging | Forest | AdaBoost | GradientBoosting, seed: int) -> Any:
    from sklearn import ensemble

    match spec:
        case Bagging():
            return ensemble.BaggingClassifier(_base(spec), spec.estimators, random_state=seed)
        case Forest():
            return ensemble.RandomForestClassifier(spec.estimators, random_state=seed)
        case AdaBoost():
            return ensemble.AdaBoostClassifier(
                _tree(spec.depth), n_estimators=spec.estimators, random_state=seed
            )
        case GradientBoosting():
            return ensemble.HistGradientBoostingClassifier(
                max_iter=spec.iterations,
                learning_rate=spec.learning_rate,
                early_stopping=False,
                random_state=seed,
            )
        case _:
            assert_never(spec)


def _balanced(spec: Bagging | Forest | AdaBoost | GradientBoosting, seed: int) -> Any:
    from imblearn import ensemble

    match spec:
        case Bagging():
            return ensemble.BalancedBaggingClassifier(
                _base(spec), spec.estimators, random_state=seed
            )
        case Forest():
            return ensemble.BalancedRandomForestClassifier(spec.estimators, random_state=seed)
        case AdaBoost():
            return ensemble.RUSBoostClassifier(
                _tree(spec.depth), n_estimators=spec.estimators, random_state=seed
            )
        case GradientBoosting():
            raise AssertionError("gradient boosting has no balanced variant")
        case _:
            assert_never(spec)


def _base(spec: Bagging) -> Any:
    from sklearn.linear_model import LogisticRegression

    if spec.base == "tree":
        return _tree(None)
    return LogisticRegression(C=10.0, max_iter=1000)


def _tree(depth: int | None) -> Any:
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(max_depth=depth)
