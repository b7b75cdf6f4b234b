"""``luthier rag evaluate``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from living_project import call, write


@pytest.fixture(scope="module")
def project(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write(tmp_path_factory.mktemp("town"), tiny_encoder, articles=24)
    assert call("index", "--project", path, "--quiet").exit_code == 0
    return path


def test_the_validation_side_is_asked(project: Path) -> None:
    result = call("evaluate", "--project", project, "--quiet")
    assert result.exit_code == 0, result.output
    assert "validation side" in result.output
    assert "ndcg@10" in result.output
    told = json.loads(call("evaluate", "--project", project, "--quiet", "--json").output)
    assert told["leaks"] == []
    assert 0 < told["rows"][0]["ndcg@10"]["mean"] <= 1


def test_documents_too_alike_make_no_fair_question(project: Path) -> None:
    result = call("evaluate", "--project", project, "--quiet", "--made", 5)
    assert result.exit_code != 0
    assert "no fair question can be made" in result.output


def test_questions_made_from_the_documents(tiny_encoder: Path, tmp_path: Path) -> None:
    path = write(tmp_path, tiny_encoder)
    texts = [
        "The harbour of Marston was deepened by Dutch engineers in 1843 after two floods.",
        "Copper from Velda mine travelled by mule over the northern pass until 1901.",
        "An orchard near Bellwick supplied cider to seventeen taverns every autumn season.",
    ]
    rows = [json.dumps({"title": f"note {n}", "text": t, "for": "everyone"}) for n, t in
            enumerate(texts)]  # fmt: skip
    (tmp_path / "closed.jsonl").write_text("\n".join(rows))
    assert call("index", "--project", path, "--quiet").exit_code == 0
    result = call("evaluate", "--project", path, "--quiet", "--made", 5)
    assert result.exit_code == 0, result.output
    assert "made from the documents" in result.output
