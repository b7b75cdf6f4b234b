"""Repair of encodings and Unicode: mojibake, normal forms, characters nobody can see.

Mojibake (UTF-8 that was read as another encoding, ``cafÃ©``) is undone by ftfy's search for the
misreading: R. Speer, *ftfy*, 2019, https://doi.org/10.5281/zenodo.2591652.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Literal

from luthier.core.spec import Spec

_NEIGHBOURS = re.compile(r"[^\x00-\x7f]{2}|[ÂÃ] ")  # without these, no sign of mojibake
_ESCAPES = re.compile(r"\x1b\[[0-9;]{0,16}[A-Za-z]")
# A flag of England, Scotland or Wales is spelt with invisible letters; elsewhere they hide text.
_INVISIBLE = re.compile(
    "(\U0001f3f4[\U000e0020-\U000e007e]{1,8}\U000e007f)"
    "|[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u180e\u200b\u202a-\u202e\u2060-\u2064"
    "\u2066-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_CONTROLS = re.compile("[\x80-\x9f]")
# What these are in Windows-1252, which is what their writer meant (HTML's standard, 13.2.3.5).
_MEANT = {
    code: bytes([code]).decode("cp1252")
    for code in range(0x80, 0xA0)
    if code not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}


class EncodingsSpec(Spec):
    """What is repaired in the characters of a text."""

    mojibake: bool = True
    """Undo UTF-8 that was read as another encoding (``cafÃ©`` becomes ``café``), and Windows-1252
    that was read as Latin-1."""
    form: Literal["nfc", "nfkc", "keep"] = "nfc"
    """Unicode normal form; ``nfkc`` also turns ligatures and full-width letters into plain ones."""
    invisible: bool = True
    """Remove control characters, terminal colours, zero-width and bidirectional marks."""
    html_entities: bool = False
    """Decode ``&amp;`` and the like."""


def repair_encodings(text: str, spec: EncodingsSpec) -> tuple[str, list[str]]:
    """Repair a text.

    Args:
        text: Any text.
        spec: What to repair.

    Returns:
        The repaired text, and what was done in the words of the ledger.
    """
    done: list[str] = []
    if spec.html_entities and "&" in text:
        text = _noted(text, html.unescape(text), "HTML entities decoded", done)
    if spec.mojibake and not text.isascii() and _NEIGHBOURS.search(text):
        from ftfy import fix_encoding

        text = _noted(text, fix_encoding(text), "encoding repaired", done)
    if spec.mojibake and not text.isascii() and _CONTROLS.search(text):
        text = _noted(text, text.translate(_MEANT), "encoding repaired", done)
    if spec.invisible and not text.replace("\n", "").isprintable():
        seen = _INVISIBLE.sub(r"\1", _ESCAPES.sub("", text))
        text = _noted(text, seen, "invisible characters removed", done)
    if spec.form != "keep" and not text.isascii():
        form: Literal["NFC", "NFKC"] = "NFC" if spec.form == "nfc" else "NFKC"
        if not unicodedata.is_normalized(form, text):
            text = _noted(text, unicodedata.normalize(form, text), "Unicode normalised", done)
    return text, done


def _noted(before: str, after: str, reason: str, done: list[str]) -> str:
    if after != before and reason not in done:
        done.append(reason)
    return after
