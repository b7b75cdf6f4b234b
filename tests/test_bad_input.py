"""Bad input through the whole command: a message, an exit code, nothing half-made, and on again."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

sys.path.insert(0, str(Path(__file__).parent / "serve"))
from serving_fakes import tiny_model

from luthier import config, pipeline
from luthier.cli.main import main
from luthier.core.journal import FILE_NAME, Journal
from luthier.core.ledger import read_ledger
from luthier.core.progress import Quiet
from luthier.core.store import MANIFEST, Artifact, Store

PROJECT = """\
name: bad
data:
  sources: [{kind: csv, path: faq.csv}]
  split: {test: 0.4, validation: 0.1}
model: ./model
setup: {precision: float32}
tune: {epochs: 1, batch_tokens: 1024, max_length: 128}
rag: null
evaluate: {routes: [base, fine-tuned], max_items: 2, latency_items: 1, resamples: 1000,
           max_new_tokens: 4}
serve: {max_new_tokens: 4}
"""
FAQ = "question,answer\n" + "".join(f"What is part {i}?,Number {i * 7}.\n" for i in range(20))
STAGES = ("collect", "prepare", "leakage", "model", "tune", "compare", "bundle", "report")
INTERRUPTED, FULL = KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model's folder."""
    return tiny_model(tmp_path_factory.mktemp("models") / "model")[0]


@pytest.fixture
def here(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that works, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "luthier.yaml").write_text(PROJECT)
    (tmp_path / "faq.csv").write_text(FAQ)
    shutil.copytree(model, tmp_path / "model")
    return tmp_path


def run(*options: str) -> Result:
    return CliRunner().invoke(main, ["run", "--quiet", *options])


def plan() -> dict[str, Any]:
    """A run up to the training plan, which must succeed: its stages."""
    project = config.load(Path("luthier.yaml"), ())
    found = pipeline.run(project, Path(), Quiet(), until="plan")
    stages: dict[str, Any] = found.as_json()["stages"]
    return stages


def refused(result: Result, code: int, *words: str) -> None:
    """One message with what, where and how to mend it, and nothing half-made."""
    assert result.exit_code == code, result.output
    message = result.stderr
    for word in words:
        assert word in message
    assert message.startswith("error: ")
    assert "Traceback" not in message
    assert "defect" not in message
    whole(Path(".luthier"))


def whole(root: Path) -> None:
    """Every artifact is finished; only tuning goes on from, and may leave, a draft."""
    for folder in (root / "artifacts").glob("*"):
        assert (folder / MANIFEST).is_file()
        assert not (folder / "half").exists() or folder.name.startswith("tune-")
    drafts = [p.name for p in (root / "drafts").glob("*")]
    assert all(name.startswith("tune-") for name in drafts)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ("faq.csv: cannot read this file: No such file", "Check `path`")),
        (b"", ("faq.csv: this file is empty\n", "data.sources")),
        (b"question,answer\n", ("no usable row",)),
        (
            b"frage,antwort\nx,y\n",
            ("faq.csv:1: no columns named 'question' and 'answer'", "has: 'frage', 'antwort'"),
        ),
        (b'question,answer\nx,y\n"open,z\n', ("faq.csv:3: this is not proper CSV", "quotes")),
    ],
)
def test_a_table_that_cannot_be_used(here: Path, content: bytes | None, words: tuple[str]) -> None:
    table = here / "faq.csv"
    table.unlink() if content is None else table.write_bytes(content)
    refused(run(), 3, *words)
    assert not list(Path(".luthier").glob("artifacts/*"))
    table.write_text(FAQ)
    assert plan()["collect"]["summary"]["rows"] == 20


@pytest.mark.parametrize(
    ("broken", "action", "reason"),
    [
        (b"caf\xe9,z\n", "changed", "read as another encoding than UTF-8"),
        ("Straße,ß\n".encode() + b"\xff\xfe\x81,z\n", "refused", "bytes that are not text"),
    ],
)
def test_bytes_that_are_not_utf8_stand_in_the_ledger(
    here: Path, broken: bytes, action: str, reason: str
) -> None:
    (here / "faq.csv").write_bytes(FAQ.encode() + broken)
    collected = plan()["collect"]
    key = {"changed": "changed", "refused": "reasons"}[action]
    assert collected["summary"][key] == {reason: 1}
    entries = [e for e in read_ledger(Path(collected["path"])).entries if e.reason == reason]
    assert [e.action for e in entries] == [action]


def test_columns_that_are_not_there(here: Path) -> None:
    source = "data.sources=[{kind: csv, path: faq.csv, question: q, answer: a}]"
    refused(run("--set", source), 3, "faq.csv:1: no column named 'q', 'a'", "'question', 'answer'")


def test_a_row_without_an_answer_stands_in_the_ledger_and_the_run_goes_on(here: Path) -> None:
    (here / "faq.csv").write_text(f"{FAQ}Why?,\n")
    collected = plan()["collect"]
    assert collected["summary"]["rows"] == 20
    assert collected["summary"]["reasons"] == {"empty answer": 1}
    shown = CliRunner().invoke(main, ["show", collected["artifact"]])
    assert "1  empty answer  (first: faq.csv:22)" in shown.output


def test_too_many_bad_rows_end_the_run(here: Path) -> None:
    (here / "faq.csv").write_text("question,answer\na,b\n" + "Why?,\n" * 3)
    what = ("collect refused 3 of 4 rows", "3 x empty answer (faq.csv:3)")
    refused(run(), 4, *what, "Mend the rows, or set `data.max_refused` to 0.75")


