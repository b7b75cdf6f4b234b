"""The recall gate of LanceDB's vector index on real embeddings: SciFact's sentences.

All abstracts, titles and sentences of SciFact (more than 50,000 texts) are embedded with
all-MiniLM-L6-v2; a tenth of them are for one of forty groups alone. The index is made, the gate
raises its parameters, and the 1,109 claims, which are no passages, are then asked with what the
gate chose, and with LanceDB's own defaults, against exact search. It would be a defeat if recall@10
of the claims fell below .99 with what the gate chose.

    LUTHIER_DATA=... python benchmarks/recall.py [--vectors made.npy]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from luthier.core.records import EVERYONE, Passage
from luthier.models.encode import Vectors, load_encoder
from luthier.rag.access import Slice, viewer
from luthier.rag.stores import _lance_table as lance
from luthier.rag.stores.lance import LanceStore
from luthier.rag.stores.recall import index_vectors, recall_of
from luthier.rag.stores.store import Change, rows_of

DEPTH = 10
DEFAULTS = {"nprobes": 20, "ef": 15, "refine": 1}
"""LanceDB's own: it looks at 1.5 times as many as are asked for, and compares none exactly."""
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def main() -> int:
    """Embed, index, climb, ask."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--vectors", type=Path, help="kept here, and read from here if it is there")
    parser.add_argument("--claims", type=int, default=300)
    options = parser.parse_args()
    folder = Path(os.environ.get("LUTHIER_DATA", "")) / "scifact"
    if not (folder / "corpus.jsonl").is_file():
        print("SKIPPED, NOTHING WAS MEASURED: set LUTHIER_DATA", file=sys.stderr)
        return 0
    texts = _texts(folder)
    with (folder / "queries.jsonl").open(encoding="utf-8") as file:
        claims = [json.loads(line)["text"] for line in file][: options.claims]
    vectors, asked = _embedded(texts, claims, options.vectors)
    with tempfile.TemporaryDirectory() as made:
        store = LanceStore(Path(made))
        passages = [_passage(i, text) for i, text in enumerate(texts)]
        store.apply(Change(rows_of(passages, {p.document_id: "" for p in passages}, vectors)))
        store.optimize()
        began, cpu = time.perf_counter(), time.process_time()
        told = index_vectors(store)
        print(
            f"{len(texts)} texts; index and gate in {time.perf_counter() - began:.0f} s, "
            f"{time.process_time() - cpu:.0f} CPU s: {dict(told)}",
            flush=True,
        )
        chosen: Mapping[str, Any] = told.get("parameters", {})
        for name, part in (
            ("everybody's", Slice()),
            ("a group's alone", Slice(viewer(["group7"]), {"closed": ("yes",)})),
        ):
            exact = store.near(asked, DEPTH, _where(part), 1, {})
            for how, search in (("the gate's", chosen), ("LanceDB's defaults", DEFAULTS)):
                times, found = [], []
                for one in asked:
                    began = time.perf_counter()
                    found += store.near(one[None], DEPTH, _where(part), 1, search)
                    times.append((time.perf_counter() - began) * 1000)
                recall = recall_of(found, exact)
                print(f"{name:16} {how:20} {recall:.4f} {statistics.median(times):7.1f} ms p50")
    return 0


def _texts(folder: Path) -> list[str]:
    made: list[str] = []
    with (folder / "corpus.jsonl").open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            made += [row["title"], f"{row['title']}\n{row['text']}", *_SENTENCE.split(row["text"])]
    return [one for one in dict.fromkeys(made) if one.strip()]


def _embedded(texts: list[str], claims: list[str], kept: Path | None) -> tuple[Vectors, Vectors]:
    if kept is not None and kept.is_file():
        held = np.load(kept)
        return held[: len(texts)], held[len(texts) :][: len(claims)]
    encoder, began, cpu = load_encoder("minilm"), time.perf_counter(), time.process_time()
    held = encoder.encode([*texts, *claims])
    print(f"embedded in {time.perf_counter() - began:.0f} s, {time.process_time() - cpu:.0f} CPU s")
    if kept is not None:
        np.save(kept, held)
    return held[: len(texts)], held[len(texts) :]


def _passage(number: int, text: str) -> Passage:
    closed = number % 10 == 0
    access = (f"group{number // 10 % 40}",) if closed else (EVERYONE,)
    one = Passage(f"t{number}", f"t{number}", "", text, "scifact:1", 0, len(text), access=access)
    return dataclasses.replace(one, meta={"closed": "yes" if closed else "no"})


def _where(part: Slice) -> str:
    found = lance.condition(part)
    assert found is not None
    return found


if __name__ == "__main__":
    sys.exit(main())
