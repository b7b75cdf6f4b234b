"""The log tells who saw what, and tells when somebody has touched it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from luthier.core.errors import ResourceError, StoreError
from luthier.rag.access import ANYONE, viewer
from luthier.rag.audit import Audit, AuditSpec

ANN, BOB = viewer(["ann", "law"]), viewer(["bob"])


def filled(path: Path, spec: AuditSpec | None = None) -> Audit:
    audit = Audit(path / "audit.sqlite", spec or AuditSpec())
    audit.write("a", "asked", ANN, "Who signs?", passages=["d#0", "e#9"], documents=["d", "e"])
    audit.write(
        "a", "answered", ANN, "Who signs?", passages=["d#0"], documents=["d"], citations=["d#0"],
        refused=[("f#0", "access"), ("g#0", "injection")], notes={"link": 1},
    )  # fmt: skip
    audit.write("b", "asked", BOB, "And when?", passages=["e#0"], documents=["e"])
    return audit


def test_what_somebody_saw_and_who_saw_something(tmp_path: Path) -> None:
    audit = filled(tmp_path)
    assert [line.asking for line in audit.saw("ann")] == ["a", "a"]
    assert [line.number for line in audit.saw("everyone")] == [1, 2, 3]
    assert [line.viewer for line in audit.who_saw("e")] == [tuple(sorted(ANN)), tuple(sorted(BOB))]
    assert audit.saw("zoe") == audit.who_saw("f") == audit.who_saw("") == []
    last = audit.lines()[1]
    assert (last.outcome, last.citations, last.notes) == ("answered", ("d#0",), {"link": 1})
    assert last.refused == (("f#0", "access"), ("g#0", "injection"))
    assert audit.verify() is None


@pytest.mark.parametrize(("kept", "text"), [("text", True), ("digest", False), ("none", False)])
def test_questions_are_kept_as_told(tmp_path: Path, kept: str, text: bool) -> None:
    audit = filled(tmp_path, AuditSpec(question=kept))  # type: ignore[arg-type]
    audit.close()
    assert (b"Who signs?" in (tmp_path / "audit.sqlite").read_bytes()) is text
    assert len(audit.asked("Who signs?")) == (0 if kept == "none" else 2)
    if kept == "digest":
        assert len(audit.asked("who  SIGNS?")) == 2
        other = filled(tmp_path / "other")
        assert other.lines()[0].question != audit.lines()[0].question  # each log has its own key


def test_lines_cannot_be_changed_in_passing(tmp_path: Path) -> None:
    audit = filled(tmp_path)
    for statement in ("UPDATE lines SET viewer = '[]'", "DELETE FROM lines", "DELETE FROM seen"):
        with sqlite3.connect(audit.path) as other, pytest.raises(sqlite3.Error, match="only grows"):
            other.execute(statement)


@pytest.mark.parametrize(
    ("change", "number"),
    [
        ("UPDATE lines SET documents = '[]' WHERE number = 2", 2),
        ("DELETE FROM lines WHERE number = 1", 1),
        ("UPDATE lines SET number = 9 WHERE number = 3", 3),
        ("UPDATE lines SET digest = 'x' WHERE number = 1", 1),
        ("UPDATE lines SET notes = 'no JSON' WHERE number = 2", 2),
    ],
)
def test_who_takes_the_triggers_away_is_found_out(tmp_path: Path, change: str, number: int) -> None:
    audit = filled(tmp_path)
    audit.close()
    with sqlite3.connect(audit.path) as other:
        for event in ("UPDATE", "DELETE"):
            other.execute(f"DROP TRIGGER lines_{event}")
        other.execute(change)
    assert audit.verify() == number


def test_what_is_cut_off_at_the_end_shows_in_the_last_digest(tmp_path: Path) -> None:
    audit = filled(tmp_path)
    noted = audit.last_digest
    assert len(noted) == 64
    audit.write("c", "asked", ANYONE, "?")
    assert audit.last_digest != noted


def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "none.sqlite", AuditSpec())
    assert audit.lines() == audit.asked("x") == []
    assert audit.verify() is None
    assert audit.last_digest == ""
    assert not audit.path.exists()


def test_threads_and_processes_write_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.sqlite"
    script = (
        "import sys; from pathlib import Path\n"
        "from luthier.rag.audit import Audit, AuditSpec\n"
        "from luthier.rag.access import ANYONE\n"
        "log = Audit(Path(sys.argv[1]), AuditSpec())\n"
        "for i in range(20): log.write(str(i), 'asked', ANYONE, 'q')\n"
    )
    other = subprocess.Popen([sys.executable, "-c", script, str(path)])
    audit = Audit(path, AuditSpec())
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: audit.write(f"t{i}", "asked", ANYONE, "q"), range(20)))
    assert other.wait() == 0
    assert [line.number for line in audit.lines()] == list(range(1, 41))
    assert audit.verify() is None


def test_errors_are_told(tmp_path: Path) -> None:
    (tmp_path / "text.sqlite").write_text("no database at all, only text\n" * 50)
    with pytest.raises(StoreError, match="no audit log"):
        Audit(tmp_path / "text.sqlite", AuditSpec()).write("a", "asked", ANYONE, "q")
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError):
        Audit(tmp_path / "file" / "audit.sqlite", AuditSpec()).write("a", "asked", ANYONE, "q")
    filled(tmp_path).close()
    with sqlite3.connect(tmp_path / "audit.sqlite") as other:
        other.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="newer Luthier"):
        Audit(tmp_path / "audit.sqlite", AuditSpec()).lines()


def test_a_damaged_line_is_told(tmp_path: Path) -> None:
    audit = filled(tmp_path)
    audit.close()
    with sqlite3.connect(audit.path) as other:
        other.execute("DROP TRIGGER lines_UPDATE")
        other.execute("UPDATE lines SET notes = 'no JSON' WHERE number = 2")
    with pytest.raises(StoreError, match="damaged"):
        audit.lines()
