"""What each file is, which are refused, and a hub on this machine of which only little is read."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from luthier.models.inspect_files import FileFact, concerns, kind_of, local_files, odd_imports

SHA = "a" * 40
CONFIG = json.dumps({"model_type": "llama", "architectures": ["LlamaForCausalLM"]}).encode()
README = b"---\nlicense: apache-2.0\n---\n# A model\n"
SIZE = 5_000_000_000
WEIGHTS = {
    "rfilename": "model.safetensors",
    "size": SIZE,
    "lfs": {"sha256": "f" * 64, "size": SIZE, "pointerSize": 134},
}


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the hub as looking at a model takes."""

    asked: list[str]
    files = {"config.json": CONFIG, "README.md": README, "tokenizer.json": b"{}"}

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET(body=False)

    def do_GET(self, body: bool = True) -> None:
        path = self.path.partition("?")[0]
        self.asked.append(path)
        if path.startswith("/api/models/org/good"):
            siblings = [{"rfilename": n, "size": len(b)} for n, b in self.files.items()]
            told = {"sha": SHA, "id": "org/good", "siblings": [*siblings, WEIGHTS], "gated": "auto"}
            self.answer(json.dumps(told).encode(), body)
        elif path.startswith("/org/good/resolve/"):
            self.answer(self.files[path.rpartition("/")[2]], body)
        elif "org/gated" in path:
            self.send_response(403)
            self.send_header("X-Error-Code", "GatedRepo")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def answer(self, data: bytes, body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", SHA)
        self.end_headers()
        if body:
            self.wfile.write(data)


@pytest.fixture
def hub() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    handler = type("Handler", (Hub,), {"asked": asked})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


PROGRAM = """
import dataclasses, json, sys
from luthier.core.errors import LuthierError
from luthier.models.inspect_files import hub_files
from luthier.models.load import ModelSpec
told = []
for words in json.loads(sys.argv[1]):
    only = words.pop("only_config", False)
    try:
        folder, files, sha, gated = hub_files(ModelSpec(**words), only_config=only)
        told.append({"here": sorted(p.name for p in folder.iterdir()), "sha": sha, "gated": gated,
                     "files": [dataclasses.asdict(f) for f in files]})
    except LuthierError as error:
        told.append(str(error))
print(json.dumps(told))
"""


def look(endpoint: str, home: Path, *specs: dict[str, Any]) -> list[Any]:
    """Look at models in a process of its own: the hub's address is read when it starts."""
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(home)}
    environment |= {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1"}
    source = str(Path(__file__).parents[2] / "src")
    environment["PYTHONPATH"] = source
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(specs)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_model_of_the_hub(hub: tuple[str, list[str]], tmp_path: Path) -> None:
    endpoint, asked = hub
    one, again, gated, missing = look(
        endpoint,
        tmp_path,
        {"name": "org/good", "revision": "main"},
        {"name": "org/good", "offline": True},
        {"name": "org/gated"},
        {"name": "org/none"},
    )
    assert one["here"] == ["README.md", "config.json", "tokenizer.json"]
    assert (one["sha"], one["gated"]) == (SHA, True)
    weights = next(f for f in one["files"] if f["kind"] == "weights")
    assert (weights["bytes"], weights["sha256"]) == (SIZE, "f" * 64)
    assert not any("safetensors" in path for path in asked), "weights stay where they are"
    assert again["here"] == one["here"], "offline, what is in the cache is used"
    assert "gated" in gated
    assert "HF_TOKEN" in gated
    assert "no model 'org/none' on the hub" in missing


def test_offline_asks_nobody_and_a_plan_takes_only_the_config(
    hub: tuple[str, list[str]], tmp_path: Path
) -> None:
    endpoint, asked = hub
    offline, config = look(
        endpoint,
        tmp_path,
        {"name": "org/good", "offline": True},
        {"name": "org/good", "only_config": True},
    )
    assert "neither here nor in the hub's cache" in offline
    assert config["here"] == ["config.json"]
    assert not any(path.endswith("tokenizer.json") for path in asked)


def test_a_hub_that_cannot_be_reached(tmp_path: Path) -> None:
    (found,) = look("http://127.0.0.1:9", tmp_path, {"name": "org/good"})
    assert "cannot be reached" in found


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("model-00001-of-00002.safetensors", "weights"),
        ("pytorch_model.bin", "pickle"),
        ("training_args.bin", "pickle"),
        ("modeling_x.py", "code"),
        ("onnx/model.onnx", "other weights"),
        ("tokenizer.json", "settings"),
        ("LICENSE.txt", "card"),
        ("README.md", "card"),
        ("strange.xyz", "other"),
        ("strange", "other"),
    ],
)
def test_kinds_by_name(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_local_files_with_their_digests(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"abc")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / ".hidden").write_text("x")
    config, weights = local_files(tmp_path)
    assert config == FileFact("config.json", 2, "settings", None)
    assert weights.sha256 == hashlib.sha256(b"abc").hexdigest()


