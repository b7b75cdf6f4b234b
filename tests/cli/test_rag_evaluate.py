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
    now = told["searches"]["measured"]["now"]
    assert now["leaks"] == []
    assert 0 < now["rows"][0]["ndcg@10"]["mean"] <= 1


def test_answers_and_another_search_are_measured_on_a_page(project: Path, tmp_path: Path) -> None:
    document = "harbour 0"
    lines = [
        {"question": "When was the harbour of town 0 built?", "answer": "1800",
         "document": document},
        {"question": "Which zebra juggles marmalade?", "kind": "nowhere"},
    ]  # fmt: skip
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, lines)))
    result = call(
        "evaluate", "--project", project, "--quiet", "--questions", tmp_path / "q.jsonl",
        "--compare", "bm25", "--route", "extractive", "--html", tmp_path / "page.html",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    for said in ("bm25 - now", "token_f1", "withheld", "abstention is off"):
        assert said in result.output, said
    assert "extractive" in (tmp_path / "page.html").read_text()


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
