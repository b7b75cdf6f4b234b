"""A small project with documents, questions and a tiny encoder, for tests of ``luthier rag``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from luthier.cli.main import main

WORDS = ["harbour", "ledger", "quartz", "meadow", "signal", "copper", "lantern", "orchard"]


def write(folder: Path, encoder: Path, articles: int = 10) -> Path:
    """The project file, beside its documents in SQuAD's layout; one is for sales alone."""
    data = []
    for n in range(articles):
        word = WORDS[n % len(WORDS)]
        text = f"The {word} of town {n} was built in {1800 + n}. It is kept by clerk {n}."
        start = text.index(str(1800 + n))
        asked = {
            "id": f"q{n}",
            "question": f"When was the {word} of town {n} built?",
            "answers": [{"text": str(1800 + n), "answer_start": start}],
        }
        paragraphs = [{"context": text, "qas": [asked]}]
        data.append({"title": f"{word} {n}", "paragraphs": paragraphs})
    (folder / "squad.json").write_text(json.dumps({"data": data}))
    (folder / "closed.jsonl").write_text(
        json.dumps({"title": "secret plan", "text": "The quartz goes to sales.", "for": "sales"})
    )
    path = folder / "luthier.yaml"
    path.write_text(
        f"""name: town
data:
  sources:
    - {{kind: json, path: squad.json}}
    - {{kind: jsonl, path: closed.jsonl, access_field: for}}
  questions: null
  split: {{test: 0.3, validation: 0.4}}
rag: {{encoder: {encoder}, top_k: 3}}
tune: null
evaluate: null
"""
    )
    return path


def call(*words: Any) -> Any:
    """Run ``luthier rag`` with these words."""
    return CliRunner().invoke(main, ["rag", *(str(w) for w in words)], catch_exceptions=False)
