"""``luthier rag sync`` and the commands that go by versions."""

from __future__ import annotations

import json
from pathlib import Path

from living_project import call, write


def test_a_sync_touches_what_changed(tiny_encoder: Path, tmp_path: Path) -> None:
    project = write(tmp_path, tiny_encoder)
    call("index", "--project", project, "--quiet")
    write(tmp_path, tiny_encoder, articles=9)
    dry = call("sync", "--project", project, "--dry-run", "--quiet")
    assert "gone" in dry.output
    done = call("sync", "--project", project, "--quiet", "--optimize")
    assert "1 gone" in done.output
    assert "10 left alone" in done.output
    versions = json.loads(call("versions", "--project", project, "--json").output)
    assert [one["passages"] for one in versions] == [11, 10]


def test_too_many_vanished_documents_are_an_error(tiny_encoder: Path, tmp_path: Path) -> None:
    project = write(tmp_path, tiny_encoder)
    call("index", "--project", project, "--quiet")
    write(tmp_path, tiny_encoder, articles=2)
    result = call("sync", "--project", project, "--quiet")
    assert result.exit_code != 0
    assert "have vanished" in result.output
    assert call("sync", "--project", project, "--quiet", "--most-gone", 1).exit_code == 0
