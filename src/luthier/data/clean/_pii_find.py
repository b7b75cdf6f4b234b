"""Finders of personal data: each yields (start, end) of what it finds in a text.

Most texts need none of them: ``_pii_screen`` says so of many texts at once, ``candidates`` of one,
less sharply. All expressions are bounded, so that time grows with the length of a text and not
faster.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator

from luthier.data.clean.checksums import IBAN_LENGTHS, is_card, is_iban, is_ssn

Span = tuple[int, int, str]
Place = tuple[int, int]

_EMAIL = re.compile(
    r"(?<![\w.%+\-])[\w%+\-][\w.%+\-]{0,63}@"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,62})\.){1,8}[A-Za-z]{2,24}(?![\w\-])"
)
_NOBODYS = re.compile(r"@(?:.{0,200}\.)?(?:example(?:\.(?:com|org|net))?|test|invalid|localhost)$")
_CREDENTIALS = re.compile(r"(?<=://)[^\s:/@\[\]]{1,200}:[^\s/@\[\]]{1,200}(?=@[^\s/@])")
_SSN = re.compile(r"(?<![\w\-])([0-9]{3})([- ])([0-9]{2})\2([0-9]{4})(?![\w\-])")
_SSN_NAMED = re.compile(
    r"(?i:\bssn|social security(?: number| no\.?)?)(?:[ :#]|is){0,4}([0-9]{9})(?![\w\-])"
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?:[ ]?[A-Z0-9]){11,40}")
_CARD_RUN = re.compile(r"(?<![\w.])[0-9](?:[ \-]?[0-9]){12,40}(?![\w])")
_CARD_SHAPES = ((4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 4, 4, 1), (6, 13))
_IPV4 = re.compile(r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w]|\.[0-9])")
_VERSION = re.compile(r"(?:\bv|\bver\.?|\bversion|\brelease)\s?$", re.IGNORECASE)
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")

_DIGITS = re.compile(r"[0-9](?:[ ().\-/]{0,2}[0-9]){3,}")
_PHONE_RUN = re.compile(
    r"(?<![\w.,$€£#/+\-])(?:\+|(?=[(0-9]))"
    r"\(?[0-9](?:[ .\-/()]{0,2}[0-9]){6,40}(?!\w|[.,\-/][0-9])"
)
_GROUP = re.compile(r"[0-9]+")
_MOST_GROUPS = 8
CALLED = (
    "tel|telephone|phone|mobile|mob|cell|fax|whatsapp|call|calling|ring|dial|text|txt|sms|contact"
)
"""Words after which digits are a number to call."""
_CALLED = re.compile(rf"\b(?:{CALLED})\b[^0-9\n]{{0,16}}$", re.IGNORECASE)
_DATE = re.compile(r"[0-9]{1,2}[./\-][0-9]{1,2}[./\-](?:19|20)[0-9]{2}")

_SECRETS = re.compile(
    r"(?<![\w\-])(?:"
    r"(?:AKIA|ASIA)[0-9A-Z]{16}"
    r"|gh[pousr]_[A-Za-z0-9]{36,255}"
    r"|github_pat_[A-Za-z0-9_]{22,255}"
    r"|glpat-[A-Za-z0-9_\-]{20,64}"
    r"|xox[abeprs]-[A-Za-z0-9\-]{10,255}"
    r"|AIza[0-9A-Za-z_\-]{35}"
    r"|(?:sk|pk|rk)[_\-](?:[A-Za-z0-9]{1,12}[_\-]){0,3}(?=[A-Za-z_\-]{0,99}[0-9])"
    r"[A-Za-z0-9_\-]{20,255}"
    r"|hf_[A-Za-z0-9]{30,64}"
    r"|eyJ[A-Za-z0-9_\-]{8,2000}\.[A-Za-z0-9_\-]{8,4000}\.[A-Za-z0-9_\-]{8,2000}"
    r")(?![\w\-])"
    r"|-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]{1,10000}-----END [A-Z ]{0,30}PRIVATE KEY-----"
)
_SECRET_SIGNS = {
    "": ("AKIA", "ASIA", "AIza", "eyJ"),
    "_": ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "sk_", "pk_", "rk_", "hf_"),
    "-": ("sk-", "pk-", "rk-", "xox", "glpat-", "PRIVATE KEY"),
}
_ASSIGNED = re.compile(
    r"(?:api[_\- ]?key|access[_\- ]?key|secret|token|passwor[dt]|passwd|pwd)[\"']?"
    r"(?:\s{0,3}[:=]\s{0,3}|\s{1,3}is\s{1,3})[\"']?(?=[^\s\"',;\[\]]{0,100}[0-9])"
    r"([^\s\"',;\[\]]{6,200})",
    re.IGNORECASE,
)


def candidates(text: str) -> list[str]:
    """The kinds that may stand in a text, in order of precedence; cheap."""
    found = []
    at = "@" in text
    if at and "://" in text:
        found.append("credentials")
    if at:
        found.append("email")
    if _assigns(text) or _has_sign(text):
        found.append("secret")
    runs = _DIGITS.findall(text)
    if any(len(run) > 6 for run in runs):
        found += ["iban", "card", "ssn"]
    if any(run.count(".") > 2 for run in runs) or ("::" in text or text.count(":") > 6):
        found.append("ip")
    if "ssn" in found:
        found.append("phone")
    return found


def _has_sign(text: str) -> bool:
    for mark, signs in _SECRET_SIGNS.items():
        if mark in text:
            for sign in signs:
                if sign in text:
                    return True
    return False


def _assigns(text: str) -> bool:
    lower = text.lower()
    if "key" in lower and ("api" in lower or "access" in lower):
        return True
    return "secret" in lower or "token" in lower or "passw" in lower or "pwd" in lower


def _emails(text: str) -> Iterator[Place]:
    for match in _EMAIL.finditer(text):
        if not _NOBODYS.search(match[0].lower()):
            yield match.span()


def _credentials(text: str) -> Iterator[Place]:
    for match in _CREDENTIALS.finditer(text):
        yield match.span()


def _secrets(text: str) -> Iterator[Place]:
    taken: list[Place] = []
    for match in _SECRETS.finditer(text):
        taken.append(match.span())
        yield match.span()
    for match in _ASSIGNED.finditer(text):
        start, end = match.span(1)
        if all(end <= a or b <= start for a, b in taken) and not match[1].startswith("secret-"):
            yield start, end


def _ibans(text: str) -> Iterator[Place]:
    for match in _IBAN.finditer(text):
        length = IBAN_LENGTHS.get(match[0][:2])
        if length is None:
            continue
        places = [i for i, sign in enumerate(match[0]) if sign != " "]
        if len(places) < length:
            continue
        end = places[length - 1] + 1
        after = text[match.start() + end : match.start() + end + 1]
        if not after.isalnum() and is_iban(match[0][:end].replace(" ", "")):
            yield match.start(), match.start() + end


def _cards(text: str) -> Iterator[Place]:
    for run in _CARD_RUN.finditer(text):
        yield from _in_groups(run[0], run.start(), _is_card_run)


def _is_card_run(groups: list[str], _: str) -> bool:
    sizes = tuple(map(len, groups))
    return (len(sizes) == 1 or sizes in _CARD_SHAPES) and is_card("".join(groups))


def _in_groups(run: str, offset: int, right: Callable[[list[str], str], bool]) -> Iterator[Place]:
    """Whole groups of digits, next to each other, that are right together; longest first."""
    groups = list(_GROUP.finditer(run))
    first = len(groups) if run.startswith("+0") else 0  # a stand-in
    while first < len(groups):
        if groups[first][0].startswith("000") or groups[first][0] == "9999":
            return  # a stand-in
        for last in range(min(len(groups), first + _MOST_GROUPS), first, -1):
            end = groups[last - 1].end()
            whole = first == 0 and (run[0] != "(" or ")" in run[:end])
            start = 0 if whole else groups[first].start()
            if right([g[0] for g in groups[first:last]], run[start:end]):
                yield offset + start, offset + end
                first = last - 1
                break
        first += 1


def _ssns(text: str) -> Iterator[Place]:
    for match in _SSN.finditer(text):
        if is_ssn(match[1] + match[3] + match[4]):
            yield match.span()
    for match in _SSN_NAMED.finditer(text):
        if is_ssn(match[1]):
            yield match.span(1)


def _ips(text: str) -> Iterator[Place]:
    for pattern in (_IPV4, _IPV6):
        for match in pattern.finditer(text):
            try:
                address = ipaddress.ip_address(match[0])
            except ValueError:
                continue
            before = text[max(0, match.start() - 12) : match.start()]
            if address.is_global and not _VERSION.search(before):
                yield match.span()


def _phones(text: str) -> Iterator[Place]:
    for run in _PHONE_RUN.finditer(text):
        called = bool(_CALLED.search(text, max(0, run.start() - 40), run.start()))
        dated = _DATE.match(run[0])
        skip = dated.end() + 1 if dated else 0
        check = _is_phone_called if called else _is_phone
        yield from _in_groups(run[0][skip:], run.start() + skip, check)


def _is_phone_called(groups: list[str], written: str) -> bool:
    return 7 <= sum(map(len, groups)) <= 15 or _is_phone(groups, written)


def _is_phone(groups: list[str], written: str) -> bool:
    """Whether digits are a phone number by their look alone."""
    digits = "".join(groups)
    if written.startswith("+"):
        return 8 <= len(digits) <= 15 and digits[0] != "0"
    if groups[0].startswith("00"):
        return (10 if len(groups) > 1 else 12) <= len(digits) <= 17
    if digits[0] == "0":
        return _is_national(groups, digits, written)
    sizes = [len(g) for g in groups]
    american = groups[1:] if groups[0] == "1" and len(groups) == 4 else groups
    if sizes[-3:] == [3, 3, 4] and len(american) == 3:
        return american[0][0] > "1" and american[1][0] > "1"
    return False


def _is_national(groups: list[str], digits: str, written: str) -> bool:
    """A number as it is dialled at home in most countries: a 0 and the area's or network's code."""
    if len(groups) == 1:
        return len(digits) in (10, 11)
    if written.startswith("("):
        return 9 <= len(digits) <= 12
    return 9 <= len(digits) <= 12 and 2 <= len(groups[0]) <= 6


FINDERS: dict[str, Callable[[str], Iterator[Place]]] = {
    "credentials": _credentials,
    "email": _emails,
    "secret": _secrets,
    "iban": _ibans,
    "card": _cards,
    "ssn": _ssns,
    "ip": _ips,
    "phone": _phones,
}
