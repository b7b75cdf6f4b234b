"""Tasks with rows beside them, as a user writes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lm_eval")

ROWS = [
    {"question": "How many strings has a violin?", "options": ["four", "six"], "answer": 0},
    {"question": "And a guitar?", "options": ["four", "six"], "answer": 1},
    {"question": "A lute has", "options": ["many more", "none"], "answer": 0},
]
KINDS: dict[str, dict[str, Any]] = {
    "choice": {
        "output_type": "multiple_choice",
        "doc_to_text": "{{question}}\nAnswer:",
        "doc_to_choice": "options",
        "doc_to_target": "answer",
        "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}, {"metric": "f1"}],
    },
    "text": {
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "question",
        "metric_list": [{"metric": "word_perplexity"}, {"metric": "bits_per_byte"}],
    },
    "words": {
        "output_type": "generate_until",
        "doc_to_text": "{{question}}",
        "doc_to_target": "{{options[answer]}}",
        "generation_kwargs": {"until": ["."], "max_gen_toks": 4},
        "metric_list": [{"metric": "exact_match"}],
    },
    "next": {
        "output_type": "loglikelihood",
        "doc_to_text": "{{question}}",
        "doc_to_target": " {{options[answer]}}",
        "metric_list": [{"metric": "perplexity"}, {"metric": "acc"}],
    },
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ``datasets`` reads it keeps here, and what a run forbids is allowed again after it."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_EVALUATE_OFFLINE"):
        monkeypatch.setenv(name, "1")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a task of a kind, and its rows; gives the YAML file."""

    def write_task(kind: str, rows: Any = ROWS, **more: Any) -> Path:
        folder = tmp_path / "tasks"
        folder.mkdir(exist_ok=True)
        lines = "\n".join(json.dumps(row) for row in rows)
        (folder / "rows.jsonl").write_text(lines, encoding="utf-8")
        task = {
            "task": f"own_{kind}",
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": "rows.jsonl"}},
            "test_split": "test",
            **KINDS[kind],
            **more,
        }
        path = folder / f"{kind}.yaml"
        path.write_text(json.dumps(task), encoding="utf-8")  # JSON is YAML
        return path

    return write_task
