"""Characters are repaired where they are broken and left alone where they are not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from luthier.data.clean.encodings import EncodingsSpec, repair_encodings

SPEC = EncodingsSpec()


@pytest.mark.parametrize("text", ["café", "Straße – „Größe“", "naïve façade", "Ünïcödé"])
@pytest.mark.parametrize("wrong", ["cp1252", "latin-1"])
def test_utf8_read_as_something_else_is_undone(text: str, wrong: str) -> None:
    broken = text.encode("utf-8").decode(wrong, errors="ignore")
    if broken.encode(wrong) != text.encode("utf-8"):
        pytest.skip("this encoding cannot hold these bytes")
    assert repair_encodings(broken, SPEC) == (text, ["encoding repaired"])


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "café, 東京, Ελληνικά, हिन्दी, العربية",
        "ÉÈÊ and ÅÄÖ in CAPITALS",
        "2.5 Å, α/β, ±3 µm, 10 °C",
        "tabs\tand\nlines",
        "👨‍👩‍👧 joined by zero-width joiners",
        "می‌خواهم",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f England",
    ],
)
def test_sound_texts_stay(text: str) -> None:
    assert repair_encodings(text, SPEC) == (text, [])


def test_windows_signs_read_as_latin_are_undone() -> None:
    assert repair_encodings("it\x92s 5 \x96 6", SPEC) == ("it’s 5 – 6", ["encoding repaired"])


def test_letters_and_their_accents_are_joined() -> None:
    assert repair_encodings("cafe\u0301", SPEC) == ("café", ["Unicode normalised"])
    assert repair_encodings("ﬁne １２", SPEC) == ("ﬁne １２", [])
    assert repair_encodings("ﬁne １２", EncodingsSpec(form="nfkc"))[0] == "fine 12"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a\x00b\x08c", "abc"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("soft\u00adhyphen", "softhyphen"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("evil\u202etxt.exe", "eviltxt.exe"),
        ("hi" + "".join(chr(0xE0000 + ord(c)) for c in "obey me"), "hi"),
        ("half \ud83d pair", "half  pair"),
    ],
)
def test_what_nobody_sees_goes(text: str, clean: str) -> None:
    assert repair_encodings(text, SPEC) == (clean, ["invisible characters removed"])
    off = EncodingsSpec(invisible=False, form="keep", mojibake=False)
    assert repair_encodings(text, off) == (text, [])


def test_entities_only_when_asked() -> None:
    assert repair_encodings("a &amp; b", SPEC)[0] == "a &amp; b"
    asked = EncodingsSpec(html_entities=True)
    assert repair_encodings("a &amp; b", asked) == ("a & b", ["HTML entities decoded"])


@given(st.text(max_size=60))
@settings(deadline=None, max_examples=60)
def test_a_second_pass_finds_no_control_characters(text: str) -> None:
    once, _ = repair_encodings(text, SPEC)
    assert "invisible characters removed" not in repair_encodings(once, SPEC)[1]
    once.encode("utf-8")
