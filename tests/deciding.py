"""A small project to decide on: towns in SQuAD's layout, a model made anew, a tiny encoder."""

from __future__ import annotations

from pathlib import Path

import living_project


def write(folder: Path, encoder: Path) -> Path:
    """The project file, beside its documents."""
    living_project.write(folder, encoder, articles=24)
    path = folder / "luthier.yaml"
    path.write_text(
        f"""name: town
data:
  sources:
    - {{kind: json, path: squad.json}}
  questions: null
  split: {{test: 0.4, validation: 0.1}}
model:
  name: scratch
  scratch: {{vocab_size: 300, hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1,
            num_attention_heads: 2, max_position_embeddings: 512}}
setup: {{precision: float32}}
tune: {{max_steps: 2, batch_tokens: 256, max_length: 512, max_refused: 0.5}}
rag: {{encoder: {encoder}, top_k: 2, context_tokens: 120, extract: {{answer: words}}}}
evaluate: {{max_items: 6, latency_items: 1, resamples: 1000, max_new_tokens: 4, few_shot: 2}}
decide: {{replay: {{facts: 3}}}}
"""
    )
    return path
