"""Every way a test item can stand where it must not, and what must not be taken for one."""

import json
import random
import re
import time
from pathlib import Path
from typing import Any

import pytest

from luthier.core.errors import LeakageError
from luthier.core.records import Document, Example, Message
from luthier.data.alike import overlap
from luthier.evaluate.leakage import LeakageReport, check

LONG = "Which exception does the reader raise when the archive is empty or was cut short?"
REPLY = (
    "It raises BadZipFile, with the name of the member that could not be decompressed, once the "
    "central directory has been read from the end of the file."
)


@pytest.fixture
def train(example: Any) -> list[Example]:
    return [
        example("t1", "What does fill return?", "A string.", side="train"),
        example("t2", LONG, REPLY, side="train"),
        example("t3", "What is the default of width?", "70", side="train"),
    ]


def document(name: str, text: str) -> Document:
    return Document(name, name, text, f"{name}.py:1", "function", name)


def test_nothing_shared_is_clean(train: list[Example], example: Any) -> None:
    item = example("x", "How long may a line be?", "79", document="style")
    report = check(train, [item], [document("style", "Lines of at most 79 characters.")])
    assert not report.leaks
    assert report.sources_in_corpus == 1
    assert report.train_rows == 3
    report.require_clean()


@pytest.mark.parametrize(
    ("question", "answer", "kind"),
    [
        ("What does fill return?", "Another answer.", "same"),
        ("what does FILL return", "A string", "same but for case and punctuation"),
        (LONG.replace("archive", "file"), REPLY, "near-duplicate"),
    ],
)
def test_a_question_seen_in_training(
    train: list[Example], question: str, answer: str, kind: str, example: Any
) -> None:
    report = check(train, [example("x", question, answer)], [])
    assert [overlap.kind for overlap in report.overlaps] == [kind]
    with pytest.raises(LeakageError, match="1 of 1 test items") as caught:
        report.require_clean()
    said = str(caught.value)
    assert f"First: '{question[:60]}' (faq.csv:x): {kind}" in said
    assert re.search(r"(as|of) faq.csv:t[12]", said), "both rows are named"


def test_the_worst_are_told_first_and_all_are_listed(example: Any, tmp_path: Path) -> None:
    near = [
        overlap("near-duplicate", example(f"n{i}", LONG, REPLY), "t2", "faq.csv:t2", 0.8 + i / 100)
        for i in range(7)
    ]
    item = example("x", "What does fill return?", "A string.")
    found = (*near, overlap("same", item, "t1", "faq.csv:t1"))
    report = LeakageReport(3, 8, 0, found, ("zipfile",), (), 0, 0)
    with pytest.raises(LeakageError) as caught:
        report.require_clean(tmp_path / "all.json")
    said = str(caught.value)
    assert "First: 'What does fill return?' (faq.csv:x): same as faq.csv:t1; " in said
    assert "(faq.csv:n6): near-duplicate (0.86) of faq.csv:t2; " in said
    assert said.count("near-duplicate (0.") == 4
    assert f"All are listed in {tmp_path / 'all.json'}." in said
    listed = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    assert len(listed["overlaps"]) == 8


def test_templates_are_not_near_duplicates(example: Any) -> None:
    names = [f"name{i} module{i // 7}" for i in range(200)]
    rows = [
        example(f"r{i}", f"What is the default value of the first parameter of {name}?", "None")
        for i, name in enumerate(names)
    ]
    assert not check(rows[:150], rows[150:], []).overlaps


def test_only_the_last_turn_being_alike_is_no_leak() -> None:
    def talk(name: str, first: str) -> Example:
        turns = [("user", first), ("assistant", "Yes."), ("user", "Why?"), ("assistant", first)]
        messages = tuple(Message(role, text) for role, text in turns)  # type: ignore[arg-type]
        return Example(name, messages, "f:1", name, "fact")

    trained = [talk("a", "Is the sky blue over the northern sea?")]
    assert not check(trained, [talk("b", "May cats eat boiled eggs on Sundays?")], []).leaks


def test_a_shared_group_is_a_leak(example: Any) -> None:
    trained = [example("a", "one thing", "x", group="zipfile", side="train")]
    report = check(trained, [example("b", "quite another", "y", group="zipfile")], [])
    assert report.shared_groups == ("zipfile",)
    with pytest.raises(LeakageError, match="zipfile"):
        report.require_clean()


def test_a_question_word_for_word_in_the_corpus(example: Any) -> None:
    item = example("x", "What is the answer to everything?", "42")
    page = document("faq", "FAQ.\nQ: What is the answer\nto *everything*? A: 42")
    report = check([], [item], [document("other", "Nothing here."), page])
    assert [o.other_id for o in report.questions_in_corpus] == ["faq"]
    assert report.leaks
    near = document("faq", "What is the answer to everything else, what is the answer to")
    almost = example("y", "What is the answer to most questions?", "42")
    assert not check([], [almost], [near]).questions_in_corpus


def test_short_questions_are_counted_not_sought(example: Any) -> None:
    report = check([], [example("x", "Why?", "So.")], [document("d", "Why? Because.")])
    assert (report.too_short, report.leaks) == (1, False)
    assert "1 too short" in report.lines()[2]


def test_as_dict_is_plain(train: list[Example], example: Any) -> None:
    data = check(train, [example("x", "What does fill return?", "A string.")], []).as_dict()
    assert data["leaks"] is True
    assert data["overlaps"][0]["other_id"] == "t1"
    assert len(data["lines"]) == 4


def test_ten_thousand_rows_take_seconds(example: Any) -> None:
    pick = random.Random(6)
    vocabulary = [f"w{int(pick.paretovariate(0.6)) % 20_000}" for _ in range(20_000)]
    rows = [
        example(f"r{i}", "What does this do: " + " ".join(pick.choices(vocabulary, k=12)), "x y z")
        for i in range(10_000)
    ]
    documents = [document(f"d{i}", " ".join(pick.choices(vocabulary, k=120))) for i in range(3000)]
    started = time.process_time()
    check(rows[:8000], rows[8000:], documents)
    assert time.process_time() - started < 10
