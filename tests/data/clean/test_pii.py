"""Personal data: masked so that none is found again, or replaced alike everywhere."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st
from pydantic import ValidationError

from luthier.core.errors import ConfigError
from luthier.data.clean.pii import PatternSpec, PiiSpec, plan_pii, treat

MASK = plan_pii(PiiSpec(), (), 0)
KINDS = ("email", "phone", "card", "iban", "ssn", "ip", "credentials", "secret")
PIECES = [
    "anna@mail.co.uk",
    "+44 20 7946 0958",
    "020 7946 0958",
    "(415) 555-2671",
    "4111 1111 1111 1111",
    "5555555555554444",
    "DE89 3704 0044 0532 0130 00",
    "123-45-6789",
    "8.8.8.8",
    "2001:4860:4860::8888",
    "https://admin:s3cret1@host.org/",
    "AKIAIOSFODNN7EXAMPLE",
    "password: hunter22",
    "call",
    "ssn",
    "12",
    "3456789",
    "and",
    "0",
    "+",
    "@",
    "://",
    ".",
]
TEXTS = st.lists(
    st.tuples(st.sampled_from(PIECES), st.sampled_from([" ", "", ", ", "-", "\n"])), max_size=8
).map(lambda parts: "".join(a + b for a, b in parts))


@pytest.mark.parametrize(
    ("text", "clean", "found"),
    [
        (
            "Hi its Tom new nr 07734 396839, old 1 dead. mail me tom99@gmail.com x",
            "Hi its Tom new nr [PHONE], old 1 dead. mail me [EMAIL] x",
            {"phone": 1, "email": 1},
        ),
        (
            "URGENT! u have WON £2000 call 09061701461 from landline. Claim code KL341. 18+",
            "URGENT! u have WON £2000 call [PHONE] from landline. Claim code KL341. 18+",
            {"phone": 1},
        ),
        (
            "pay me back: DE89 3704 0044 0532 0130 00 thx, card 4111-1111-1111-1111 is blocked",
            "pay me back: [IBAN] thx, card [CARD] is blocked",
            {"iban": 1, "card": 1},
        ),
        ("c u @ 8, bring 20.50 4 the taxi, txt STOP to 80086", None, {}),
        (
            "curl https://bob:pa55@api.firm.io/v1 -H 'token: abcdef123456'",
            "curl https://[CREDENTIALS]@api.firm.io/v1 -H 'token: [SECRET]'",
            {"credentials": 1, "secret": 1},
        ),
        ("from 93.184.216.34, SSN 123-45-6789", "from [IP], SSN [SSN]", {"ip": 1, "ssn": 1}),
    ],
)
def test_messages_as_people_write_them(text: str, clean: str | None, found: dict[str, int]) -> None:
    treated = treat(text, MASK)
    assert treated.text == (text if clean is None else clean)
    assert treated.found == found
    assert treated.refused == ""


@given(TEXTS)
@settings(max_examples=100, deadline=None)
def test_a_masked_text_holds_nothing_more(text: str) -> None:
    once = treat(text, MASK)
    again = treat(once.text, MASK)
    assert again.text == once.text
    assert again.found == {}


@given(TEXTS, st.sampled_from(["report", "refuse"]))
@settings(max_examples=50, deadline=None)
def test_counting_leaves_the_text(text: str, treatment: str) -> None:
    spec = PiiSpec.model_validate(dict.fromkeys(KINDS, treatment))
    treated = treat(text, plan_pii(spec, (), 0))
    assert treated.text == text
    assert bool(treated.refused) == (treatment == "refuse" and bool(treated.found))


def test_stand_ins_are_the_same_everywhere() -> None:
    plan = plan_pii(PiiSpec(email="pseudonymise"), (), 7)
    one = treat("From anna@mail.org to bob@mail.org", plan).text
    other = treat("ANNA@mail.org wrote", plan).text
    first, second = one.removeprefix("From ").split(" to ")
    assert first == other.removesuffix(" wrote") != second
    assert treat("From anna@mail.org to bob@mail.org", plan_pii(plan_spec(), (), 8)).text != one


def plan_spec() -> PiiSpec:
    return PiiSpec(email="pseudonymise")


def test_the_key_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = PiiSpec(email="pseudonymise", key_env="LUTHIER_TEST_KEY")
    with pytest.raises(ConfigError, match="LUTHIER_TEST_KEY"):
        plan_pii(spec, (), 0)
    monkeypatch.setenv("LUTHIER_TEST_KEY", "open sesame")
    keyed, seeded = plan_pii(spec, (), 0), plan_pii(plan_spec(), (), 0)
    text = "anna@mail.org"
    assert treat(text, keyed).text == treat(text, plan_pii(spec, (), 1)).text
    assert treat(text, keyed).text != treat(text, seeded).text
    assert "sesame" not in repr(keyed)


def test_each_kind_can_be_left_alone() -> None:
    off = plan_pii(PiiSpec.model_validate(dict.fromkeys(KINDS, "off")), (), 0)
    text = " ".join(PIECES)
    assert treat(text, off).text == text
    assert treat(text, off).found == {}


def test_own_names_and_patterns() -> None:
    spec = PiiSpec(
        patterns=(
            PatternSpec(name="staff_number", regex=r"staff no\. (S-\d+)"),
            PatternSpec(name="project", regex=r"Project \w+", treatment="pseudonymise"),
        ),
        name="pseudonymise",
    )
    plan = plan_pii(spec, ("Anna", "Anna Smith", " "), 0)
    treated = treat("Anna Smith (staff no. S-12) and Anna lead Project Zeus; Annabel not.", plan)
    assert treated.found == {"name": 2, "staff_number": 1, "project": 1}
    assert "Anna Smith" not in treated.text
    assert "Annabel" in treated.text
    assert "(staff no. [STAFF_NUMBER])" in treated.text
    assert "project-" in treated.text


@pytest.mark.parametrize("regex", ["(", "a*"])
def test_useless_patterns_are_refused(regex: str) -> None:
    with pytest.raises(ValidationError, match="regular expression"):
        PatternSpec(name="x", regex=regex)
