"""How fast passages come into all legs, and what memory that takes; a process of its own.

    python benchmarks/_rag_index.py PASSAGES

Passages of some 120 words and vectors of 384 numbers are made up; the vectors are random. The clock
runs from rows of a store to a version that answers by words and by meaning, once on some rows to
warm up. Memory is by how much the peak lies above what is held before, the rows among it.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

import numpy as np
from bm25 import made_up

from luthier.core.records import Passage
from luthier.rag.access import Slice
from luthier.rag.legs import Legs
from luthier.rag.stores.store import rows_of


def main() -> None:
    """Build, and say so as JSON."""
    count = int(sys.argv[1])
    made, queries = made_up(count)
    passages = [
        Passage(p["id"], p["id"], p["title"], p["text"], f"{p['id']}:1", 0, len(p["text"]))
        for p in made
    ]
    vectors = np.random.default_rng(0).normal(size=(count, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    table = rows_of(passages, {p.id: "" for p in passages}, vectors)
    del passages, made
    Legs.of(table.slice(0, 1000).to_batches())
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    before = _memory("VmRSS")
    began, cpu = time.perf_counter(), time.process_time()
    legs = Legs.of(table.to_batches(8192))
    took_s, took_cpu_s = time.perf_counter() - began, time.process_time() - cpu
    peak = _memory("VmHWM")
    part = Slice()
    assert len(legs.lexical(queries[0]["text"], 10, part)) == 10
    assert len(legs.dense(vectors[5], 10, part)) == 10
    told = {"passages": count, "s": took_s, "cpu_s": took_cpu_s, "bytes": peak - before}
    print(json.dumps(told))


def _memory(name: str) -> int:
    """Bytes, as Linux tells them of this process."""
    told = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(rf"{name}:\s+(\d+) kB", told)
    assert found is not None
    return int(found[1]) * 1024


if __name__ == "__main__":
    main()
