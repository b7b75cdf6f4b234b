"""Datasets from local folders, the hub's cache, and a hub played by a server on loopback."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import datasets
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value
from hypothesis import given, settings, strategies as st
from pydantic import ValidationError

from luthier.core.errors import DataError, LuthierError, ResourceError
from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.data.sources.hub import HubSource, digest_hub, read_hub
from luthier.data.sources.raw import Raw

FEATURES = Features(
    {
        "text": Value("string"),
        "label": ClassLabel(names=["ham", "spam"]),
        "tags": List(ClassLabel(names=["a", "b"])),
        "at": Value("timestamp[s]"),
        "meta": {"kind": ClassLabel(names=["x"]), "n": Value("int32")},
    }
)
ROWS = {
    "text": ["Hello.", "Win!", None],
    "label": [0, 1, -1],
    "tags": [[0, 1], [], None],
    "at": [0, None, 1],
    "meta": [{"kind": 0, "n": 1}, {"kind": None, "n": None}, {"kind": 0, "n": 2}],
}
COMMIT = "c0ffee" + "0" * 34
TOKEN = "hf_very_secret"


@pytest.fixture
def table() -> Dataset:
    return Dataset.from_dict(ROWS, features=FEATURES)


def read(base: Path, name: str = "set", **given: Any) -> list[Raw]:
    return list(read_hub(HubSource(name=name, **given), base, Ledger(), Quiet()))


def failure(base: Path, name: str = "set", **given: Any) -> str:
    with pytest.raises(LuthierError) as error:
        read(base, name, **given)
    assert len(str(error.value).splitlines()) == 2, str(error.value)
    return str(error.value)


def check_rows(rows: list[Raw], split: str) -> None:
    assert [r.origin for r in rows] == [f"set/{split}:{i}" for i in range(3)]
    assert [r.values["label"] for r in rows] == ["ham", "spam", None]
    assert rows[0].values == {
        "text": "Hello.",
        "label": "ham",
        "tags": ["a", "b"],
        "at": "1970-01-01 00:00:00",
        "meta": {"kind": "x", "n": 1},
    }
    assert rows[1].values["meta"] == {"kind": None, "n": None}
    assert rows[2].values["tags"] is None


def test_a_saved_split(table: Dataset, tmp_path: Path) -> None:
    table.save_to_disk(tmp_path / "set")
    check_rows(read(tmp_path), "train")
    check_rows(read(tmp_path, split="test"), "test")


def test_saved_splits(table: Dataset, tmp_path: Path) -> None:
    DatasetDict({"train": table.select([0]), "test": table}).save_to_disk(tmp_path / "set")
    check_rows(read(tmp_path, split="test"), "test")
    assert "no split named 'dev'\n  It has: train, test." in failure(tmp_path, split="dev")


def test_a_folder_of_files(table: Dataset, tmp_path: Path) -> None:
    (tmp_path / "set" / "data").mkdir(parents=True)
    table.to_parquet(tmp_path / "set" / "data" / "train-00000.parquet")
    table.to_parquet(tmp_path / "set" / "data" / "test-00000.parquet")
    check_rows(read(tmp_path, split="test"), "test")
    assert "no split named 'dev'\n  It has: train, test." in failure(tmp_path, split="dev")


def test_configurations(tmp_path: Path) -> None:
    for config in ("en", "de"):
        (tmp_path / "set" / config).mkdir(parents=True)
        row = {"question": f"{config}?", "answer": "Yes."}
        (tmp_path / "set" / config / "test.jsonl").write_text(json.dumps(row))
    (tmp_path / "set" / "README.md").write_text(
        "---\nconfigs:\n- config_name: en\n  data_files: en/*\n"
        "- config_name: de\n  data_files: de/*\n---\n"
    )
    (row,) = read(tmp_path, config="de", split="train")
    assert row == Raw({"question": "de?", "answer": "Yes."}, "set/de/train:0")
    assert "'en'" in failure(tmp_path)
    assert "fr" in failure(tmp_path, config="fr")


def test_a_digest_follows_the_files(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    path = tmp_path / "set" / "a.jsonl"
    path.write_text('{"text": "a"}')
    source = HubSource(name="set")
    before = digest_hub(source, tmp_path)
    assert digest_hub(source, tmp_path) == before
    path.write_text('{"text": "b"}')
    assert digest_hub(source, tmp_path) != before


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ({}, "set: cannot be read:"),
        ({"a.unknown": "x"}, "set: cannot be read:"),
        ({"a.parquet": "no parquet"}, "set: cannot be read:"),
        ({"a.jsonl": "{broken"}, "set: cannot be read:"),
        ({"a.csv": 'text\n"open'}, "set: cannot be read:"),
        ({"state.json": "{}"}, "set: cannot be read:"),
        ({"dataset_dict.json": "{"}, "set: cannot be read:"),
        ({"script.py": "raise SystemExit"}, "set: cannot be read:"),
    ],
)
def test_broken_folders_say_what_is_wrong(
    tmp_path: Path, content: dict[str, str], what: str
) -> None:
    (tmp_path / "set").mkdir()
    for name, text in content.items():
        (tmp_path / "set" / name).write_text(text)
    assert what in failure(tmp_path)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("./nosuch", "no such folder"),
        ("a/b/c", "no such folder"),
        ("file.txt", "no such folder"),
        ("a b!", "neither a folder nor the id of a hub dataset"),
        ("user/nosuch", "no such folder, and the hub cannot be reached or is not to be asked"),
    ],
)
@pytest.mark.parametrize("offline", [True, False])  # the environment says so in any case
def test_names_that_are_nothing(tmp_path: Path, name: str, what: str, offline: bool) -> None:
    (tmp_path / "file.txt").write_text("x")
    assert what in failure(tmp_path, name, offline=offline)
    with pytest.raises(DataError, match=what):
        digest_hub(HubSource(name=name, offline=offline), tmp_path)


def test_columns_that_mean_nothing(tmp_path: Path) -> None:
    Dataset.from_dict({"a": [1]}).save_to_disk(tmp_path / "set")
    assert "set/train: no columns named 'question'" in failure(tmp_path)
    assert read(tmp_path, text="a")[0].values == {"a": 1}


def test_the_cache_is_enough_when_offline(
    table: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = tmp_path / "datasets--user--set"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text(COMMIT)
    (cached / "snapshots" / COMMIT).mkdir(parents=True)
    table.to_parquet(cached / "snapshots" / COMMIT / "train.parquet")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    rows = read(tmp_path, "user/set", offline=True)
    assert [r.origin for r in rows] == [f"user/set/train:{i}" for i in range(3)]
    assert digest_hub(HubSource(name="user/set", offline=True), tmp_path) == COMMIT
    assert "hub cannot be reached" in failure(tmp_path, "user/set", offline=True, revision="v2")


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's interface as one dataset needs."""

    files: dict[str, bytes] = {}
    asked: list[str] = []
    sent = ""
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.asked.append(path)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.reply(401, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif path.startswith("/api/datasets/user/set/revision/v2"):
            self.reply(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        elif path.startswith("/api/datasets/user/set/tree/"):
            below = path.split("/tree/", 1)[1].partition("/")[2]
            everything = "recursive=true" in self.path.lower()
            self.reply(200, json.dumps(self.listed(below, everything)).encode())
        elif path.startswith("/api/datasets/user/set/paths-info/"):
            names = parse_qs(self.sent)["paths"]
            found = [one for one in self.listed("", everything=True) if one["path"] in names]
            self.reply(200, json.dumps(found).encode())
        elif path.startswith("/api/datasets/user/set"):
            siblings = [{"rfilename": name} for name in self.files]
            info = {"id": "user/set", "sha": COMMIT, "siblings": siblings, "private": False}
            self.reply(200, json.dumps(info).encode())
        elif (name := path.removeprefix(f"/datasets/user/set/resolve/{COMMIT}/")) in self.files:
            self.send_file(self.files[name])
        else:
            self.reply(404, b"{}", {"X-Error-Code": "EntryNotFound"})

    def listed(self, folder: str, everything: bool) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for name, data in self.files.items():
            known = {"type": "file", "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
            found[name] = {"path": name, **known}
            for above in map(str, Path(name).parents):
                if above != ".":
                    found[above] = {"path": above, "type": "directory", "oid": "0" * 40}
        return [
            one
            for path, one in found.items()
            if not folder or path.startswith(f"{folder}/")
            if everything or str(Path(path).parent) == (folder or ".")
        ]

    def send_file(self, data: bytes) -> None:
        headers = {"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "X-Repo-Commit": COMMIT}
        asked = self.headers.get("Range")
        if asked is None:
            self.reply(200, data, headers)
            return
        first, _, last = asked.removeprefix("bytes=").partition("-")
        end = min(int(last) if last else len(data) - 1, len(data) - 1)
        headers["Content-Range"] = f"bytes {first}-{end}/{len(data)}"
        self.reply(206, data[int(first) : end + 1], headers)

    def do_POST(self) -> None:
        self.sent = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.do_GET()

    def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Accept-Ranges": "bytes", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub(table: Dataset, tmp_path: Path) -> Iterator[str]:
    table.to_parquet(tmp_path / "train.parquet")
    Hub.files = {"data/train-00000.parquet": (tmp_path / "train.parquet").read_bytes()}
    Hub.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


PROBE = """
import json, sys
from pathlib import Path
from luthier.core.ledger import Ledger
from luthier.core.errors import LuthierError
from luthier.core.progress import Quiet
from luthier.data.sources.hub import HubSource, digest_hub, read_hub
for given in json.loads(sys.argv[1]):
    source = HubSource(name="user/set", **given)
    try:
        rows = list(read_hub(source, Path(), Ledger(), Quiet()))
        told = [[r.origin, r.values["label"]] for r in rows]
        print(json.dumps([digest_hub(source, Path()), told]))
    except LuthierError as error:
        print(json.dumps(str(error)))
"""


def test_a_hub_dataset_is_downloaded_or_streamed(hub: str, tmp_path: Path) -> None:
    token = {"token": "${MY_TOKEN}"}
    asked = [{}, {**token, "streaming": True}, token, {**token, "revision": "v2"}]
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("HF_")},
        "HF_ENDPOINT": hub,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "1",
        "MY_TOKEN": TOKEN,
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(asked)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    denied, streamed, downloaded, other = map(json.loads, done.stdout.splitlines())
    names = [[f"user/set/train:{i}", label] for i, label in enumerate(["ham", "spam", None])]
    assert streamed == downloaded == [COMMIT, names]
    assert "the hub knows no revision 'v2'" in other
    assert "no such dataset on the hub, or it is private" in denied
    assert TOKEN not in done.stdout + done.stderr


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets.exceptions", None)
    with pytest.raises(ResourceError, match=r"pip install 'luthier\[data\]'"):
        read(tmp_path)


@pytest.mark.parametrize(
    "given",
    [{"streaming": True, "offline": True}, {"token": TOKEN}, {"name": ""}, {"path": "a"}],
)
def test_wrong_settings_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as error:
        HubSource(**{"name": "set", **given})
    assert TOKEN not in str(error.value)


def test_bars_are_as_they_were(table: Dataset, tmp_path: Path, capfd: Any) -> None:
    table.save_to_disk(tmp_path / "set")
    capfd.readouterr()
    before = datasets.are_progress_bars_disabled()
    read(tmp_path)
    assert datasets.are_progress_bars_disabled() == before
    assert capfd.readouterr().err == ""


@settings(max_examples=15, deadline=None)
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {"text": st.none() | st.text(max_size=5), "label": st.integers(-1, 1)}
        ),
        min_size=1,
        max_size=7,
    )
)
def test_every_row_comes_out(
    rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = tmp_path_factory.mktemp("rows")
    features = Features({name: FEATURES[name] for name in ("text", "label")})
    Dataset.from_list(rows, features=features).save_to_disk(base / "set")
    out = read(base)
    assert [r.values["text"] for r in out] == [row["text"] for row in rows]
    assert [r.values["label"] for r in out] == [
        None if row["label"] < 0 else ["ham", "spam"][row["label"]] for row in rows
    ]
