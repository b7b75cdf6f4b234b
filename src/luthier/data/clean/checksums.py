"""Checksums that tell real numbers from any digits: payment cards, bank accounts, US SSNs.

Sources: ISO/IEC 7812-1 (Luhn's formula, annex B); ISO 13616 and the SWIFT IBAN registry (lengths;
remainder by 97 after ISO 7064); US Social Security Administration, *Randomization FAQ* (which
numbers are never issued).
"""

from __future__ import annotations

IBAN_LENGTHS = {
    country: length
    for length, countries in (
        (15, "NO"),
        (16, "BE"),
        (18, "DK FI FK FO GL NL SD"),
        (19, "MK SI"),
        (20, "AT BA EE KZ LT LU MN XK"),
        (21, "CH CR HR LI LV"),
        (22, "BG BH DE GB GE IE ME RS VA"),
        (23, "AE GI IL IQ OM SO TL"),
        (24, "AD CZ ES MD PK RO SA SE SK TN VG"),
        (25, "LY PT ST"),
        (26, "IS TR"),
        (27, "BI DJ FR GR IT MC MR SM"),
        (28, "AL AZ BY CY DO GT HN HU LB NI PL SV"),
        (29, "BR EG PS QA UA"),
        (30, "JO KW MU YE"),
        (31, "MT SC"),
        (32, "LC"),
        (33, "RU"),
    )
    for country in countries.split()
}
"""Characters of an IBAN by country code."""

# (first and last prefix, lengths): Visa, Mastercard, American Express, Discover, Diners, JCB,
# UnionPay, Maestro.
_CARDS: tuple[tuple[int, int, tuple[int, ...]], ...] = (
    (4, 4, (13, 16, 19)),
    (51, 55, (16,)),
    (2221, 2720, (16,)),
    (34, 34, (15,)),
    (37, 37, (15,)),
    (6011, 6011, (16, 19)),
    (644, 659, (16, 19)),
    (300, 305, (14,)),
    (36, 36, (14,)),
    (38, 39, (14,)),
    (3528, 3589, (16, 19)),
    (62, 62, (16, 17, 18, 19)),
    (5018, 5018, (16,)),
    (5020, 5020, (16,)),
    (5038, 5038, (16,)),
    (6304, 6304, (16,)),
    (6759, 6763, (16,)),
)
_NEVER_ISSUED = {"078051120", "219099999"}  # printed in advertisements


def luhn(digits: str) -> bool:
    """Whether the last of some digits is right by Luhn's formula."""
    total = sum(map(int, digits[-1::-2]))
    return (total + sum(sum(divmod(2 * int(d), 10)) for d in digits[-2::-2])) % 10 == 0


def is_card(digits: str) -> bool:
    """Whether digits are a payment card's number: a known prefix, its length, Luhn's formula."""
    return any(
        len(digits) in lengths and first <= int(digits[: len(str(first))]) <= last
        for first, last, lengths in _CARDS
    ) and luhn(digits)


def is_iban(code: str) -> bool:
    """Whether capitals and digits without spaces are an IBAN: country, length, remainder 1."""
    if IBAN_LENGTHS.get(code[:2]) != len(code) or not code.isascii() or not code.isalnum():
        return False
    return iban_remainder(code) == 1


def iban_remainder(code: str) -> int:
    """The remainder by 97 that is 1 for a right IBAN; letters count as 10 to 35."""
    return int("".join(str(int(c, 36)) for c in code[4:] + code[:4])) % 97


def is_ssn(digits: str) -> bool:
    """Whether nine digits may be a US Social Security number."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    if area in ("000", "666") or area[0] == "9" or group == "00" or serial == "0000":
        return False
    return digits not in _NEVER_ISSUED
