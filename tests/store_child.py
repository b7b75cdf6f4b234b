"""What another process does to a store: run by tests that kill it or let several loose at once.

``python store_child.py <job> <spec as JSON> <folder> <name> <first>`` writes a line
``done <n>`` when a change was acknowledged.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from stored_rows import table

from luthier.core.records import Passage
from luthier.rag.access import Slice
from luthier.rag.stores.open import StoreSpec, open_store
from luthier.rag.stores.store import Change, PassageStore

DOCUMENTS = 6


def state(name: str, number: int) -> list[Passage]:
    """All documents of a writer, each in the same state, and one that is there only now."""
    documents = [f"{name}d{i}" for i in range(DOCUMENTS)]
    return [
        Passage(f"{d}#{i}", d, "t", f"{name} state{number}", "f:1", i, i + 1)
        for d in [*documents, f"{name}once{number}"]
        for i in range(2)
    ]


def write(store: PassageStore, name: str, first: int) -> None:
    """Change all documents again and again, with whatever else may be done to a store."""
    chance = random.Random(first)
    for number in range(first, first + 1000):
        old = (f"{name}once{number - 2}",)
        store.apply(Change(table(state(name, number), str(number)), old, str(number)))
        then = chance.choice(["", "erase", "optimize", "prune"])
        if then == "erase":
            store.erase([f"{name}once{number - 1}"])
            print("erased", number - 1, flush=True)
        elif then == "optimize":
            store.optimize()
        elif then == "prune":
            store.prune(3)
        print("done", number, flush=True)


def add(store: PassageStore, name: str, first: int) -> None:
    """Change all documents some times."""
    for number in range(first, first + 8):
        store.apply(Change(table(state(name, number), str(number)), (), str(number)))
        print("done", number, flush=True)


def read(store: PassageStore, name: str, first: int) -> None:
    """Look again and again; say so if a half made change is seen, or a version changes."""
    for turn in range(first):
        version = store.version()
        seen = [_look(store, name, version) for _ in range(2)]
        if seen[0] != seen[1]:
            print("changed", version, seen, flush=True)
        for one in seen[0]:
            if len(one) > 1:
                print("half", version, one, flush=True)
        print("done", turn, flush=True)


def _look(store: PassageStore, name: str, version: int) -> list[set[str]]:
    """States of the documents as rows, a search by words and a look-up tell them."""
    rows = [r for batch in store.rows(version, ["id", "text"]) for r in batch.to_pylist()]
    there = {r["id"]: r["text"] for r in rows if r["id"].startswith(f"{name}d")}
    found = store.match(name, 999, Slice(), version)
    taken = store.take(list(there), Slice(), version)
    if {one for one in found if one.startswith(f"{name}d")} != set(there):
        print("missed", version, len(found), len(there), flush=True)
    return [set(there.values()), {p.text for p in taken.values()}]


if __name__ == "__main__":
    job, spec, folder, name, first = sys.argv[1:]
    jobs = {"write": write, "add": add, "read": read}
    opened = open_store(StoreSpec.model_validate_json(spec), Path(folder))
    print("ready", flush=True)
    jobs[job](opened, name, int(first))
