"""`luthier chat`: a conversation in the terminal, with sources, that can be left at any time."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "serve"))
from serving_fakes import OTHER, PASSAGE, Echo, service, tiny_model

from luthier.cli.chat import talk
from luthier.cli.main import main
from luthier.core.journal import FILE_NAME, Journal
from luthier.core.records import Message
from luthier.core.store import Store
from luthier.models.generate import Reply, Sampling
from luthier.serve.bundle import LATEST, BundleInfo, write_bundle
from luthier.serve.service import Service


class Stopping(Echo):
    """Ctrl-C comes while it answers ``stop``."""

    def stream(
        self, conversation: Sequence[Message], sampling: Sampling, tools: str = ""
    ) -> Iterator[str | Reply]:
        for item in super().stream(conversation, sampling, tools):
            yield item
            if conversation[-1].content == "stop here":
                raise KeyboardInterrupt


def say(
    monkeypatch: pytest.MonkeyPatch, answering: Service, lines: Iterable[str | BaseException]
) -> None:
    """Talk, with these lines typed; then Ctrl-D."""
    typed = iter(lines)

    def read(prompt: str = "") -> str:
        line = next(typed, EOFError())
        if isinstance(line, BaseException):
            raise line
        return line

    monkeypatch.setattr("builtins.input", read)
    talk(answering)


def test_a_conversation_keeps_its_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answering = service(tmp_path, Echo(passages=(PASSAGE, OTHER)))
    say(monkeypatch, answering, ["one", "", "two", "/new", "three"])
    asked = [[m.content for m in r.conversation] for r in answering.journal.records()]
    assert asked == [["one"], ["one", "one ", "two"], ["three"]]
    shown = capsys.readouterr()
    assert shown.out.split() == ["one", "two", "three"]
    assert "textwrap.py:377  textwrap.wrap (cited)" in shown.err
    assert "textwrap.py:391  textwrap.fill (read, not verified)" in shown.err
    assert answering.journal.get("last").id in shown.err


def test_a_conversation_that_got_too_long_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answering = service(tmp_path, Echo())
    say(monkeypatch, answering, ["w " * 40, "two", "w " * 60, "three"])
    shown = capsys.readouterr()
    assert "earlier turns are forgotten" in shown.err
    assert "longer than the model's context" in shown.err
    assert answering.journal.get("last").conversation == (Message("user", "three"),)


def test_ctrl_c_stops_an_answer_and_leaves_at_the_prompt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answering = service(tmp_path, Stopping())
    say(monkeypatch, answering, ["stop here", "on", KeyboardInterrupt(), "never"])
    records = answering.journal.records()
    assert [(r.finish_reason, r.answer) for r in records] == [
        ("abandoned", "stop "),
        ("stop", "on "),
    ]
    assert records[1].conversation == (Message("user", "on"),)
    assert "(stopped)" in capsys.readouterr().err


def test_once_from_the_stores_latest_bundle(tmp_path: Path) -> None:
    model, template = tiny_model(tmp_path / "model")
    store = Store(tmp_path / "store")
    info = BundleInfo(template, Sampling(max_new_tokens=4), ("q",), {})
    made = store.make(
        "bundle",
        1,
        {},
        lambda folder: write_bundle(
            folder, name="docs", route="base", model_folder=model, index_folder=None, info=info
        ),
    )
    store.keep(LATEST, made)
    options = ["chat", "--store", str(store.root), "--once", "What does wrap do?"]
    done = CliRunner().invoke(main, options)
    assert done.exit_code == 0, done.output
    record = Journal(store.root / FILE_NAME).get("last")
    assert done.stdout.strip() == record.answer
    assert record.id in done.stderr
    assert record.question == "What does wrap do?"


def test_without_a_bundle(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["chat", "--store", str(tmp_path), "--once", "Why?"])
    assert done.exit_code == 9
    assert "no bundle yet" in done.output
