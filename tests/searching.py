"""Searching with the kernels in C and with numpy, and passages to search."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from luthier.core.records import EVERYONE, Passage
from luthier.rag.search.native import library

BOTH = ["c", "numpy"]


def switched(kind: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """While it runs, the kernels are in C or switched off."""
    library.cache_clear()
    if kind == "numpy":
        monkeypatch.setenv("LUTHIER_KERNELS", "off")
    elif library()[0] is None:
        pytest.skip(f"NOT TESTED: {library()[1]}")
    yield
    library.cache_clear()


def passage(
    id_: str,
    text: str,
    *,
    document: str = "",
    title: str = "",
    access: tuple[str, ...] = (EVERYONE,),
) -> Passage:
    """A passage of a document that has its id, unless it is told another."""
    return Passage(id_, document or id_, title, text, f"{id_}.txt:1", 0, len(text), access=access)


def sentences(count: int, seed: int, words: int = 60) -> list[str]:
    """Texts of words, some frequent and most rare."""
    chance = random.Random(seed)
    known = [f"word{i}" for i in range(words)]
    weights = [1.0 / (1 + i) for i in range(words)]
    return [" ".join(chance.choices(known, weights, k=chance.randint(1, 40))) for _ in range(count)]