@pytest.mark.parametrize(
    ("change", "option", "words"),
    [
        ("epochs: 1", "epoch: 1", "luthier.yaml:7: tune.epoch: unknown key; did you mean 'epochs'"),
        ("epochs: 1", "lr: fast", "luthier.yaml:7: tune.lr: expected a number, found the text"),
        ("name: bad", "nmae: bad", "luthier.yaml:1: nmae: unknown key; did you mean 'name'?"),
    ],
)
def test_settings_that_are_wrong(here: Path, change: str, option: str, words: str) -> None:
    (here / "luthier.yaml").write_text(PROJECT.replace(change, option))
    refused(run(), 2, words)
    assert not Path(".luthier").exists()


def test_a_learning_rate_given_as_text_on_the_command_line(here: Path) -> None:
    refused(run("--set", "tune.lr=quick"), 2, "--set tune.lr: expected a number")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("./none", ("./none: no such model folder", "model.name")),
        ("nobody/none", ("'nobody/none' is no local folder", "hf download nobody/none")),
        ("./empty", ("empty: not a model folder: config.json is missing",)),
    ],
)
def test_a_model_that_is_not_there(here: Path, name: str, words: tuple[str, ...]) -> None:
    (here / "empty").mkdir()
    refused(run("--set", f"model={name}"), 5, *words)


def test_a_model_without_a_chat_template(here: Path) -> None:
    template = here / "model" / "chat_template.jinja"
    text = template.read_text()
    template.unlink()
    refused_later(run(), 5, "model: this model has no chat template", "put a chat_template.jinja")
    template.write_text(text)
    assert plan()["collect"]["reused"]


def refused_later(result: Result, code: int, *words: str) -> None:
    """Refused after the model's library has shown its own bars on standard error."""
    assert result.exit_code == code, result.output
    for word in words:
        assert word in result.stderr
    assert "Traceback" not in result.stderr
    whole(Path(".luthier"))


def test_a_locked_store(here: Path) -> None:
    made = Path(".luthier", "artifacts", plan()["prepare"]["artifact"])
    shutil.rmtree(made)
    lock = Path(".luthier", "locks", f"{made.name}.lock")
    with lock.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        refused(run(), 7, str(lock), "is being made by another process", "Wait until")
    assert plan()["collect"]["reused"]


def test_a_store_that_is_a_file(here: Path) -> None:
    refused(run("--set", "store=faq.csv"), 7, "faq.csv: a file stands where the store", "`store`")


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs Linux's read-only folder")
def test_a_store_that_cannot_be_written(here: Path) -> None:
    refused(run("--set", "store=/sys/kernel/luthier"), 8, "/sys/kernel/luthier", "no permission")


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (INTERRUPTED, 130, ("stopped; finished stages are kept, run again to go on",)),
        (FULL, 8, ("the disk is full", "Free some space", "finished stages are not remade")),
    ],
    ids=["Ctrl-C", "full disk"],
)
def test_stopped_in_every_stage_and_on_again(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    words: tuple[str, ...],
) -> None:
    original, stopping = Store.make, [""]

    def make(
        store: Store, stage: str, version: int, inputs: Mapping[str, Any],
        fill: Callable[[Path], Mapping[str, Any]], **options: Any,
    ) -> Artifact:  # fmt: skip
        def stopped(folder: Path) -> Mapping[str, Any]:
            if stage != stopping[0]:
                return fill(folder)
            (folder / "half").write_text("written")
            raise error

        return original(store, stage, version, inputs, stopped, **options)

    monkeypatch.setattr(Store, "make", make)
    for number, stage in enumerate(STAGES):
        stopping[0] = stage
        refused_later(run(), code, *words)
        finished = {a.stage for a in Store(Path(".luthier")).all()}
        assert finished == set(STAGES[:number])
    stopping[0] = ""
    result = run("--json")
    assert result.exit_code == 0, result.stderr
    stages = json.loads(result.stdout)["stages"]
    assert [name for name in STAGES if not stages[name]["reused"]] == ["report"]


def test_ctrl_c_in_a_real_process(here: Path) -> None:
    package = here / "slowly"
    package.mkdir()
    (package / "__init__.py").write_text(
        '"""A package that is slow the first time."""\nimport pathlib, time\n'
        "flag = pathlib.Path(__file__).with_name('begun')\n"
        "first = not flag.exists()\nflag.touch()\nif first:\n    time.sleep(60)\n"
        'def play(piece):\n    """Play a piece of music."""\n'
    )
    source = "data.sources=[{kind: pydoc, packages: [slowly]}, {kind: csv, path: faq.csv}]"
    paths = os.pathsep.join([str(here), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-m", "luthier", "run", "--quiet", "--set", source],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": paths},
        # whoever starts the tests in the background lets them inherit a deaf ear
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    end = time.monotonic() + 60
    while not (package / "begun").exists():
        assert process.poll() is None
        assert time.monotonic() < end, "the package was never read"
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 130
    assert message == "stopped; finished stages are kept, run again to go on\n"
    whole(Path(".luthier"))


def test_a_question_longer_than_the_context(here: Path) -> None:
    result = run("--set", "tune=null", "--set", "evaluate=null")
    assert result.exit_code == 0, result.output
    asked = CliRunner().invoke(main, ["chat", "--once", "word " * 400])
    refused_later(asked, 9, "longer than the model's context", "of at most 256", "Shorten it")
    logged = Journal(Path(".luthier", FILE_NAME)).get("last")
    assert (logged.finish_reason, logged.answer) == ("context", "")
    assert logged.id in asked.stderr
    asked = CliRunner().invoke(main, ["chat", "--once", "Why?"])
    assert asked.exit_code == 0
    assert CliRunner().invoke(main, ["chat", "--once", " "]).exit_code == 2
