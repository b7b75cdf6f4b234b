"""Where else the text of a document stands in a store that is to forget it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from luthier.rag.stores.store import PassageStore


@dataclasses.dataclass(frozen=True, slots=True)
class Copies:
    """Where the text of some documents stands under other ids, as it does after lines moved.

    Attributes:
        now: Ids of documents in the newest version with the same text.
        keep: How many versions, the newest first, have no such id but in the newest.
    """

    now: tuple[str, ...]
    keep: int


def copies(documents: Sequence[str], store: PassageStore) -> Copies:
    """Where else the text of some documents stands, as the newest version with each has it."""
    held = [store.digests(one.number) for one in reversed(store.versions())]
    doomed = set(documents)
    found = (next((old[one] for old in held if one in old), "") for one in doomed)
    contents = {told.partition(".")[0] for told in found if told}
    others = [
        [
            one
            for one, told in old.items()
            if one not in doomed and told.partition(".")[0] in contents
        ]
        for old in held
    ]
    keep = next((i for i, ids in enumerate(others) if i and ids), len(held))
    return Copies(tuple(others[0]) if others else (), keep)
