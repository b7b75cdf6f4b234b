"""``luthier rag erase``."""

from __future__ import annotations

import json
from pathlib import Path

from living_project import call, write


def test_an_erased_document_is_nowhere(tiny_encoder: Path, tmp_path: Path) -> None:
    project = write(tmp_path, tiny_encoder)
    made = json.loads(call("index", "--project", project, "--quiet", "--json").output)
    asked = ("query", "town 5 built", "--project", project, "--json", "--top-k", 20)
    one = json.loads(call(*asked).output)["passages"][0]
    result = call("erase", one["document_id"], "--project", project)
    assert result.output == "1 document erased: 1 passages in all versions\n"
    left = json.loads(call(*asked).output)["passages"]
    assert one["document_id"] not in {p["document_id"] for p in left}
    raw = one["text"].encode()
    folder = Path(made["path"])
    assert not [p for p in folder.rglob("*") if p.is_file() and raw in p.read_bytes()]


def test_an_unknown_document_is_told(tiny_encoder: Path, tmp_path: Path) -> None:
    project = write(tmp_path, tiny_encoder)
    call("index", "--project", project, "--quiet")
    assert "has a document 'nobody'" in call("erase", "nobody", "--project", project).output
    listed = call("query", "kelp", "--project", project, "--json", "--quiet")
    known = json.loads(listed.stdout)["passages"][0]["document_id"]
    told = call("erase", known.replace("#", ":") + ":", "--project", project).output
    assert f"Is it '{known}'" in told