def test_pickles_alone_are_refused_unless_asked_for(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(2)}, tmp_path / "pytorch_model.bin")
    files = local_files(tmp_path)
    refused, _ = concerns(tmp_path, files, {}, allow_pickle=False)
    assert "can run any code" in refused
    assert concerns(tmp_path, files, {}, allow_pickle=True)[0] == ""
    (tmp_path / "model.safetensors").write_bytes(b"")
    refused, told = concerns(tmp_path, local_files(tmp_path), {}, allow_pickle=False)
    assert refused == ""
    assert told == ["pickles beside safetensors are never loaded: pytorch_model.bin"]


def test_pickles_that_import_more_are_refused_even_if_asked_for(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(2), "x": _Harmful()}, tmp_path / "pytorch_model.bin")
    refused, told = concerns(tmp_path, local_files(tmp_path), {}, allow_pickle=True)
    assert "can run any code" in refused
    assert "allow_pickle" not in refused, "it would be of no use"
    assert "system" in told[0]


def test_a_folder_without_weights_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    refused, told = concerns(tmp_path, local_files(tmp_path), {}, allow_pickle=False)
    assert (refused, told) == (
        "",
        ["there are no weights among the files: it can be looked at, not loaded"],
    )


class _Harmful:
    def __reduce__(self) -> Any:
        return os.system, ("echo harm > harmed",)


@pytest.mark.parametrize("protocol", [2, 4])
def test_what_a_pickle_would_import_is_told_and_not_done(
    tmp_path: Path, protocol: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "pytorch_model.bin"
    torch.save({"w": torch.zeros(2), "x": _Harmful()}, path, pickle_protocol=protocol)
    assert [n.rpartition(".")[2] for n in odd_imports(path)] == ["system"]
    plain = tmp_path / "plain.pkl"
    plain.write_bytes(pickle.dumps(_Harmful(), protocol=protocol))
    assert odd_imports(plain)
    assert not (tmp_path / "harmed").exists()
    half = torch.nn.Parameter(torch.zeros(2, dtype=torch.bfloat16))
    torch.save({"w": torch.zeros(2), "p": half, "n": np.zeros(2)}, path)
    assert odd_imports(path) == []
    assert odd_imports(tmp_path / "not-downloaded.bin") == []


def test_names_put_aside_and_functions_of_torch_are_seen(tmp_path: Path) -> None:
    hidden = (  # "os" and "system" are put aside, and fetched behind harmless names
        b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x8c\x0bcollections\x94"
        b"\x8c\x0bOrderedDict\x94h\x00h\x01\x93."
    )
    (tmp_path / "hidden.pkl").write_bytes(hidden)
    assert odd_imports(tmp_path / "hidden.pkl") == ["os.system"]
    (tmp_path / "hub.pkl").write_bytes(b"ctorch.hub\nload\n.")
    assert odd_imports(tmp_path / "hub.pkl") == ["torch.hub.load"]


def test_code_of_the_models_own_is_told(tmp_path: Path) -> None:
    (tmp_path / "modeling_own.py").write_text("")
    files = local_files(tmp_path)
    named = {
        "auto_map": {"AutoModelForCausalLM": "modeling_own.Own", "AutoTokenizer": ["t.T", None]}
    }
    _, told = concerns(tmp_path, files, named, allow_pickle=False)[1]
    assert "modeling_own, t.py" in told
    _, unnamed = concerns(tmp_path, files, {}, allow_pickle=False)[1]
    assert "nothing names: modeling_own.py" in unnamed
