"""What a site's ``robots.txt`` allows (RFC 9309), and the delay it asks for.

Python's own ``urllib.robotparser`` takes the first rule that fits and knows no ``*`` and ``$``; the
standard says that the longest rule that fits decides.
"""

from __future__ import annotations

import dataclasses
import urllib.parse
from collections.abc import Iterator

AGENT = "luthier"
MAX_BYTES = 512 * 1024
"""RFC 9309, 2.5: a parser must take at least 500 KiB."""
_PATH_SIGNS = "/*$?=&;:@!+,~()'#%[]"


@dataclasses.dataclass(frozen=True, slots=True)
class Robots:
    """The rules of a site for one agent.

    Attributes:
        rules: (allowed, pattern); the longest that fits a path decides.
        delay_s: Seconds between requests that the site asks for; 0 if it asks for none.
    """

    rules: tuple[tuple[bool, str], ...] = ()
    delay_s: float = 0.0


EVERYTHING = Robots()
NOTHING = Robots(rules=((False, "/"),))


def parse_robots(text: str, agent: str = AGENT) -> Robots:
    """The rules for an agent: those of all groups that name it, or else those for ``*``.

    Args:
        text: The file.
        agent: Its product token; case does not matter.
    """
    own: list[tuple[str, str]] = []
    common: list[tuple[str, str]] = []
    named = False
    names: list[str] = []
    in_rules = False
    for key, value in _lines(text):
        if key == "user-agent":
            names = [] if in_rules else names
            in_rules = False
            names.append(value.split("/")[0].strip().casefold())
            named = named or names[-1] == agent
        elif key in ("allow", "disallow", "crawl-delay"):
            in_rules = True
            if agent in names:
                own.append((key, value))
            if "*" in names:
                common.append((key, value))
    return _built(own if named else common)


def allows(robots: Robots, url: str) -> bool:
    """Whether a URL may be fetched; ``/robots.txt`` itself always may."""
    parts = urllib.parse.urlsplit(url)
    path = _normal(parts.path or "/") + (f"?{_normal(parts.query)}" if parts.query else "")
    if path == "/robots.txt":
        return True
    fitting = [(len(p), allowed) for allowed, p in robots.rules if _fits(p, path)]
    return max(fitting)[1] if fitting else True


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.removeprefix("\ufeff").splitlines():
        key, colon, value = line.partition("#")[0].partition(":")
        if colon:
            yield key.strip().casefold(), value.strip()


def _built(lines: list[tuple[str, str]]) -> Robots:
    rules = []
    delay_s = 0.0
    for key, value in lines:
        if key == "crawl-delay":
            try:
                asked = float(value)
            except ValueError:
                continue
            delay_s = max(delay_s, asked) if asked < float("inf") else delay_s
        elif value:
            rules.append((key == "allow", _normal(value)))
    return Robots(tuple(rules), delay_s)


def _fits(pattern: str, path: str) -> bool:
    """Whether a pattern with ``*`` (anything) and a last ``$`` (the end) fits a path's start."""
    ends = pattern.endswith("$")
    first, *others = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    place = len(first)
    for part in others[:-1]:
        found = path.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    if not others:
        return not ends or place == len(path)
    last = others[-1]
    if ends:
        return path.endswith(last) and len(path) - len(last) >= place
    return path.find(last, place) >= 0


def _normal(path: str) -> str:
    """Percent signs written one way: letters as themselves, all else as upper-case hex."""
    kept = urllib.parse.quote(path, safe=_PATH_SIGNS)
    pieces = kept.split("%")
    whole = [pieces[0]]
    for piece in pieces[1:]:
        code = piece[:2]
        try:
            sign = chr(int(code, 16)) if len(code) == 2 else ""
        except ValueError:
            sign = ""
        if sign and sign.isascii() and (sign.isalnum() or sign in "-._~"):
            whole.append(sign + piece[2:])
        else:
            whole.append("%" + code.upper() + piece[2:])
    return "".join(whole)
