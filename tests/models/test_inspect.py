"""Models, adapters and bare configs are looked at without loading them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_models import masked_vocabulary, tiny, vocabulary, write

from luthier.core.errors import ConfigError, ModelError
from luthier.models.folder import read_config
from luthier.models.inspect import config_of, inspect
from luthier.models.load import Architecture, ModelSpec, ScratchSpec, new, save
from luthier.setup.shape import shape_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write(tiny(), tmp_path_factory.mktemp("model"))
    card = "---\nlicense: mit\nlanguage: [en, de]\ndatasets: [books]\n---\n"
    (path / "README.md").write_text(card)
    return path


def test_a_model_folder(folder: Path) -> None:
    found = inspect(ModelSpec(name=str(folder)), Path())
    assert (found.kind, found.licence, found.refused) == ("model", "mit", "")
    assert found.card == {"language": ["en", "de"], "datasets": ["books"]}
    assert found.parameters == tiny().parameters
    assert found.config["model_type"] == "llama"
    assert found.tokens is not None
    assert all(c.passed for c in found.chat if c.needed)
    assert found.concerns == ()


def test_relative_names_start_from_the_base(folder: Path) -> None:
    found = inspect(ModelSpec(name=folder.name), folder.parent)
    assert found.folder == str(folder)


def test_an_adapter_and_its_base(folder: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    network = tiny().network
    network.name_or_path = str(folder)
    network = get_peft_model(network, LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj"]))
    network.save_pretrained(tmp_path)
    trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = str(folder)
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    found = inspect(ModelSpec(name=str(tmp_path)), Path())
    assert found.kind == "adapter"
    assert found.adapter is not None
    assert (found.adapter.peft_type, found.adapter.rank, found.adapter.alpha) == ("LORA", 4, 8)
    assert found.adapter.targets == ("q_proj",)
    assert found.adapter.parameters == found.parameters == trained
    assert found.adapter.base_folder == str(folder)
    assert found.config["model_type"] == "llama", "the base's"
    config["base_model_name_or_path"] = "nobody/nothing"
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    alone = inspect(ModelSpec(name=str(tmp_path)), Path())
    assert alone.adapter is not None
    assert (alone.adapter.base_folder, alone.config) == (None, {})


def test_a_bare_config(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text((folder / "config.json").read_text())
    found = inspect(ModelSpec(name=str(path)), Path())
    assert (found.kind, found.files, found.tokens) == ("config", (), None)
    path.write_text("[]")
    with pytest.raises(ModelError, match="model_type"):
        inspect(ModelSpec(name=str(path)), Path())


@pytest.mark.parametrize("name", ["./nothing", "gone/config.json"])
def test_paths_with_nothing_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file or folder"):
        inspect(ModelSpec(name=name), tmp_path)


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="neither a model nor an adapter"):
        inspect(ModelSpec(name=str(tmp_path)), Path())


def test_configs_alone(folder: Path) -> None:
    assert config_of(ModelSpec(name=str(folder)), Path())["hidden_size"] == 32
    with pytest.raises(ConfigError, match="its shape"):
        config_of(ModelSpec(name="scratch"), Path())


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "bert"])
def test_a_model_from_scratch_is_known_before_it_is_made(
    architecture: Architecture, tmp_path: Path
) -> None:
    words = masked_vocabulary() if architecture == "bert" else vocabulary()
    spec = ScratchSpec(
        architecture=architecture, vocab_size=len(words), hidden_size=24, num_attention_heads=2
    )
    save(new(spec, words, seed=0), tmp_path)
    told = config_of(ModelSpec(name="scratch", scratch=spec), Path())
    foreseen, made = shape_of(told), shape_of(read_config(tmp_path))
    for name in ("matrices", "layers", "width", "context_length", "decoder", "tied", "kv_values"):
        assert getattr(foreseen, name) == getattr(made, name), name
    assert told["architectures"] == read_config(tmp_path)["architectures"]


def test_the_encoder_that_comes_as_a_package(minilm: str) -> None:
    found = inspect(ModelSpec(name=minilm), Path())
    assert (found.kind, found.config["model_type"], found.refused) == ("model", "bert", "")
    assert config_of(ModelSpec(name=minilm), Path()) == found.config
