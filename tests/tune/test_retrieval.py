"""Encoders and rerankers learn from rows, and are saved as others read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from luthier.core.errors import ModelError
from luthier.core.progress import Quiet
from luthier.core.records import Document, Example, Message
from luthier.models.cross_encoder import load_cross_encoder
from luthier.models.encode import load_encoder
from luthier.setup.plan import Plan
from luthier.tune.tune import TuneSpec, open_model, tune

WORDS = ["text fill", "wrap the path", "join a list", "of width", "string lines", "return a text"]
DOCUMENTS = [Document(f"d{i}", "", f"{w} the", f"d:{i}", "text", "g") for i, w in enumerate(WORDS)]
ROWS = [
    Example(
        f"e{i}",
        (Message("user", w), Message("assistant", "-")),
        f"q:{i}",
        f"g{i}",
        "fact",
        document_id=f"d{i}",
    )
    for i, w in enumerate(WORDS)
]
PLAN = Plan("cpu", "float32", 1, 256, 0, 0, 1 << 30, "here")


def spec_of(kind: str, **more: Any) -> TuneSpec:
    settings = {"objective": {"kind": kind, **more}, "batch_rows": 4, "max_length": 32}
    return TuneSpec.model_validate_json(json.dumps({**settings, "epochs": 6.0, "lr": 3e-3}))


def tuned(folder: Path, spec: TuneSpec, target: Path) -> dict[str, Any]:
    model = open_model(folder, spec, PLAN, ROWS)
    return tune(model, ROWS, ROWS, DOCUMENTS, spec, PLAN, target, Quiet())


def test_an_encoder_learns_and_load_encoder_opens_what_it_becomes(
    wide_encoder: Path, tmp_path: Path
) -> None:
    told = tuned(wide_encoder, spec_of("encoder"), tmp_path)
    assert told["validation_loss"] < told["validation_loss_before"]
    assert told["rows_refused"] == 0
    encoder = load_encoder(str(tmp_path / "model"), precision="float32", runtime="torch")
    assert (encoder.pooling, encoder.max_tokens) == ("mean", 32)
    similar = encoder.encode(WORDS) @ encoder.encode([d.text for d in DOCUMENTS]).T
    right = float((similar.argmax(1) == np.arange(6)).mean())
    assert right == pytest.approx(told["validation_accuracy"], abs=0.2)
    kinds = [m["type"] for m in json.loads((tmp_path / "model/modules.json").read_text())]
    assert [k.rsplit(".", 1)[1] for k in kinds] == ["Transformer", "Pooling", "Normalize"]


def test_an_encoder_is_drawn_back_towards_what_it_was(wide_encoder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    def weights(folder: Path) -> Any:
        return load_file(folder / "model.safetensors")["encoder.layer.0.output.dense.weight"]

    for name in ("whole", "half"):
        (tmp_path / name).mkdir()
    tuned(wide_encoder, spec_of("encoder"), tmp_path / "whole")
    told = tuned(wide_encoder, spec_of("encoder", blend=0.5), tmp_path / "half")
    assert told["validation_loss"] < told["validation_loss_before"]
    before, whole = weights(wide_encoder), weights(tmp_path / "whole/model")
    assert (whole - before).abs().max() > 1e-3
    torch.testing.assert_close(weights(tmp_path / "half/model"), (before + whole) / 2)


def test_a_reranker_learns_and_transformers_scores_as_it_was_trained(
    wide_encoder: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    spec = spec_of("reranker", hard_negatives=2)
    told = tuned(wide_encoder, spec, tmp_path)
    assert told["validation_loss"] < told["validation_loss_before"]
    network = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    inputs = tokenizer(
        WORDS[:2], [d.text for d in DOCUMENTS[:2]], return_tensors="pt", padding=True
    )
    assert "token_type_ids" not in inputs
    with torch.no_grad():
        wanted = network(**inputs).logits[:, 0].numpy()
    scored = load_cross_encoder(tmp_path / "model", precision="float32", runtime="torch")
    pairs = [(w, d.text) for w, d in zip(WORDS[:2], DOCUMENTS[:2], strict=True)]
    np.testing.assert_allclose(scored.score_pairs(pairs), wanted, atol=1e-5)


def test_a_network_without_a_first_token_reranks_nothing(tmp_path: Path) -> None:
    import tiny_models

    from luthier.models.load import save

    save(tiny_models.tiny(), tmp_path)
    spec = spec_of("reranker")
    with pytest.raises(ModelError, match="encoder such as BERT"):
        tune(
            open_model(tmp_path, spec, PLAN, ROWS),
            ROWS,
            ROWS,
            DOCUMENTS,
            spec,
            PLAN,
            tmp_path,
            Quiet(),
        )
