"""Languages are told apart; short messages are left alone."""

from __future__ import annotations

import pytest

pytest.importorskip("fasttext")

from luthier.data.clean.facts import facts_of
from luthier.data.clean.language import LanguageSpec, check_language, language_of

ENGLISH = "The committee has decided to postpone the meeting until the end of next month."
TEXTS = {
    "en": ENGLISH,
    "de": "Der Ausschuss hat beschlossen, die Sitzung auf das Ende des Monats zu verschieben.",
    "fr": "Le comité a décidé de reporter la réunion à la fin du mois prochain, faute de temps.",
    "es": "El comité ha decidido aplazar la reunión hasta finales del próximo mes por falta de.",
    "ja": "委員会は会議を来月末まで延期することを決定しました。理由は時間が足りないためです。",
}


@pytest.mark.parametrize("code", TEXTS)
def test_each_language_is_told(code: str) -> None:
    found, score = language_of(TEXTS[code])
    assert found == code
    assert 0.5 < score <= 1.0
    assert check_language(facts_of(TEXTS[code]), LanguageSpec(allowed=(code,))) is None


@pytest.mark.parametrize("code", ["de", "fr", "es", "ja"])
def test_other_languages_are_refused(code: str) -> None:
    verdict = check_language(facts_of(TEXTS[code]), LanguageSpec())
    assert verdict is not None
    assert verdict[0] == "other language"
    assert verdict[1].startswith(code)


def test_capitals_are_no_other_language() -> None:
    assert check_language(facts_of(ENGLISH.upper()), LanguageSpec()) is None


def test_a_foreign_start_does_not_decide() -> None:
    text = "Bonjour à toutes et à tous, mesdames et messieurs, chers amis!\n" + ENGLISH * 8
    assert check_language(facts_of(text), LanguageSpec()) is None


@pytest.mark.parametrize(
    "text",
    [
        "c u l8r m8",
        "ok thx",
        "Ja.",
        "omw, 5 min",
        "k",
        "WINNER!! u won £1000",
        "gr8 c u there xx",
    ],
)
def test_short_messages_are_left_alone(text: str) -> None:
    assert check_language(facts_of(text), LanguageSpec()) is None


def test_noise_is_uncertain() -> None:
    verdict = check_language(
        facts_of("xq zzv 0x7f qqp wwv kkj vvz xxq ppz ggh jjk llm qzx vvb"), SPEC
    )
    assert verdict is not None
    assert verdict[0] in {"language uncertain", "other language"}


SPEC = LanguageSpec(min_score=0.6)
