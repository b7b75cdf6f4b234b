"""Who may see what: every passage has an access list, every question a viewer.

The rule is closed by default, in three ways. A passage without a list is seen by nobody. A question
without a viewer is asked as `ANYONE`, who sees what is open to everyone and nothing else. And there
is no viewer who sees all: what measures an index asks as somebody, too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from luthier.core.records import EVERYONE, Document, Passage

Viewer = frozenset[str]
"""The names a question is asked under: a user, and the groups that user is in."""

ANYONE: Viewer = frozenset({EVERYONE})
"""Somebody who is not known."""

Kept = TypeVar("Kept", Document, Passage)


def viewer(names: Iterable[str]) -> Viewer:
    """The viewer of a user and groups, who is always one of everyone.

    Args:
        names: The user's name and those of the groups; empty names count for nothing.
    """
    return frozenset(name.strip() for name in names if name.strip()) | ANYONE


def may_see(access: Collection[str], who: Viewer) -> bool:
    """Whether a list of access names a viewer; an empty list names nobody."""
    return not who.isdisjoint(access)


def seen(rows: Iterable[Kept], who: Viewer) -> list[Kept]:
    """Those documents or passages that a viewer may see, in their order."""
    return [row for row in rows if may_see(row.access, who)]


@dataclasses.dataclass(frozen=True, slots=True)
class Slice:
    """The part of an index that one question may look at: every search takes one.

    Attributes:
        who: Who asks.
        where: Values of metadata that a passage must have: each key with those that will do. A
            passage without the key has none of them.
        kinds: Kinds of passages that will do; empty for all.
        documents: Ids of documents that will do; empty for all.
        since_s: Only what changed at this time or later (seconds since 1970); 0 for any time.
    """

    who: Viewer = ANYONE
    where: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    kinds: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    since_s: float = 0.0

    @property
    def key(self) -> tuple[object, ...]:
        """What tells this slice from others: the key of every cache."""
        where = tuple(sorted((k, tuple(sorted(v))) for k, v in self.where.items()))
        return (tuple(sorted(self.who)), where, self.kinds, self.documents, self.since_s)

    def holds(self, passage: Passage) -> bool:
        """Whether a passage is in it: the rule that every other way of asking must agree with."""
        return (
            may_see(passage.access, self.who)
            and all(passage.meta.get(key) in values for key, values in self.where.items())
            and (not self.kinds or passage.kind in self.kinds)
            and (not self.documents or passage.document_id in self.documents)
            and passage.modified_s >= self.since_s
        )
