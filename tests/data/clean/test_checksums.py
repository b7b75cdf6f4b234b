"""Published numbers: the ones card schemes and banks give for testing, and wrong ones."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from luthier.data.clean.checksums import IBAN_LENGTHS, is_card, is_iban, is_ssn, luhn

CARDS = [  # PayPal's and Stripe's published test numbers
    "4111111111111111",
    "4012888888881881",
    "4222222222222",
    "5555555555554444",
    "5105105105105100",
    "2223003122003222",
    "378282246310005",
    "371449635398431",
    "6011111111111117",
    "6011000990139424",
    "30569309025904",
    "38520000023237",
    "3530111333300000",
    "3566002020360505",
    "6200000000000005",
]
IBANS = [  # the examples of the SWIFT registry
    "AD1200012030200359100100",
    "AT611904300234573201",
    "BE68539007547034",
    "CH9300762011623852957",
    "DE89370400440532013000",
    "ES9121000418450200051332",
    "FR1420041010050500013M02606",
    "GB29NWBK60161331926819",
    "IT60X0542811101000000123456",
    "LC55HEMM000100010012001200023015",
    "MT84MALT011000012345MTLCAST001S",
    "NL91ABNA0417164300",
    "NO9386011117947",
    "PL61109010140000071219812874",
    "SA0380000000608010167519",
    "SE4550000000058398257466",
]


def test_luhn_on_the_textbook_number() -> None:
    assert luhn("79927398713")
    assert [d for d in "0123456789" if luhn("7992739871" + d)] == ["3"]


@pytest.mark.parametrize("digits", CARDS)
def test_cards(digits: str) -> None:
    assert is_card(digits)
    assert not is_card(digits[:-1] + str((int(digits[-1]) + 1) % 10))


@pytest.mark.parametrize("digits", ["1234567812345670", "0000000000000000", "41111111111111", ""])
def test_right_sums_of_no_card(digits: str) -> None:
    assert not is_card(digits)


@given(st.sampled_from(CARDS), st.integers(0, 15), st.integers(1, 9))
@settings(deadline=None, max_examples=60)
def test_one_wrong_digit_is_always_seen(card: str, place: int, shift: int) -> None:
    place %= len(card)
    wrong = str((int(card[place]) + shift) % 10)
    assert not luhn(card[:place] + wrong + card[place + 1 :])


@pytest.mark.parametrize("code", IBANS)
def test_ibans(code: str) -> None:
    assert is_iban(code)
    assert not is_iban(code[:4] + code[5] + code[4] + code[6:]) or code[4] == code[5]
    assert not is_iban(code[:-1])
    assert not is_iban(code + "0")


@pytest.mark.parametrize(
    "code", ["ZZ891234", "DE00370400440532013000", "", "de89370400440532013000"]
)
def test_no_ibans(code: str) -> None:
    assert not is_iban(code)


def test_lengths_are_those_of_the_registry() -> None:
    assert (len(IBAN_LENGTHS), IBAN_LENGTHS["NO"], IBAN_LENGTHS["RU"]) == (89, 15, 33)


@pytest.mark.parametrize(
    ("digits", "right"),
    [
        ("123456789", True),
        ("899999999", True),
        ("000123456", False),
        ("666123456", False),
        ("900123456", False),
        ("123006789", False),
        ("123450000", False),
        ("078051120", False),
        ("219099999", False),
    ],
)
def test_ssns(digits: str, right: bool) -> None:
    assert is_ssn(digits) is right
