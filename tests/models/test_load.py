"""Model folders are found, checked, loaded whole or refused with a reason, and saved."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import MAKERS, logits, tiny, vocabulary, write

from luthier.core.errors import ModelError
from luthier.models import load as loading
from luthier.models.folder import facts
from luthier.models.load import ModelSpec, ScratchSpec, find, load, new, save
from luthier.tune.methods import Lora, apply

IDS = [10, 20, 30, 40, 50]


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tiny(), tmp_path_factory.mktemp("llama"))


@pytest.fixture
def folder(llama: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(llama, tmp_path / "model"))


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_folders_of_several_architectures(kind: str, tmp_path: Path) -> None:
    made = tiny(kind)
    path = find(ModelSpec(name="mine"), write(made, tmp_path / "mine").parent)
    model, known = load(path), facts(path)
    torch.testing.assert_close(logits(model.network, IDS), logits(made.network, IDS))
    assert known["architecture"] == type(made.network).__name__
    assert known["parameters"] == made.parameters == model.parameters
    assert (known["layers"], known["hidden_size"]) == (2, 32)
    assert known["vocab_size"] == len(made.tokenizer)
    assert known["context_length"] == model.context_length == 128
    assert known["bytes"] > 4 * made.parameters
    assert not model.network.training


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_saved_and_loaded_again_it_says_the_same(
    precision: str, llama: Path, tmp_path: Path
) -> None:
    model = load(llama, precision=precision)  # type: ignore[arg-type]
    assert model.network.dtype == getattr(torch, precision)
    save(model, tmp_path / "again")
    again = load(tmp_path / "again", precision=precision)  # type: ignore[arg-type]
    assert torch.equal(logits(again.network, IDS), logits(model.network, IDS))
    assert again.renderer.digest == model.renderer.digest
    assert again.tokenizer.get_vocab() == model.tokenizer.get_vocab()


def test_weights_in_several_files(folder: Path) -> None:
    before = facts(folder)["parameters"]
    wanted = logits(load(folder).network, IDS)
    load(folder).network.save_pretrained(folder, max_shard_size="20KB")
    (folder / "model.safetensors").unlink()
    assert len(list(folder.glob("*.safetensors"))) > 1
    assert facts(folder)["parameters"] == before
    assert torch.equal(logits(load(folder).network, IDS), wanted)


@pytest.mark.parametrize("file", ["tokenizer.json", "tokenizer_config.json"])
def test_a_broken_tokenizer(file: str, folder: Path) -> None:
    (folder / file).write_text("{")
    with pytest.raises(ModelError, match="cannot load the tokenizer"):
        load(folder)


def test_an_unknown_architecture(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "violin"}))
    with pytest.raises(ModelError, match="cannot load this model"):
        load(folder)


def test_code_that_comes_with_a_model_is_not_run(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    auto = {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}
    (folder / "config.json").write_text(
        json.dumps({**config, "model_type": "violin", "auto_map": auto})
    )
    (folder / "evil.py").write_text("raise SystemExit('the code was run')")
    with pytest.raises(ModelError, match="cannot load this model"):
        load(folder)


def test_truncated_weights(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelError, match="cannot load this model"):
        load(folder)
    with pytest.raises(ModelError, match="the weights cannot be read"):
        facts(folder)


def test_missing_weights_are_not_made_up(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    gone = "model.layers.1.mlp.up_proj.weight"
    del weights[gone]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=rf"1 weights are missing .*{gone}"):
        load(folder)


def test_weights_of_another_shape(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "intermediate_size": 96}))
    told = r"6 weights have other shapes .*down_proj\.weight is 32 x 48 .* be 32 x 96"
    with pytest.raises(ModelError, match=told):
        load(folder)


def test_a_model_without_template(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(ModelError, match="no chat template"):
        load(folder)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    for name in ("./nowhere", "/nowhere/at/all", "~/nowhere-at-all"):
        with pytest.raises(ModelError, match="no such model folder") as caught:
            find(ModelSpec(name=name), tmp_path)
        assert caught.value.where == name


def test_a_folder_in_the_users_home(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(llama.parent))
    assert find(ModelSpec(name=f"~/{llama.name}"), tmp_path) == llama


@pytest.mark.parametrize("offline", [False, True])
def test_a_hub_model_without_network(offline: bool, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"not in the hub.s cache") as caught:
        find(ModelSpec(name="HuggingFaceTB/SmolLM2-135M-Instruct", offline=offline), tmp_path)
    assert caught.value.where == "model.name"


def test_a_name_that_no_hub_model_has(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model 'a/b/c' on the hub"):
        find(ModelSpec(name="a/b/c"), tmp_path)


def test_the_starter_is_looked_for_in_the_package(tmp_path: Path) -> None:
    starter = Path(loading.__file__).parent / "starter"
    if starter.is_dir():
        assert find(ModelSpec(), tmp_path) == starter
    else:
        with pytest.raises(ModelError) as caught:
            find(ModelSpec(), tmp_path)
        assert caught.value.where == str(starter)


@pytest.fixture(scope="session")
def adapter(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("adapter")
    network = apply(Lora(r=2, lora_alpha=4), load(llama).network, seed=0)
    for name, parameter in network.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter.data)
    network.save_pretrained(path)
    torch.save(logits(network, IDS), path / "expected.pt")
    return path


def test_an_adapter_is_applied(llama: Path, adapter: Path) -> None:
    model = load(llama, adapter=adapter)
    wanted = torch.load(adapter / "expected.pt")
    torch.testing.assert_close(logits(model.network, IDS), wanted)
    assert not torch.allclose(logits(load(llama).network, IDS), wanted, atol=0.1)


def test_an_adapter_of_another_architecture_does_not_fit(adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not fit") as caught:
        load(write(tiny("gpt2"), tmp_path / "gpt2"), adapter=adapter)
    assert caught.value.where == str(adapter)


@pytest.mark.parametrize("layers", [1, 3])
def test_an_adapter_of_a_model_with_other_layers_is_not_half_applied(
    layers: int, tmp_path: Path
) -> None:
    shape = ScratchSpec(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=layers,
        num_attention_heads=2,
        max_position_embeddings=128,
    )
    other = new(shape, vocabulary(), seed=0)
    two = new(shape.model_copy(update={"num_hidden_layers": 2}), vocabulary(), seed=0)
    method = Lora(r=2, target_modules=("q_proj", "v_proj"))
    apply(method, two.network, seed=0).save_pretrained(tmp_path / "two-layers")
    with pytest.raises(ModelError, match="belongs to another model"):
        load(write(other, tmp_path / "other"), adapter=tmp_path / "two-layers")


@pytest.mark.parametrize("missing", ["adapter_config.json", "adapter_model.safetensors"])
def test_an_adapter_folder_that_lacks_a_file(
    missing: str, llama: Path, adapter: Path, tmp_path: Path
) -> None:
    broken = Path(shutil.copytree(adapter, tmp_path / "adapter"))
    (broken / missing).unlink()
    with pytest.raises(ModelError, match="not an adapter folder"):
        load(llama, adapter=broken)


def test_a_model_from_scratch_follows_its_seed() -> None:
    shape = ScratchSpec(hidden_size=16, intermediate_size=32, num_hidden_layers=1)
    one, same, other = (new(shape, vocabulary(), seed=s) for s in (1, 1, 2))
    assert torch.equal(logits(one.network, IDS), logits(same.network, IDS))
    assert not torch.equal(logits(one.network, IDS), logits(other.network, IDS))
    assert one.network.config.eos_token_id == vocabulary().eos_token_id
    assert one.context_length == shape.max_position_embeddings


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ModelError, match="must divide hidden_size"):
        new(ScratchSpec(hidden_size=10, num_attention_heads=4), vocabulary(), seed=0)
