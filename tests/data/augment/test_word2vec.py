"""Training word2vec on one's own texts."""

from __future__ import annotations

import builtins
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from luthier.core.errors import DataError, ResourceError
from luthier.data.augment._vector_file import read_vectors
from luthier.data.augment._word2vec import train_word2vec

TEXTS = ["play a song", "play a tune", "send the money", "send the cash"] * 40


def _train(path: Path, texts: list[str], seed: int = 0) -> Path:
    train_word2vec(texts, path, dimension=8, window=3, epochs=3, seed=seed)
    return path


def test_vectors_follow_from_texts_and_seed(tmp_path: Path) -> None:
    pytest.importorskip("gensim")
    first, again = _train(tmp_path / "a", TEXTS), _train(tmp_path / "b", TEXTS)
    other = _train(tmp_path / "c", TEXTS, seed=1)
    assert first.read_bytes() == again.read_bytes() != other.read_bytes()
    words, vectors = read_vectors(first, "word2vec", (), 100)
    assert sorted(words) == sorted(set(" ".join(TEXTS).split()))
    assert vectors.shape == (8, 8)


def test_the_file_is_the_same_in_another_process(tmp_path: Path) -> None:
    """Python's own hash of texts differs between processes: it must not decide first vectors."""
    pytest.importorskip("gensim")
    script = (
        "import pathlib, sys; from luthier.data.augment._word2vec import train_word2vec; "
        "train_word2vec(['play a song', 'send money'], pathlib.Path(sys.argv[1]), "
        "dimension=8, window=3, epochs=3, seed=0)"
    )
    for name in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": name, "PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run([sys.executable, "-c", script, str(tmp_path / name)], env=env, check=True)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes() != b""


def test_too_few_words(tmp_path: Path) -> None:
    pytest.importorskip("gensim")
    with pytest.raises(DataError, match="too few words"):
        _train(tmp_path / "a", ["one", "5 6"])


def test_gensim_is_named_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("gensim"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ResourceError, match="gensim"):
        _train(tmp_path / "a", TEXTS)
