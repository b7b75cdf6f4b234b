"""Exact duplicates: texts that are the same when capitals and white space make no difference."""

from __future__ import annotations

import hashlib

from luthier.core.records import Document, Example, Message
from luthier.core.spec import Spec
from luthier.data.clean.facts import Rows


class ExactSpec(Spec):
    """Which rows are compared; the first of equal ones stays."""

    judges: Rows = "all"
    """Which rows are compared: ``all``, ``documents`` or ``rows``."""


def exact_key(row: Document | Example) -> int:
    """128 bits that equal rows share.

    Documents are equal if their texts are and the same people may see them: of two with other
    lists none may stand for the other. Conversations are equal if all turns are, tools and
    calls included, and what is to be learned from them: the label, the rejected answer, whether
    it is a desirable one, and the weights of turns.
    """
    if isinstance(row, Document):
        names = "\n".join(sorted(row.access)).encode("utf-8", "surrogatepass").hex()
        said = ["document", row.text, names]  # of names capitals count
    else:
        said = ["row", *_said(row.messages), "instead of", *_said(row.rejected)]
        said += [row.label, str(row.desirable), row.tools]
    # a lone \0 stands between parts; those in a text come in twos
    joined = " \0 ".join([part.replace("\0", "\0\0") for part in said])
    plain = " ".join(joined.casefold().split())
    digest = hashlib.blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return int.from_bytes(digest, "big")


def _said(messages: tuple[Message, ...]) -> list[str]:
    said = []
    for m in messages:
        said += [m.role, m.content, m.tool_calls]
        if m.weight != 1:
            said.append(f"weight {m.weight}")
    return said
