"""The model that writes while data is prepared: two kinds, and no password in the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from luthier.config import Project, load
from luthier.core.errors import ConfigError
from luthier.core.spec import digest_of, identity
from luthier.data.writer import LocalWriter
from luthier.models.remote import RemoteSpec

HEAD = "name: demo\ndata:\n  sources: [{kind: pydoc}]\n"


def project(tmp_path: Path, writer: str) -> Project:
    path = tmp_path / "luthier.yaml"
    path.write_text(f"{HEAD}  writer: {writer}\n" if writer else HEAD, encoding="utf-8")
    return load(path, ())


def test_without_a_writer_the_projects_own_model_writes(tmp_path: Path) -> None:
    assert project(tmp_path, "").data.writer is None


def test_a_model_on_this_machine(tmp_path: Path) -> None:
    assert project(tmp_path, "{kind: local}").data.writer == LocalWriter(model=None)
    named = project(tmp_path, "{kind: local, model: starter}").data.writer
    assert named == LocalWriter(model="starter")


def test_an_endpoint(tmp_path: Path) -> None:
    asked = "{kind: openai, base_url: 'http://127.0.0.1:8000/v1', model: m, api_key: '${A_KEY}'}"
    writer = project(tmp_path, asked).data.writer
    assert isinstance(writer, RemoteSpec)
    assert (writer.base_url, writer.model) == ("http://127.0.0.1:8000/v1", "m")


def test_how_fast_it_is_asked_does_not_change_what_it_writes() -> None:
    slow = RemoteSpec(base_url="http://a/v1", model="m", workers=1, timeout_s=9, retries=0)
    fast = RemoteSpec(base_url="http://a/v1", model="m", workers=64)
    other = RemoteSpec(base_url="http://a/v1", model="n")
    assert digest_of(identity(slow)) == digest_of(identity(fast))
    assert digest_of(identity(slow)) != digest_of(identity(other))


@pytest.mark.parametrize(
    ("writer", "said"),
    [
        ("{kind: oracle}", "oracle"),
        ("{kind: local, modle: x}", "did you mean 'model'?"),
        ("{kind: openai, base_url: 'http://a/v1'}", "data.writer"),
        ("{kind: openai, base_url: 'file:///a', model: m}", "base_url"),
        ("{kind: openai, base_url: 'http://a/v1', model: m, api_key: hunter2}", "api_key"),
        ("starter", "data.writer"),
    ],
)
def test_wrong_settings_are_named(writer: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        project(tmp_path, writer)
    assert said in str(raised.value)
    assert "hunter2" not in str(raised.value)
