"""What the user calls an answerer decides what is opened, and what names its answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from suite_fakes import Told, echo
from tiny_models import CHATML, tiny, write

from luthier.core.errors import ConfigError, ModelError, ResourceError
from luthier.core.records import Message
from luthier.evaluate.runs.answerers import named, open_answerer, own, unique
from luthier.models.generate import Sampling

ASKED = [(Message("user", "How many?"),)]
ONE = b'{"data": [{"id": "fiddle"}]}'


class Server(HTTPServer):
    body = ONE


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.body)  # type: ignore[attr-defined]

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("mine=some/model", ("mine", "some/model")),
        ("org/model", ("org/model", "org/model")),
        ("http://host:1/v1#small", ("small", "http://host:1/v1#small")),
        ("http://host:1/v1?a=b", ("host:1", "http://host:1/v1?a=b")),
        ("far=http://host/v1", ("far", "http://host/v1")),
    ],
)
def test_a_name_may_stand_before_the_target(text: str, wanted: tuple[str, str]) -> None:
    assert named(text) == wanted


def test_models_and_adapters_are_named_by_their_files(tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    model = tiny(template=CHATML)
    write(model, tmp_path / "base")
    wrapped = get_peft_model(model.network, LoraConfig(r=2, target_modules=["q_proj"]))
    wrapped.save_pretrained(tmp_path / "lora")
    bare = open_answerer("base", tmp_path)
    tuned = open_answerer("mine=base+lora", tmp_path)
    assert (bare.kind, tuned.kind, tuned.name) == ("model", "adapter", "mine")
    assert bare.digest != tuned.digest
    assert bare.digest == open_answerer("other=base", tmp_path).digest
    for answerer in (bare, tuned):
        (reply,) = answerer.open().generate(ASKED, Sampling(max_new_tokens=2))
        assert reply.completion_tokens > 0


def test_an_adapter_needs_its_base(tmp_path: Path) -> None:
    folder = tmp_path / "lora"
    folder.mkdir()
    (folder / "adapter_config.json").write_text("{}", "utf-8")
    (folder / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(ConfigError, match="which model it belongs to"):
        open_answerer("lora", tmp_path)


def test_an_endpoint_is_named_by_address_and_model(server: Server) -> None:
    address = f"http://127.0.0.1:{server.server_port}/v1"
    found = open_answerer(address, Path())
    assert found.identity == {"endpoint": address, "model": "fiddle"}
    assert open_answerer(f"{address}#other", Path()).identity["model"] == "other"
    server.body = b'{"data": [{"id": "a"}, {"id": "b"}]}'
    with pytest.raises(ModelError, match=r"serves 2 models \(a, b\)"):
        open_answerer(address, Path())
    server.body = b"nonsense"
    with pytest.raises(ModelError, match="does not tell its models"):
        open_answerer(address, Path())


def test_what_is_not_there_is_told() -> None:
    with pytest.raises(ResourceError, match="cannot be reached"):
        open_answerer("http://127.0.0.1:9/v1", Path())
    with pytest.raises(ModelError, match=r"who is '\./nowhere'"):
        open_answerer("./nowhere", Path())


def test_two_of_one_name_are_refused() -> None:
    one = own("same", Told(echo), {"x": 1})
    with pytest.raises(ConfigError, match="two answerers are called 'same'"):
        unique([one, one])
    assert unique([one]) == [one]
