"""``luthier rag index``."""

from __future__ import annotations

import json
from pathlib import Path

from living_project import call, write


def test_an_index_is_made_and_made_again_from_its_store(tiny_encoder: Path, tmp_path: Path) -> None:
    project = write(tmp_path, tiny_encoder)
    result = call("index", "--project", project, "--quiet")
    assert result.exit_code == 0, result.output
    assert "11 new" in result.output
    again = call("index", "--project", project, "--quiet", "--json", "--anew")
    told = json.loads(again.output)
    assert (told["same"], told["version"]) == (11, 1)
    assert (Path(told["path"]) / "index.json").is_file()


def test_an_encoder_of_another_length_is_told_of_the_command_that_makes_all_anew(
    tiny_encoder: Path, tmp_path: Path
) -> None:
    project = write(tmp_path, tiny_encoder, articles=2)
    words = ("--project", project, "--quiet", "--set", "rag.retriever=bm25")
    assert call("index", "--project", project, "--quiet").exit_code == 0
    refused = call("index", *words)
    assert refused.exit_code != 0
    assert "luthier rag index --anew" in " ".join(refused.output.split())
    assert "3 new" in call("index", *words, "--anew").output


def test_a_project_without_retrieval_is_told_so(tiny_encoder: Path, tmp_path: Path) -> None:
    project = write(tmp_path, tiny_encoder)
    result = call("index", "--project", project, "--set", "rag=null", "--quiet")
    assert result.exit_code == 3 or "retrieves nothing" in result.output
    assert "retrieves nothing" in result.output
