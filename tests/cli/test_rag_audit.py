"""``luthier rag audit``."""

from __future__ import annotations

import json
from pathlib import Path

from living_project import call, write

from luthier.rag.access import viewer
from luthier.rag.audit import FILE_NAME, Audit, AuditSpec


def test_who_saw_what(tiny_encoder: Path, tmp_path: Path) -> None:
    project = write(tmp_path, tiny_encoder)
    assert "nothing was logged yet" in call("audit", "--project", project).output
    store = tmp_path / ".luthier"
    store.mkdir(exist_ok=True)
    log = Audit(store / FILE_NAME, AuditSpec())
    log.write("a1", "answered", viewer(["ann"]), "why?", passages=["d1#0"], documents=["d1"])
    log.write("a2", "answered", viewer(["bob"]), "who?", passages=["d2#0"], documents=["d2"])
    log.close()
    lines = json.loads(call("audit", "--project", project, "--saw", "ann", "--json").output)
    assert [one["documents"] for one in lines] == [["d1"]]
    assert "bob" in call("audit", "--project", project, "--document", "d2").output
    assert call("audit", "--project", project, "--verify").exit_code == 0
