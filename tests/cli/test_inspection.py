"""The screen of an inspection says in words what the data holds."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from rich.console import Console
from tiny_models import masked_vocabulary, tiny_masked

from luthier.cli._inspection import show
from luthier.cli.models_inspect import inspect_model


def screen(found: dict[str, Any]) -> str:
    out = io.StringIO()
    show(found, Console(file=out, width=100))
    return out.getvalue()


def test_every_section_is_there() -> None:
    text = screen(inspect_model("starter"))
    for part in ("LlamaForCausalLM", "tied", "apache-2.0", "BPE", "stop token is learned"):
        assert part in text
    assert "model.safetensors" in text
    assert "sha256" in text
    assert "to tune: lora r=16" in text
    assert "to serve: 8 x 1,024 tokens" in text


def test_what_one_must_know_is_told() -> None:
    found = inspect_model("starter")
    found["concerns"] = ["the model brings code of its own"]
    found["refused"] = "the weights are pickles only"
    found["parameters"] += 1
    text = screen(found)
    assert "brings code of its own" in text
    assert "REFUSED: the weights are pickles only" in text
    assert "6,917,377: not what config.json says" in text


def test_an_adapter_without_its_base(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(
        '{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "base_model_name_or_path": "no/where"}'
    )
    text = screen(inspect_model(str(tmp_path)))
    assert "LORA, rank 4, alpha 8" in text
    assert "no/where (not on this machine)" in text
    assert "its memory is unknown" in text


def test_small_models_are_told_in_smaller_units() -> None:
    text = screen(inspect_model("starter"))
    assert "Memory in MB (" in text
    weights = next(line for line in text.splitlines() if line.split()[:1] == ["weights"])
    assert len(set(weights.split()[1:])) == 4, "every precision takes something else"


def test_an_encoder_is_not_blamed_for_lacking_a_chat_template(tmp_path: Path) -> None:
    tiny_masked().save_pretrained(tmp_path)
    masked_vocabulary().save_pretrained(tmp_path)
    text = screen(inspect_model(str(tmp_path)))
    assert "BertForMaskedLM" in text
    assert "Chat template" not in text
