"""The options that name questions."""

from __future__ import annotations

from pathlib import Path

from living_project import call, write

from luthier.cli._rag_questions import needed


def test_only_rows_need_the_split() -> None:
    assert needed(None, None) == "split"
    assert needed(5, None) == needed(None, Path("q.jsonl")) == "annotate"


def test_questions_are_made_or_read(tiny_encoder: Path, tmp_path: Path) -> None:
    path = write(tmp_path, tiny_encoder)
    (tmp_path / "q.jsonl").write_text('{"question": "Who?"}')
    result = call("evaluate", "--project", path, "--quiet", "--made", 3, "--questions",
                  tmp_path / "q.jsonl")  # fmt: skip
    assert result.exit_code != 0
    assert "made or read, not both" in result.output
