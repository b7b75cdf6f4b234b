"""``luthier rag rollback``."""

from __future__ import annotations

from pathlib import Path

from living_project import call, write


def test_an_old_version_comes_back(tiny_encoder: Path, tmp_path: Path) -> None:
    project = write(tmp_path, tiny_encoder)
    call("index", "--project", project, "--quiet")
    write(tmp_path, tiny_encoder, articles=9)
    call("sync", "--project", project, "--quiet")
    result = call("rollback", 1, "--project", project)
    assert result.output == "version 3 holds what version 1 held\n"
    assert "no version 7" in call("rollback", 7, "--project", project).output
