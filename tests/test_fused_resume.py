"""A run on the fused kernels that is killed ends, bit for bit, like one that was not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tiny_models import plan, vocabulary
from tiny_runs import killed_after, rows, steps_begun

from luthier.core.progress import Quiet
from luthier.models._fused_library import library
from luthier.models.likelihood import operations
from luthier.models.load import Model, assemble
from luthier.tune._history import History
from luthier.tune._loop import train
from luthier.tune.methods import Full, Lora, MethodSpec, apply
from luthier.tune.tune import TuneSpec

pytestmark = pytest.mark.skipif(library()[0] is None, reason=f"NOT TESTED: {library()[1]}")


def model(method: MethodSpec) -> Model:
    """A network that the kernels know, with a method on it."""
    tokenizer = vocabulary()
    config = transformers.LlamaConfig(
        vocab_size=448,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=128,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    network: Any = transformers.LlamaForCausalLM(config).bfloat16()
    made = assemble(apply(method, network, seed=0, head=()), tokenizer, "cpu")
    assert operations(made.network) == "fused kernels"
    return made


def trained(method: MethodSpec, folder: Path, **changes: Any) -> tuple[Model, History]:
    folder.mkdir(exist_ok=True)
    own = model(method)
    settings = {"lr": 0.01, "epochs": 5, "batch_tokens": 256, "max_length": 64}
    spec = TuneSpec(
        **settings, method=method, validation_every=3, checkpoint_every_s=0.0, **changes
    )
    how = plan(micro=256, precision="bfloat16")
    learned, held_out = (rows(own, 24, begin, smoothing=0.1) for begin in (0, 100))
    history = train(own, learned, held_out, spec, how, folder, Quiet())
    return own, history


@pytest.mark.parametrize("method", [Full(), Lora(r=8)], ids=lambda m: m.kind)
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_killed_run_ends_like_one_that_was_not(
    method: MethodSpec, optimizer: str, tmp_path: Path
) -> None:
    changes = {"optimizer": {"kind": optimizer}}
    straight, expected = trained(method, tmp_path / "straight", **changes)
    with killed_after(4):
        trained(method, tmp_path / "killed", **changes)
    with steps_begun() as begun:
        resumed, history = trained(method, tmp_path / "killed", **changes)
    assert begun == list(range(4, expected.step)), "the first four steps were not done again"
    assert expected.step > 6
    assert [line[1] for line in history.train] == [line[1] for line in expected.train]
    assert history.validation == expected.validation
    own = dict(straight.network.named_parameters())
    assert all(torch.equal(p, own[name]) for name, p in resumed.network.named_parameters())
