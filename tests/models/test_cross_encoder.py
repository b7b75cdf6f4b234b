"""Scores are those of transformers' own classifier, in any order and batch."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from luthier.core.errors import ModelError
from luthier.models._fused_library import library
from luthier.models.cross_encoder import CrossEncoder, load_cross_encoder

QUESTION = "fill the text"
PASSAGES = ["wrap path the", "a list of the lines and returns of strings", "text", ""]


def classifier(encoder: Path, folder: Path, *, kinds: bool) -> Path:
    """A classifier of one score with random weights, and a tokenizer that marks kinds or not."""
    from transformers import BertConfig, BertForSequenceClassification

    shutil.copytree(encoder, folder)
    config = BertConfig.from_pretrained(encoder)
    config.num_labels, config.initializer_range = 1, 0.2
    torch.manual_seed(1)
    BertForSequenceClassification(config).save_pretrained(folder)
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if kinds else [])]
    told = {"tokenizer_class": "PreTrainedTokenizerFast", "model_input_names": names}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    return folder


def reference(folder: Path, *, kinds: bool) -> np.ndarray:
    """What transformers scores each pair, one by one."""
    from transformers import BertForSequenceClassification

    model = CrossEncoder(folder)
    network = BertForSequenceClassification.from_pretrained(folder).eval()
    found = []
    for text in PASSAGES:
        ids, marks = model._row(
            model._tokenizer.encode(QUESTION, add_special_tokens=False).ids,
            model._tokenizer.encode(text, add_special_tokens=False).ids,
        )
        types = torch.tensor([marks]) if kinds else None
        with torch.no_grad():
            found.append(float(network(torch.tensor([ids]), token_type_ids=types).logits))
    return np.array(found, dtype=np.float32)


@pytest.mark.parametrize("kinds", [False, True])
@pytest.mark.parametrize("runtime", ["torch", "onnx"])
def test_scores_are_those_of_transformers(
    tiny_encoder: Path,
    tmp_path: Path,
    runtime: str,
    kinds: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if runtime == "onnx":
        pytest.importorskip("onnx")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = classifier(tiny_encoder, tmp_path / "model", kinds=kinds)
    model = load_cross_encoder(folder, precision="float32", runtime=runtime, device="cpu")
    found = model.score(QUESTION, PASSAGES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, reference(folder, kinds=kinds), atol=2e-5)
    assert model.score(QUESTION, []).shape == (0,)


@pytest.mark.skipif(library()[0] is None, reason=f"NOT TESTED: {library()[1]}")
def test_kernels_score_nearly_the_same(wide_encoder: Path, tmp_path: Path) -> None:
    folder = classifier(wide_encoder, tmp_path / "model", kinds=True)
    model = load_cross_encoder(folder, device="cpu")
    assert model.told == "fused kernels, bfloat16"
    np.testing.assert_allclose(
        model.score(QUESTION, PASSAGES), reference(folder, kinds=True), atol=0.05
    )


def test_a_row_is_made_as_the_tokenizer_makes_it_and_cut_at_the_passage(
    tiny_encoder: Path, tmp_path: Path
) -> None:
    folder = classifier(tiny_encoder, tmp_path / "model", kinds=True)
    model = CrossEncoder(folder)
    whole = model._tokenizer.encode(QUESTION, PASSAGES[0])
    plain = [
        model._tokenizer.encode(t, add_special_tokens=False).ids for t in (QUESTION, PASSAGES[0])
    ]
    assert model._row(*plain) == (whole.ids, whole.type_ids)
    short = CrossEncoder(folder, max_tokens=8)
    assert short._row(*plain)[0] == [*whole.ids[:3], 3, *whole.ids[5:8], 3]
    assert len(short._row([5] * 90, [6] * 90)[0]) == 8
    assert short._row([5] * 90, [6] * 90)[0].count(5) == 2


def test_progress_and_pairs(tiny_encoder: Path, tmp_path: Path) -> None:
    folder = classifier(tiny_encoder, tmp_path / "model", kinds=False)
    model = load_cross_encoder(folder, precision="float32", runtime="torch", device="cpu")
    heard: list[int] = []
    one = model.score(QUESTION, PASSAGES, batch_size=2, advance=heard.append)
    assert heard == [2, 2]
    pairs = [(QUESTION, PASSAGES[1]), ("text", "text"), (QUESTION, PASSAGES[0])]
    np.testing.assert_allclose(model.score_pairs(pairs)[[2, 0]], one[:2], atol=1e-5)


def test_digests_tell_lengths_apart(tiny_encoder: Path, tmp_path: Path) -> None:
    folder = classifier(tiny_encoder, tmp_path / "model", kinds=False)
    digests = {
        CrossEncoder(folder).digest,
        CrossEncoder(folder, max_tokens=9).digest,
        CrossEncoder(folder, precision="int8").digest,
    }
    assert len(digests) == 3


def test_what_is_no_cross_encoder_is_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"lacks config\.json"):
        load_cross_encoder(tmp_path)
    with pytest.raises(ModelError, match="not BertModel"):
        load_cross_encoder(tiny_encoder)
