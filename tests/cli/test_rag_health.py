"""``luthier rag health``."""

from __future__ import annotations

import json
from pathlib import Path

from living_project import call, write


def test_a_good_index_and_a_stale_one(tiny_encoder: Path, tmp_path: Path) -> None:
    project = write(tmp_path, tiny_encoder)
    call("index", "--project", project, "--quiet")
    well = call("health", "--project", project, "--quiet")
    assert well.exit_code == 0, well.output
    assert "11 passages of 11 documents" in well.output
    write(tmp_path, tiny_encoder, articles=9)
    stale = call("health", "--project", project, "--quiet")
    assert stale.exit_code == 1
    assert "1 documents are not as the sources have them" in stale.output
    assert (
        json.loads(call("health", "--project", project, "--quiet", "--json").output)["well"]
        is False
    )
