"""Which option an answer in words names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from luthier.evaluate import metrics

if TYPE_CHECKING:
    from luthier.evaluate.suite import Item

_LETTER = re.compile(r"^\W*(?:(?i:answer|option)\W*)?(?:([A-Z])(?:[).:,\s]|$)|([a-z])(?:[).:]|$))")


def picked(item: Item, text: str) -> str | None:
    """The option that an answer names, or None: by its letter (``B``), or by its text."""
    said = metrics.normalise(text)
    whole = [option for option in item.options if metrics.normalise(option) == said]
    if len(whole) == 1:
        return whole[0]
    letter = _LETTER.match(text)
    place = ord((letter.group(1) or letter.group(2)).upper()) - ord("A") if letter else -1
    if 0 <= place < len(item.options):
        return item.options[place]
    named = [o for o in item.options if metrics.normalise(o) and metrics.normalise(o) in said]
    return named[0] if len(named) == 1 else None
