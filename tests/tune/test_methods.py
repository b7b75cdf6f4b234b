"""Each method from its settings to a model folder that answers as the tuned model did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from tiny_models import CHATML, ask, examples, logits, plan, tiny

from luthier.core.progress import Quiet
from luthier.models import adapter
from luthier.models.generate import LocalModel, Sampling
from luthier.models.load import load
from luthier.setup.shape import shape_of
from luthier.tune.methods import (
    Full,
    Half,
    Lora,
    MethodSpec,
    apply,
    begin_round,
    merged,
    rounds,
    trained,
    tuned_at_once,
    virtual_tokens,
)
from luthier.tune.tune import TuneSpec, tune

IDS = [10, 20, 30, 40]
SETTINGS: dict[str, dict[str, Any]] = {
    "full": {"kind": "full"},
    "last_layers": {"kind": "last_layers", "layers": 1},
    "head": {"kind": "head"},
    "half": {"kind": "half", "rounds": 2},
    "lora": {"kind": "lora", "r": 4},
    "rslora": {"kind": "lora", "r": 4, "use_rslora": True},
    "dora": {"kind": "lora", "r": 4, "use_dora": True},
    "lora_plus": {"kind": "lora", "r": 4, "loraplus_lr_ratio": 4.0},
    "qlora": {"kind": "qlora", "r": 4},
    "ia3": {"kind": "ia3"},
    "prefix": {"kind": "prefix", "num_virtual_tokens": 4},
    "prompt": {"kind": "prompt", "num_virtual_tokens": 4},
    "prompt_text": {
        "kind": "prompt",
        "num_virtual_tokens": 4,
        "prompt_tuning_init": "TEXT",
        "prompt_tuning_init_text": "How many strings",
    },
    "serial": {"kind": "bottleneck", "bottleneck_size": 8},
    "parallel": {"kind": "bottleneck", "bottleneck_size": 8, "placement": "parallel"},
}
BESIDE = {"prefix", "prompt", "prompt_text", "serial", "parallel"}


def method(name: str) -> Any:
    return TypeAdapter(MethodSpec).validate_python(SETTINGS[name])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    model = tiny(template=CHATML)
    model.network.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", SETTINGS)
def test_from_settings_to_a_folder_that_answers(name: str, base: Path, tmp_path: Path) -> None:
    model = load(base)
    spec = TuneSpec(method=method(name), lr=3e-2, batch_rows=8, max_length=64, max_steps=6)
    told = tune(model, examples(48), examples(8, begin=100), (), spec, plan(), tmp_path, Quiet())
    assert told["validation_loss"] < told["validation_loss_before"]
    assert told["method"] == spec.method.kind
    again = load(tmp_path / "model")
    torch.testing.assert_close(logits(again.network, IDS), logits(model.network, IDS))
    questions, sampling = [ask("And a guitar?")], Sampling(max_new_tokens=4)
    answers = [LocalModel(m).generate(questions, sampling)[0].text for m in (again, model)]
    assert answers[0] == answers[1]
    inside = tmp_path / "model" / "adapter" / adapter.CONFIG
    assert inside.is_file() == (name in BESIDE)
    assert again.context_length == load(base).context_length - virtual_tokens(spec.method)
    beside = tmp_path / "adapter" / adapter.CONFIG
    assert beside.is_file() == (name not in {"full", "last_layers", "head", "half"})


def test_full_tuning_updates_every_weight() -> None:
    network = tiny().network.requires_grad_(False)
    assert apply(Full(), network, seed=0) is network
    assert all(p.requires_grad for p in network.parameters())
    assert merged(network) is network


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gemma2"])
def test_lora_trains_adapters_only_and_begins_as_the_base(kind: str) -> None:
    before = logits(tiny(kind).network, IDS)
    network = apply(Lora(r=2), tiny(kind).network, seed=0)
    names = [n for n, p in network.named_parameters() if p.requires_grad]
    assert names
    assert all("lora_" in n for n in names)
    assert not any("lm_head" in n for n in names)
    torch.testing.assert_close(logits(network.eval(), IDS), before)


@pytest.mark.parametrize("name", ["lora", "prefix", "prompt", "serial"])
def test_adapter_weights_follow_the_seed(name: str) -> None:
    def learned(seed: int) -> list[torch.Tensor]:
        network = apply(method(name), tiny().network, seed=seed)
        return [p for p in network.parameters() if p.requires_grad]

    first, same, other = (learned(seed) for seed in (1, 1, 2))
    assert all(map(torch.equal, first, same))
    assert not all(map(torch.equal, first, other))


def test_named_modules_only() -> None:
    network = apply(Lora(r=2, target_modules=("q_proj", "v_proj")), tiny().network, seed=0)
    names = {n.split(".")[-4] for n, p in network.named_parameters() if p.requires_grad}
    assert names == {"q_proj", "v_proj"}


EXACT = ("full", "last_layers", "head", "lora", "dora", "ia3", "prefix", "prompt")


@pytest.mark.parametrize("name", SETTINGS)
def test_the_weights_that_will_be_trained_are_known_before(name: str, base: Path) -> None:
    model = load(base)
    config = {**model.network.config.to_dict(), "architectures": [type(model.network).__name__]}
    wanted = trained(method(name), shape_of(config))
    network = apply(method(name), model.network, seed=0)
    begin_round(method(name), network, 0, seed=0)
    found = sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert wanted.weights == pytest.approx(found, rel=0 if name in EXACT else 0.25)


@pytest.mark.parametrize("level", ["category", "layer", "model"])
def test_half_of_the_weights_is_told_to_be_tuned_at_once(level: str) -> None:
    for count in (1, 3):
        half = Half.model_validate({"rounds": count, "level": level, "seed": 4})
        network = apply(half, tiny("qwen2").network, seed=0)
        found, begun = tuned_at_once(half, network, seed=0), []
        for number in range(count):
            begin_round(half, network, number, seed=0)
            begun.append(sum(p.numel() for p in network.parameters() if p.requires_grad))
        assert found == max(begun) < sum(p.numel() for p in network.parameters())


def test_only_half_has_rounds() -> None:
    network = apply(Lora(), tiny().network, seed=0)
    before = [p.requires_grad for p in network.parameters()]
    begin_round(Lora(), network, 0, seed=0)
    assert before == [p.requires_grad for p in network.parameters()]
    assert (rounds(Lora()), rounds(Half(rounds=3))) == (1, 3)


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "half", "rounds": 0},
        {"kind": "half", "level": "matrix"},
        {"kind": "lora", "rank": 4},
        {"kind": "lora", "loraplus_lr_ratio": 0.5},
        {"kind": "bottleneck", "placement": "beside"},
        {"kind": "rslora"},
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(MethodSpec).validate_python(settings)
