"""Watch an answer on its way out, sentence by sentence, whole or in a stream.

Because an answer is looked at in the same sentences and lines either way, a stream says what the
whole says. Only a stop differs: what a stream has said cannot be taken back, while an answer that
has not left is replaced as a whole (`Outgoing.whole`).
"""

from __future__ import annotations

import base64
import functools
import re
import urllib.parse
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from luthier.core.secrets import MASK, without_revealed
from luthier.rag.guarding.fold import fold
from luthier.rag.reading.sentences import Segmenter

REMOVED_LINK = "[link removed]"
_KEY_BEGINS = re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----")
_KEY_ENDS = re.compile(r"-----END [A-Z ]{0,30}PRIVATE KEY-----")
_IMAGE = re.compile(
    r"!\[[^\]\n]{0,300}\]\s{0,2}(?:\(\s*<?([^)\s>]*)[^)\n]{0,300}\)?|\[[^\]\n]{0,99}\])"
)
_LINK = re.compile(r"(?<!!)\[([^\]\n]{0,300})\]\(\s*<?([^)\s>]+)[^)\n]{0,300}\)?")
_TAG = re.compile(
    r"<(?:img|iframe|script|object|embed|link|video|audio|source|a|form)\b[^>]{0,2000}>?", re.I
)
_URL = re.compile(
    r"(?:(?:https?|ftp|wss?)://|//(?=\w+\.\w)|www\.)[^\s<>\"'`)\]}|\\^]+"
    r"|data:\w+/[\w.+-]+[;,]\S+|javascript:\S+",
    re.I,
)
_NOT_LETTERS = re.compile(r"[\W_]+")
_CANARY_TAIL = 6  # a tail that could begin a planted mark is held back from here


class OutgoingRules(NamedTuple):
    """What is done with what; see `luthier.rag.guard.GuardSpec`."""

    secrets: Literal["keep", "redact", "stop"]
    links: Literal["keep", "redact"]
    hosts: tuple[str, ...]
    refusal: str
    canaries: tuple[str, ...]


