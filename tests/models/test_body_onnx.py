"""Graphs are written once for each encoder, and int8 stays near float32."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from luthier.core.errors import ModelError
from luthier.models._body_onnx import OnnxBody, cache, threads

pytest.importorskip("onnx")
IDS = [[2, 5, 6, 3], [2, 7, 8, 9, 10, 3]]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_graph_is_written_once_and_again_for_other_weights(
    tiny_encoder: Path, tmp_path: Path
) -> None:
    OnnxBody(tiny_encoder, "float32").pooled(IDS, "mean")
    (first,) = cache().iterdir()
    stamp = first.stat().st_mtime_ns
    OnnxBody(tiny_encoder, "float32").pooled(IDS, "mean")
    assert [p.stat().st_mtime_ns for p in cache().iterdir()] == [stamp]
    OnnxBody(tiny_encoder, "int8").pooled(IDS, "mean")
    assert len(list(cache().iterdir())) == 2


def test_int8_stays_near_float32(wide_encoder: Path) -> None:
    exact, small = (
        OnnxBody(wide_encoder, kind).pooled(IDS, "mean") for kind in ("float32", "int8")
    )
    assert not np.array_equal(exact, small)
    cosines = (exact * small).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(small, axis=1)
    assert cosines.min() > 0.98


def test_a_broken_graph_names_its_file(tiny_encoder: Path) -> None:
    OnnxBody(tiny_encoder, "float32").pooled(IDS, "mean")
    (path,) = cache().iterdir()
    path.write_bytes(b"broken")
    with pytest.raises(ModelError, match="cannot open this graph"):
        OnnxBody(tiny_encoder, "float32").pooled(IDS, "mean")


def test_another_architecture_has_no_graph(tmp_path: Path, tiny_encoder: Path) -> None:
    from transformers import RobertaConfig, RobertaModel

    shutil.copytree(tiny_encoder, tmp_path / "roberta")
    config = RobertaConfig(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    RobertaModel(config).save_pretrained(tmp_path / "roberta")
    with pytest.raises(ModelError, match="no ONNX graph for RobertaModel"):
        OnnxBody(tmp_path / "roberta", "float32").pooled(IDS, "mean")


def test_threads_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert threads() >= 1
