"""What the data stages hand to augmenting: an encoder that remembers, and classifiers of parts."""

from __future__ import annotations

import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from luthier.core.progress import Quiet
from luthier.core.records import Example, Message, write_table
from luthier.stages import data

WORDS = {"bank": ("money", "account", "savings"), "music": ("song", "tune", "singer")}


class Counting:
    """Vectors of which known words a text has; it counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts: Sequence[str]) -> Any:
        self.asked += texts
        every = [word for words in WORDS.values() for word in words]
        seen = np.array([[word in text for word in every] for text in texts], np.float32)
        return seen.reshape(len(texts), len(every)) + 0.01


def _rows() -> list[Example]:
    made = []
    for label, words in WORDS.items():
        for n in range(12):
            text = f"{words[n % 3]} {words[n // 3 % 3]} {n}"
            side: Any = ("train", "train", "train", "validation", "test", "train")[n % 6]
            messages = (Message("user", text), Message("assistant", label))
            made.append(
                Example(f"{label}{n}", messages, "f", f"{label}{n}", "row", side=side, label=label)
            )
    return made


def test_texts_just_encoded_are_not_encoded_again(monkeypatch: Any) -> None:
    monkeypatch.setattr(data, "_REMEMBERED_TEXTS", 3)
    encoder = Counting()
    encode = data._Remembering(encoder)
    first = encode(["a money", "a song", "a money"])
    assert np.array_equal(encode(["a song"])[0], first[1])
    assert encoder.asked == ["a money", "a song"]
    assert encode(["b", "c", "d", "e"]).shape == (4, 6)  # more than it remembers
    encode(["a money"])
    assert encoder.asked == ["a money", "a song", "b", "c", "d", "e", "a money"]
    assert encode([]).shape == (0, 6)


def test_classifiers_of_parts_share_one_encoding(tmp_path: Path) -> None:
    rows = _rows()
    write_table(tmp_path / "examples.parquet", rows, Example)
    encoder = Counting()
    work: Any = types.SimpleNamespace(progress=Quiet(), project=types.SimpleNamespace(seed=1))
    learn = data._learner(work, tmp_path, encoder)
    training = [row for row in rows if row.side == "train"]
    parts = [training[::2], training[1::2]]
    models = [learn(part) for part in parts]
    known = {row.question for row in rows if row.side != "test"}
    assert sorted(encoder.asked) == sorted(known)  # each once, and the test side never
    for model in models:
        assert tuple(model.labels) == ("bank", "music")
        found = model(["a song with a tune", "money in savings"])
        assert found.argmax(axis=1).tolist() == [1, 0]
