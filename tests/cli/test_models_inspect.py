"""``luthier models inspect`` tells what a model is, and what memory it takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from luthier.cli.main import main

LLAMA_3_8B = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}


def call(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["models", "inspect", *arguments])


def test_the_starter_as_json(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("The text is wrapped so that every line is short.")
    outcome = call("starter", "--json", "--texts", str(tmp_path / "texts.txt"))
    assert outcome.exit_code == 0, outcome.output
    found = json.loads(outcome.stdout)
    assert found["kind"] == "model"
    assert found["licence"] == "apache-2.0"
    assert found["parameters"] == found["shape"]["parameters"] == 6_917_376
    assert sum(found["shape"]["parts"].values()) == 6_917_376
    assert found["tokens"]["words"] == 10
    assert found["memory"]["weights"]["bfloat16"] == 2 * 6_917_376
    lora = found["memory"]["tune"]["lora r=16"]["4bit"]
    assert 0 < lora["checkpointing_bytes"] < lora["bytes"]
    assert found["memory"]["tune"]["full"]["4bit"]["bytes"] is None


def test_llama_3_8b_from_its_config_alone(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(LLAMA_3_8B))
    found = json.loads(call(str(path), "--json").stdout)
    assert found["kind"] == "config"
    assert found["shape"]["parameters"] == 8_030_261_248
    assert found["memory"]["load"]["bfloat16"] / 1e9 == pytest.approx(16.06, abs=0.01)
    screen = call(str(path)).stdout
    assert "8,030,261,248" in screen
    assert "16.06" in screen


def test_pickles_end_with_the_exit_code_of_model_errors(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_3_8B))
    torch.save({"w": torch.zeros(2)}, tmp_path / "pytorch_model.bin")
    refused = call(str(tmp_path))
    assert refused.exit_code == 5
    assert "REFUSED" in refused.stdout
    assert call(str(tmp_path), "--allow-pickle").exit_code == 0


def test_what_is_not_there() -> None:
    outcome = call("./nowhere")
    assert outcome.exit_code == 5
    assert "no such file or folder" in outcome.stderr
