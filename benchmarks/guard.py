"""Instructions in passages: how many are found, and how often harmless text is taken for one.

    python benchmarks/guard.py

The test set is tests/rag/guarding/injections.jsonl: attacks of many families and look-alikes
that harm nobody, in a dozen languages. The rules were written with one half in view (by hash
of the text); of the other half only the counts were seen. Both halves have one author, so the
second flatters the rules too. injections_second.jsonl was written by somebody who had not seen the
rules, and measured before they were; then they were extended with its first half in view. Ordinary
text is measured on XQuAD-en, SciFact and the documentation of Python's own modules, whichever is
there.

A defeat would be less than 0.9 found of the held-out half, or more than 0.1 false alarms in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import sys
import textwrap
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from luthier.rag.guarding.frame import neutralise
from luthier.rag.guarding.injection import scan

LEAST = 0.5
SET = Path(__file__).parents[1] / "tests" / "rag" / "guarding" / "injections.jsonl"
SECOND = SET.with_name("injections_second.jsonl")
MODULES = "argparse asyncio collections csv json logging os pathlib re sqlite3 subprocess textwrap"


def main() -> int:
    """Print recall and false alarms."""
    rows = halves(SET, "first set")
    halves(SECOND, "second set")
    by_family: dict[str, list[bool]] = defaultdict(list)
    for row in rows:
        if row["attack"]:
            by_family[row["family"]].append(scan(row["text"]).score >= LEAST)
    told = [f"{k} {sum(v)}/{len(v)}" for k, v in sorted(by_family.items())]
    print(textwrap.fill("attacks found by family: " + ", ".join(told), 99))
    for name, texts in ordinary().items():
        hits = sum(scan(text).score >= LEAST for text in texts)
        marks = sum(bool(neutralise(text)[1]) for text in texts)
        print(f"{name}: {hits} of {len(texts)} taken for attacks, {marks} have marks altered")
    speed([r["text"] for r in rows])
    return 0


def halves(path: Path, called: str) -> list[dict[str, Any]]:
    """Print what is found in each half of a set; the set."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for half, name in ((0, "in view"), (1, "held out")):
        own = [r for r in rows if hashlib.sha256(r["text"].encode()).digest()[0] % 2 == half]
        for attack, what in ((True, "attacks found"), (False, "look-alikes taken for attacks")):
            chosen = [r for r in own if r["attack"] is attack]
            hits = sum(scan(r["text"]).score >= LEAST for r in chosen)
            print(f"{called}, {name}: {what}: {hits} of {len(chosen)} ({hits / len(chosen):.3f})")
    return rows


def ordinary() -> dict[str, list[str]]:
    """Texts nobody meant as an attack."""
    found: dict[str, list[str]] = {}
    base = Path(os.environ.get("LUTHIER_DATA", "/nowhere"))
    if (path := base / "xquad_en" / "xquad.en.json").is_file():
        told = json.loads(path.read_text(encoding="utf-8"))["data"]
        found["XQuAD-en paragraphs"] = [p["context"] for a in told for p in a["paragraphs"]]
    if (path := base / "scifact" / "corpus.jsonl").is_file():
        lines = path.read_text(encoding="utf-8").splitlines()[::5]
        found["SciFact abstracts, every fifth"] = [json.loads(line)["text"] for line in lines]
    if len(found) < 2:
        print("SKIPPED IN PART: set LUTHIER_DATA to measure XQuAD-en and SciFact", file=sys.stderr)
    docs = []
    for name in MODULES.split():
        module = __import__(name)
        parts = [module, *vars(module).values()]
        docs += [d for p in parts if isinstance(d := getattr(p, "__doc__", None), str) and d]
    found["docstrings of Python's modules"] = list(dict.fromkeys(docs))
    return found


def speed(texts: list[str]) -> None:
    """Print what a passage of about 1,000 signs costs."""
    passage = " ".join(texts)
    pieces = [passage[i : i + 1000] for i in range(0, len(passage) - 1000, 1000)]
    times = []
    for _ in range(3):
        scan.cache_clear()
        started = time.process_time()
        for piece in pieces:
            scan(piece)
        times.append((time.process_time() - started) / len(pieces) * 1000)
    print(f"{statistics.median(times):.2f} ms (CPU) to scan 1,000 signs; nothing when seen before")


if __name__ == "__main__":
    sys.exit(main())
