"""What a search that finds little should say: a name or a key of metadata that nothing knows."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from luthier.core.errors import ConfigError
from luthier.core.records import EVERYONE
from luthier.rag.access import Slice
from luthier.rag.search.stored import AnyLegs


def check_keys(legs: AnyLegs, part: Slice) -> None:
    """Refuse filters on metadata that no passage has.

    Args:
        legs: What is searched.
        part: Who asks, and the filters. Keys that only hidden passages have are not known.

    Raises:
        ConfigError: A filter's key is unknown.
    """
    if not part.where:
        return
    known: set[str] = set()
    for table in legs.tables():
        lists, meta = table["access"].combine_chunks(), table["meta"].combine_chunks()
        names = pc.is_in(lists.flatten(), pa.array(sorted(part.who), pa.string()))
        rows = pc.unique(pc.list_parent_indices(lists).filter(names))
        known.update(meta.take(rows).keys.unique().to_pylist())
    if unknown := [key for key in part.where if key not in known]:
        has = f"Known are: {', '.join(sorted(known))}." if known else "None has any metadata."
        raise ConfigError(
            f"no passage that may be seen has the metadata '{unknown[0]}'",
            where="--where",
            mend=f"{has} `meta_fields` of a source names what is kept; kind, document and since "
            "are the passage's own.",
        )


def note(legs: AnyLegs, part: Slice, names: Sequence[str]) -> str:
    """What should be known of who asks; "" if nothing.

    Args:
        legs: What is searched.
        part: Who asks.
        names: As they were given; a user or groups.
    """
    wanted = [name for one in names if (name := one.strip()) and name != EVERYONE]
    listed: set[str] = set()
    if wanted:
        for table in legs.tables():
            listed.update(table["access"].combine_chunks().flatten().unique().to_pylist())
    strangers = ", ".join(name for name in wanted if name not in listed)
    said = f"no access list names {strangers}" if strangers else ""
    if legs.size(Slice(part.who)):
        return said
    who = ", ".join(wanted)
    if who:
        return f"nothing here is open to {who}" + (f"; {said}" if said else "")
    return "nothing here is open to everyone; --as says who asks"
