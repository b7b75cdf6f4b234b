"""Teach classifiers from what `luthier data balance` made, and compare them on the test side.

Usage: python classify.py FOLDER, the last line that `luthier data balance` prints.
"""

import sys
import tempfile
from pathlib import Path

from luthier.core.progress import Quiet
from luthier.models.encode import load_encoder
from luthier.tune._ensembles import Bagging, Forest
from luthier.tune.classifier import Head, train_classifier

folder = Path(sys.argv[1])
encoder = load_encoder("minilm")
for model in (Head(), Bagging(balanced=True), Forest(balanced=True)):
    with tempfile.TemporaryDirectory() as made:
        told = train_classifier(
            model, folder, Path(made), Quiet(), encode=encoder.encode, seed=0, side="test"
        )
    recall = ", ".join(f"{label} {share:.2f}" for label, share in told["recall"].items())
    print(f"{type(model).__name__:<8} macro-F1 {told['macro_f1']:.3f}   recall {recall}")
