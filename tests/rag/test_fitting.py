"""What ranking learns from questions, and only where it helps."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from luthier.core.errors import ConfigError, DataError
from luthier.core.records import Passage
from luthier.rag.fitting import Source, fit, refuse_test
from luthier.rag.legs import Legs, LegsSpec
from luthier.rag.measure import Sought
from luthier.rag.queries.linear_map import load_map
from luthier.rag.ranking.adaptive import load_weights
from luthier.rag.spec import RagSpec
from luthier.rag.stores.store import rows_of

COUNT, WIDTH = 60, 24
WORDS = LegsSpec(stemmer="none")


def source(*, turned: bool = False, **settings: Any) -> Source:
    """Documents of two words each, and a question for each; vectors of questions may be turned."""
    rng = np.random.default_rng(0)
    near = rng.normal(size=(COUNT, WIDTH)).astype(np.float32)
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    turn = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0].astype(np.float32)
    passages = [
        Passage(f"d{n}#0", f"d{n}", "", f"a{n} b{n % 7} c", "f", 0, 6) for n in range(COUNT)
    ]
    table = rows_of(passages, {p.document_id: "1" for p in passages}, near)

    def encode(texts: Sequence[str]) -> npt.NDArray[np.float32]:
        rows = [int(text.split()[0][1:]) for text in texts]
        return near[rows] @ turn if turned else near[rows]

    asked = [Sought(f"q{n}", f"a{n} b{n % 7}", {f"d{n}": 1.0}) for n in range(COUNT)]
    spec = RagSpec.model_validate({"words": WORDS, **settings})
    return Source(Legs.of([table], WORDS), spec, asked, encode, "digest", "made up")


def test_a_map_that_helps_is_written_and_named(tmp_path: Path) -> None:
    found = fit(source(turned=True), tmp_path, "fitted", ["map"])
    assert found.settings == {"query.map": "fitted/map"}
    assert load_map(tmp_path / "map", "digest").learned.helps
    assert json.loads((tmp_path / "fit.json").read_text())["said"] == "made up"
    again = fit(source(), tmp_path, "fitted", ["map"])
    assert again.settings == {}
    assert "not taken" in again.parts[0].text
    assert not (tmp_path / "map").exists()


def test_weights_that_help_are_written_and_named(tmp_path: Path) -> None:
    # by meaning nothing is found, so the weights in use, which trust it, are poor
    poor = tmp_path / "poor.json"
    told = load_weights().model_copy(update={"coefficients": (0.0,) * 5, "fixed": 1.0})
    told.save(poor)
    one = source(turned=True, ranking={"weights": str(poor)})
    one = dataclasses.replace(one, questions=one.questions[:33])
    found = fit(one, tmp_path / "fitted", "fitted", ["weights"])
    assert found.settings == {"ranking.weights": "fitted/weights.json"}
    assert load_weights(tmp_path / "fitted/weights.json").questions == 33
    assert found.parts[0].gain is not None
    assert found.parts[0].gain.low > 0


def test_what_cannot_be_fitted_says_why(tmp_path: Path) -> None:
    few = source()
    few = dataclasses.replace(few, questions=few.questions[:10])
    texts = [part.text for part in fit(few, tmp_path, "fitted").parts]
    assert "too few" in texts[0]
    assert "10 questions are too few" in texts[1]
    assert "10 questions are too few" in texts[2]
    plain = dataclasses.replace(source(retriever="bm25"), encode=None)
    texts = [part.text for part in fit(plain, tmp_path, "fitted", ["weights", "map"]).parts]
    assert texts == [
        "only adaptive fusion of both searches has weights",
        "nothing is searched by meaning",
    ]
    with pytest.raises(DataError, match="no questions"):
        fit(dataclasses.replace(few, questions=()), tmp_path, "fitted")


def test_words_that_are_surely_better_are_named(tmp_path: Path) -> None:
    found = fit(source(), tmp_path, "fitted", ["words"])
    assert found.settings == {}  # every k1 and b finds all there is
    assert found.parts[0].gain is not None


def test_test_questions_are_refused() -> None:
    asked = source().questions
    refuse_test(asked, ["Another?"])
    with pytest.raises(ConfigError, match="1 of 60 questions are test questions, such as 'a3 b3'"):
        refuse_test(asked, ["A3  B3"])
