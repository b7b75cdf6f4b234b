"""``luthier rag versions``."""

from __future__ import annotations

from pathlib import Path

from living_project import call, write


def test_versions_are_listed_with_what_they_are_for(tiny_encoder: Path, tmp_path: Path) -> None:
    project = write(tmp_path, tiny_encoder)
    assert "no index yet" in call("versions", "--project", project).output
    call("index", "--project", project, "--quiet")
    assert "sync: 11 new" in call("versions", "--project", project).output
