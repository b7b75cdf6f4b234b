"""Answers are kept as soon as they come, and found again by what was asked."""

from __future__ import annotations

import threading
from pathlib import Path

from luthier.core.records import Message
from luthier.data.synthesize.journal import Call, CallJournal, Told
from luthier.models.generate import Sampling


def call(text: str, seed: int = 0) -> Call:
    return Call((Message("user", text),), Sampling(seed=seed))


def test_an_answer_is_found_by_its_call_alone(tmp_path: Path) -> None:
    path = tmp_path / "calls" / "m.jsonl"
    told = Told("Ä\nB", 3, 2, True)
    CallJournal(path).add([call("a")], [told])
    again = CallJournal(path)
    assert again.get(call("a")) == told
    assert again.get(call("a", seed=1)) is None
    assert again.get(call("b")) is None


def test_a_line_cut_off_by_a_crash_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    CallJournal(path).add([call("a"), call("b")], [Told("A", 1, 1), Told("B", 1, 1)])
    path.write_bytes(path.read_bytes()[:-20])
    second = CallJournal(path)
    assert (second.get(call("a")), second.get(call("b"))) == (Told("A", 1, 1), None)
    second.add([call("c")], [Told("C", 1, 1)])
    third = CallJournal(path)
    assert (third.get(call("c")), third.get(call("b"))) == (Told("C", 1, 1), None)


def test_two_journals_of_one_file_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"

    def write(name: str) -> None:
        journal = CallJournal(path)
        for n in range(50):
            journal.add([call(f"{name}{n}")], [Told("x" * 500, 1, 1)])

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    read = CallJournal(path)
    assert all(read.get(call(f"{name}{n}")) for name in "abcd" for n in range(50))


def test_a_foreign_line_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(b'[]\n{"key": "k"}\n\xff\n{"key": "k", "other": 1}\n\n')
    CallJournal(path).add([call("a")], [Told("A", 1, 1)])
    assert CallJournal(path).get(call("a")) == Told("A", 1, 1)
