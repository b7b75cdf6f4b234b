"""Encode texts with sentence-transformers; run by ``benchmarks/encoder.py`` in its own environment.

    python encode.py FOLDER TEXTS.json OUT.npy BATCH[,BATCH...] REPEATS

Prints JSON: for each batch size the CPU seconds of each repeat over the texts,
and the milliseconds of each question alone.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer


def main() -> None:
    """See above."""
    folder, texts_file, out, batches, repeats = sys.argv[1:]
    torch.set_num_threads(1)
    told = json.loads(Path(texts_file).read_text(encoding="utf-8"))
    texts, questions = told["texts"], told["questions"]
    model = SentenceTransformer(folder, device="cpu", model_kwargs={"dtype": torch.float32})
    seconds: dict[str, list[float]] = {}
    vectors = model.encode(texts[:16], show_progress_bar=False)
    for batch in batches.split(","):
        for _ in range(int(repeats)):
            started = time.process_time()
            vectors = model.encode(texts, batch_size=int(batch), show_progress_bar=False)
            seconds.setdefault(batch, []).append(time.process_time() - started)
    alone = []
    for question in questions:
        started = time.perf_counter()
        model.encode([question], show_progress_bar=False)
        alone.append(1000 * (time.perf_counter() - started))
    np.save(out, vectors)
    versions = {name: version(name) for name in ("sentence-transformers", "torch")}
    print(json.dumps({"seconds": seconds, "query_ms": alone, "versions": versions}))


if __name__ == "__main__":
    main()
