"""``luthier rag fit``."""

from __future__ import annotations

import json
from pathlib import Path

from living_project import call, write


def test_ranking_is_fitted_on_the_validation_side_and_test_questions_are_refused(
    tiny_encoder: Path, tmp_path: Path
) -> None:
    project = write(tmp_path, tiny_encoder, articles=24)
    assert call("index", "--project", project, "--quiet").exit_code == 0
    asked = ("fit", "--project", project, "--quiet")
    told = json.loads(call(*asked, "--json").output)["fitted"]
    assert [part["name"] for part in told["parts"]] == ["words", "weights", "map"]
    assert (tmp_path / "fitted/fit.json").is_file()
    screen = call(*asked, "--only", "map")
    assert screen.exit_code == 0, screen.output
    assert "questions of the validation side" in screen.output
    rows = json.loads((tmp_path / "squad.json").read_text())["data"]
    own = tmp_path / "own.jsonl"
    own.write_text("".join(
        json.dumps({"question": r["paragraphs"][0]["qas"][0]["question"],
                    "document": r["title"]}) + "\n" for r in rows))  # fmt: skip
    refused = call(*asked, "--questions", own)
    assert refused.exit_code != 0
    assert "are test questions" in refused.output
    assert call(*asked, "--questions", own, "--made", 3).exit_code != 0
