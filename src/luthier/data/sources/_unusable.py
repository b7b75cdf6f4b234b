"""Sources of which nothing can be used: which, why, and the setting or step that mends it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from luthier.core.errors import DataError
from luthier.core.ledger import Entry

MENDS = {
    "private address": "Set `allow_private: true` on it if pages of this machine or network are "
    "meant.",
    "host not found": "Check the address and the network.",
    "no answer": "Check that the server runs, or raise `timeout_s` or `retries`.",
    "page not found": "Check the address.",
    "not a web address": "Write addresses as https://...",
    "address carries a password": "Name an address without a password.",
    "access refused": "Ask the site's owner, or save the pages and read them with `kind: text`.",
    "robots.txt forbids it": "Ask the site's owner, or save the pages and read them with "
    "`kind: text`.",
    "robots.txt cannot be read": "Try again later.",
    "crawl delay too long": "The site asks for longer pauses than Luthier makes; save the pages "
    "and read them with `kind: text`.",
    "too many redirects": "Name the address they lead to, or raise `max_redirects`.",
    "page too large": "Raise `max_bytes`.",
    "not in the cache": "Leave out `offline` for one run.",
    "wrong kind of content": "Only HTML, plain text, Markdown and PDF are read from the web.",
    "page without text": "Try `extract: page`.",
    "page without text, needs OCR": "Let a program for text recognition add the text.",
    "file without text": "Let a program for text recognition add the text.",
    "file is encrypted": "Save it without a password.",
    "file is damaged": "Fetch or save it again.",
    "file cannot be read": "Check its permissions, or fetch it again.",
    "file is not UTF-8": "Save it as UTF-8.",
    "request refused": "Check the address.",
    "damaged answer": "Try again later.",
    "object is empty": "Check `prefix` and `match`.",
    "section too short": "Lower `min_section_chars`.",
}
"""What to do, by reason of refusal."""
_TOLD = 3


def is_unusable(lines: Sequence[Entry]) -> bool:
    """Whether these lines say that a source, which gave no row, is itself at fault.

    Args:
        lines: What it left in the ledger.
    """
    refused = [line.reason for line in lines if line.action == "refused"]
    return bool(refused) and all(reason in MENDS for reason in refused)


def unusable(lines: Mapping[str, Sequence[Entry]]) -> DataError:
    """The error for sources of which nothing can be used.

    Args:
        lines: What they left in the ledger, by where a source stands (``data.sources.0``).
    """
    told = []
    mends: dict[str, None] = {}
    for left in lines.values():
        entries = [line for line in left if line.action == "refused"]
        first = {entry.reason: entry for entry in reversed(entries)}
        worst = Counter(entry.reason for entry in entries).most_common(_TOLD)
        told.append(", ".join(f"{n} x {reason}{_seen(first[reason])}" for reason, n in worst))
        mends |= dict.fromkeys(MENDS[reason] for reason, _ in worst)
    places = list(lines)
    others = "".join(
        f"; nor of {place}: {why}" for place, why in zip(places[1:], told[1:], strict=True)
    )
    return DataError(
        f"nothing of this source can be used: {told[0]}{others}",
        where=places[0],
        mend=" ".join(mends),
    )


def _seen(entry: Entry) -> str:
    """Where, and what was seen there if that says more."""
    more = entry.detail if entry.detail and entry.detail not in entry.origin else ""
    seen = ": ".join(part for part in (entry.origin, more) if part)
    return f" ({seen})" if seen else ""