class Outgoing:
    """A watch over one answer.

    Args:
        rules: What is done with what.
        known: Texts whose links the answer may repeat: passages and the conversation.
        leaks: Whether a text holds what its reader may not see; None to not ask.

    Attributes:
        removed: How often each kind of thing was taken out: ``secret``, ``link``, ``hidden``.
        stopped: Why the answer was broken off; "" if it was not.
    """

    def __init__(
        self,
        rules: OutgoingRules,
        known: Sequence[str],
        leaks: Callable[[str], bool] | None = None,
    ) -> None:
        self.rules = rules
        self._texts = known
        self.removed: Counter[str] = Counter()
        self.stopped = ""
        self._known = {_url(u) for text in known for u in _URL.findall(text)}
        self._leaks = leaks
        self._cutter = Segmenter()
        self._marks = _disguises(rules.canaries)
        self._letters = ""  # of what has been seen, without anything between them
        self._held: list[str] = []  # segments that may be the beginning of a planted mark
        self._before = ""
        self._in_key = False

    def feed(self, piece: str) -> list[str]:
        """The segments that may leave after one more piece."""
        return self._passed(self._cutter.feed(piece))

    def end(self) -> list[str]:
        """The rest."""
        told = self._passed(self._cutter.end())
        if not self.stopped:
            told += self._held
            self._held = []
        return told

    def again(self) -> Outgoing:
        """The same watch over another text."""
        return Outgoing(self.rules, self._texts, self._leaks)

    def whole(self, text: str) -> str:
        """An answer that has not left yet: as it may, or the refusal in its place."""
        told = "".join(self.feed(text) + self.end())
        return self.rules.refusal if self.stopped else told

    def _passed(self, segments: Sequence[str]) -> list[str]:
        told: list[str] = []
        for segment in segments:
            if self.stopped:
                break
            clean = self._clean(segment)
            if self.stopped or self._gives_away(segment):
                self.stopped = self.stopped or "planted mark"
                self._held = []
                told.append(self.rules.refusal)
                break
            self._held.append(clean)
            if not self._may_begin():
                told += self._held
                self._held = []
        return [one for one in told if one]

    def _clean(self, segment: str) -> str:
        text = self._without_secrets(self._without_links(segment))
        if self._leaks is not None:
            before, self._before = self._before, (self._before + segment)[-400:]
            joined = self._leaks(before + segment) and not self._leaks(before)
            if joined or self._leaks(segment):
                self.removed["hidden"] += 1
                return ""
        return text

    def _without_secrets(self, segment: str) -> str:
        if self.rules.secrets == "keep":
            return segment
        text = self._without_keys(segment)
        masked, count = _masked(text)
        if (hidden := without_revealed(masked)) != masked:
            masked, count = hidden, count + 1
        found = count + (text != segment)
        if found:
            self.removed["secret"] += found
            if self.rules.secrets == "stop":
                self.stopped = "secret"
        return masked

    def _without_keys(self, segment: str) -> str:
        """The segment without a private key, which runs over many lines."""
        if self._in_key:
            ends = _KEY_ENDS.search(segment)
            if ends is None:
                return ""
            self._in_key = False
            return segment[ends.end() :]
        begins = _KEY_BEGINS.search(segment)
        if begins is None:
            return segment
        ends = _KEY_ENDS.search(segment, begins.end())
        self._in_key = ends is None
        rest = segment[ends.end() :] if ends else "\n"
        return segment[: begins.start()] + MASK + rest

    def _without_links(self, segment: str) -> str:
        if self.rules.links == "keep":
            return segment
        text = _IMAGE.sub(lambda m: self._kept(m[0], m[1] or "", REMOVED_LINK, image=True), segment)
        text = _LINK.sub(lambda m: self._kept(m[0], m[2], m[1]), text)
        text = _TAG.sub(lambda m: self._kept(m[0], _address(m[0]), REMOVED_LINK, image=True), text)
        return _URL.sub(lambda m: self._kept(m[0], m[0], REMOVED_LINK), text)

    def _kept(self, written: str, url: str, instead: str, *, image: bool = False) -> str:
        """A link as it is, if it may leave; images load by themselves, so only from known hosts."""
        if _on_host(url, self.rules.hosts) or (not image and _url(url) in self._known):
            return written
        if not image and not _URL.match(url):  # a place in the document, not an address
            return written
        self.removed["link"] += 1
        return instead

    def _gives_away(self, segment: str) -> bool:
        if not self._marks:
            return False
        self._letters = (self._letters + _letters(segment))[-4000:]
        return any(mark in self._letters for mark in self._marks)

    def _may_begin(self) -> bool:
        """Whether what was seen ends in the beginning of a planted mark."""
        return any(
            self._letters.endswith(mark[:size])
            for mark in self._marks
            for size in range(_CANARY_TAIL, len(mark))
        )


@functools.cache
def _plan() -> object:
    from luthier.data.clean.pii import PiiSpec, plan_pii

    off = dict.fromkeys(("email", "phone", "card", "iban", "ssn", "ip", "name"), "off")
    return plan_pii(PiiSpec(**off, credentials="mask", secret="mask"), (), 0)  # type: ignore[arg-type]


def _masked(text: str) -> tuple[str, int]:
    """A text without keys, tokens and passwords by their shapes, and how many there were."""
    from luthier.data.clean.pii import treat

    treated = treat(text, _plan(), ("credentials", "secret"))  # type: ignore[arg-type]
    return treated.text, sum(treated.found.values())


def _disguises(canaries: Sequence[str]) -> tuple[str, ...]:
    """Planted marks as they may be written: plain, backwards, in base64 and in hexadecimal."""
    told = []
    for mark in canaries:
        raw = mark.encode()
        coded = [
            base64.b64encode(b" " * shift + raw).decode()[4 if shift else 0 : -4]
            for shift in range(3)
        ]
        for one in (mark, mark[::-1], raw.hex(), *coded):
            if len(letters := _letters(one)) > _CANARY_TAIL:
                told.append(letters)
    return tuple(dict.fromkeys(told))


def _letters(text: str) -> str:
    return _NOT_LETTERS.sub("", fold(text))


def _url(text: str) -> str:
    return text.rstrip(".,;:!?*_")


def _address(tag: str) -> str:
    found = re.search(r"(?:src|href|action|data)\s*=\s*[\"']?([^\s\"'>]+)", tag, re.I)
    return found[1] if found else ""


def _on_host(url: str, hosts: Sequence[str]) -> bool:
    try:
        host = urllib.parse.urlsplit(url if "//" in url else f"//{url}").hostname or ""
    except ValueError:
        return False
    return any(host == one or host.endswith(f".{one}") for one in hosts)
