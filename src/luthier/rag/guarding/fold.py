"""Texts as they read, whatever letters they are written with; for looking, never for showing."""

from __future__ import annotations

import base64
import binascii
import codecs
import re
import unicodedata
from collections.abc import Iterator

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)
_LOOKALIKES = str.maketrans(
    "аеорсухіјѕԁһԛԝӏɡαορνικτυβεητѵᴀᴇɪᴏᴜ",
    "aeopcyxijsdhqwlgaopviktubehtvaeiou",
)
_LEET = str.maketrans("013457@$", "oieastas")
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{24,}={0,2}(?![A-Za-z0-9+/=])")
_SPACED = re.compile(r"(?:(?<!\w)\w[ \-_.*]{1,3}){5,}\w(?!\w)")
_TELLING = ("ignore", "instruct", "prompt", "system", "disregard", "assistant", "password")
_MIXED = re.compile(r"[a-z][013457@$]+[a-z]|\b[013457@$][a-z]{2}")
_LETTERS = re.compile(r"[^\W\d_]")


def fold(text: str) -> str:
    """Lower case, compatible letters made one (NFKC), nothing invisible."""
    if text.isascii():
        return text.lower()
    return _INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).casefold()


def fold_with_places(text: str) -> tuple[str, list[int]]:
    """The same sign by sign, with the offset each folded sign comes from, and the end."""
    signs: list[str] = []
    places: list[int] = []
    for i, sign in enumerate(text):
        if not _INVISIBLE.match(sign):
            for one in unicodedata.normalize("NFKC", sign).casefold():
                signs.append(one)
                places.append(i)
    return "".join(signs), [*places, len(text)]


def readings(text: str) -> Iterator[tuple[str, str]]:
    """How a text may be meant to be read, folded, each with what was undone.

    The text itself; with letters of other scripts taken for the Latin ones they look like; with
    digits taken for letters; with single letters joined; decoded from base64; by ROT13 and
    backwards, where telling words appear then.
    """
    plain = fold(text)
    yield "", plain
    if not plain.isascii():
        latin = plain.translate(_LOOKALIKES)
        if latin != plain:
            yield "look-alike letters", latin
    if _MIXED.search(plain):
        yield "digits for letters", plain.translate(_LEET)
    if _SPACED.search(plain):
        yield "spaced letters", _SPACED.sub(lambda m: _joined(m[0]), plain)
    for found in _BASE64.finditer(text):
        if decoded := _decoded(found[0]):
            yield "base64", fold(decoded)
    for name, reading in (("rot13", codecs.encode(plain, "rot13")), ("backwards", plain[::-1])):
        if any(word in reading for word in _TELLING):
            yield name, reading


def _joined(spaced: str) -> str:
    """Letters apart from each other as words: where the gap is another than usual, a word ends."""
    gaps = re.findall(r"(?:[^\w]|_)+", spaced)
    usual = max(set(gaps), key=gaps.count)
    return re.sub(
        r"(?<=[^\W_])((?:[^\w]|_)+)(?=[^\W_])", lambda m: "" if m[1] == usual else " ", spaced
    )


def _decoded(text: str) -> str:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        told = raw.decode("utf-8")
    except (binascii.Error, ValueError):
        return ""
    readable = sum(c.isprintable() or c.isspace() for c in told)
    return told if readable == len(told) and _LETTERS.search(told) else ""
