"""What a model folder holds is read without loading its weights; unsafe or lacking ones refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tiny_models import tiny, write

from luthier.core.errors import ModelError
from luthier.models.folder import check_folder, facts, has_template
from luthier.models.load import load


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tiny(), tmp_path_factory.mktemp("llama"))


@pytest.fixture
def folder(llama: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(llama, tmp_path / "model"))


def test_the_digest_of_a_folder_follows_its_contents(llama: Path, folder: Path) -> None:
    assert facts(folder)["digest"] == facts(llama)["digest"]
    (folder / "README.md").write_text("a card")
    assert facts(folder)["digest"] == facts(llama)["digest"]
    (folder / "chat_template.jinja").write_text("another")
    assert facts(folder)["digest"] != facts(llama)["digest"]


def test_a_chat_template_is_found_without_loading_the_tokenizer(folder: Path) -> None:
    assert has_template(folder)
    template, path = folder / "chat_template.jinja", folder / "tokenizer_config.json"
    text = template.read_text(encoding="utf-8")
    template.unlink()
    assert not has_template(folder)
    told = {**json.loads(path.read_text(encoding="utf-8")), "chat_template": text}
    path.write_text(json.dumps(told), encoding="utf-8")
    assert has_template(folder), "where older folders have it"
    path.write_text("{", encoding="utf-8")
    assert not has_template(folder)


def test_weights_that_lie_there_in_a_second_layout_are_not_counted(folder: Path) -> None:
    before = facts(folder)
    shutil.copy(folder / "model.safetensors", folder / "consolidated.safetensors")
    assert facts(folder)["parameters"] == before["parameters"]
    assert facts(folder)["bytes"] == before["bytes"]


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("config.json", "config.json is missing"),
        ("model.safetensors", "no .*safetensors weights"),
        ("tokenizer*", "no tokenizer"),
    ],
)
def test_a_folder_that_lacks_a_file(missing: str, message: str, folder: Path) -> None:
    for file in folder.glob(missing):
        file.unlink()
    for attempt in (check_folder, load):
        with pytest.raises(ModelError, match=message) as caught:
            attempt(folder)
        assert caught.value.where == str(folder)


def test_pickled_weights_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pickles \(pytorch_model.bin\)") as caught:
        load(folder)
    assert "save_pretrained" in caught.value.mend


@pytest.mark.parametrize("text", ["{", "[]", '{"model_type": "llama", "hidden_size": }'])
def test_a_broken_config(text: str, folder: Path) -> None:
    (folder / "config.json").write_text(text)
    for attempt in (facts, load):
        with pytest.raises(ModelError, match=r"config\.json") as caught:
            attempt(folder)
        assert caught.value.where.endswith("config.json")
