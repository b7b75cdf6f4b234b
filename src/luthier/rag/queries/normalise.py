"""Bring a question to plain characters and plain spacing, and quieten what is shouted."""

from __future__ import annotations

import re
import unicodedata

_FOLDED = {"<wide>", "<narrow>", "<compat>", "<font>", "<noBreak>", "<vertical>", "<small>"}
_QUOTES = str.maketrans(
    {"’": "'", "‘": "'", "‛": "'", "´": "'", "“": '"', "”": '"', "„": '"', "‟": '"'}
)
_JOINERS = {"\u200c", "\u200d"}  # Persian, Hindi and emoji are written with them
_SPACES = re.compile(r"\s+")
_LEAST_SHOUTED = 3  # words; fewer may be a name, such as "NASA ESA"


def normalise(text: str) -> str:
    """A question in the characters that passages are written in.

    Unicode's compatibility forms (full width, ligatures, non-breaking spaces) become plain ones,
    as NFKC has them (Unicode Standard Annex 15). Powers, fractions and signs stay as they are,
    since NFKC would turn ``6½`` into ``61⁄2`` and ``10²`` into ``102``. Quotes become straight,
    control and invisible characters vanish, white space becomes one space. A question of three or
    more words all in capitals becomes lower case.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFC", "".join(_plain(c) for c in text)).translate(_QUOTES)
    elif text.isprintable() and "  " not in text and text.strip() == text:
        return _quiet(text)
    text = "".join(" " if unicodedata.category(c) == "Cc" else c for c in text)
    return _quiet(_SPACES.sub(" ", text).strip())


def _plain(character: str) -> str:
    if character.isascii() or character in _JOINERS:
        return character
    if unicodedata.category(character) == "Cf":
        return ""
    form = unicodedata.decomposition(character).partition(" ")[0]
    return unicodedata.normalize("NFKC", character) if form in _FOLDED else character


def _quiet(text: str) -> str:
    if not text.isupper():
        return text
    shouted = [word for word in text.split() if sum(c.isalpha() for c in word) > 1]
    if len(shouted) < _LEAST_SHOUTED or any(c.isdigit() or c == "_" for w in shouted for c in w):
        return text
    return text.lower()
