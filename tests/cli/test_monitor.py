"""`luthier monitor`: the log of the last days, on screen, as JSON, as a page."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from luthier.cli.main import main
from luthier.core.journal import FILE_NAME, AnswerRecord, Journal, now
from luthier.core.records import Message, write_table
from luthier.core.store import Store
from luthier.serve import bundle as bundles


def record(number: int, at: str) -> AnswerRecord:
    return AnswerRecord(
        id=f"ans-{number}", at=at, bundle="b" * 64, route="rag", model="docs",
        conversation=(Message("user", "Why?"),), answer="So.", passages=(), citations=(),
        latency_s=0.5, first_token_s=0.1, prompt_tokens=7, completion_tokens=3,
        finish_reason="stop",
    )  # fmt: skip


def test_an_empty_store(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["monitor", "--store", str(tmp_path / "none")])
    assert done.exit_code == 0, done.output
    assert "no evaluation questions to compare with" in done.output
    assert not (tmp_path / "none").exists()


def test_answers_of_the_window_against_the_latest_bundle(tmp_path: Path) -> None:
    journal = Journal(tmp_path / FILE_NAME)
    journal.append(record(1, now()))
    journal.append(record(2, "2020-01-01T00:00:00.000000Z"))
    store = Store(tmp_path)

    def fill(folder: Path) -> dict[str, object]:
        rows = [bundles._Question("Why?")] * 30
        write_table(folder / bundles.QUESTIONS, rows, bundles._Question)
        return {}

    store.keep(bundles.LATEST, store.make("bundle", 1, {}, fill))
    page = tmp_path / "page.html"
    options = ["monitor", "--store", str(tmp_path), "--json", "--html", str(page), "--days", "3"]
    done = CliRunner().invoke(main, options)
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["answers"], len(report["days"])) == (1, 4)
    assert report["drift"]["reference"] == 30
    assert "too few answers to tell (1," in report["drift"]["words"]
    assert "too few answers to tell" in page.read_text()
