"""``luthier judge``: a run, a rubric, and who judges."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from click.testing import CliRunner
from gated_runs import about, rows

from luthier.cli.main import main
from luthier.evaluate.runs.rows import write_run


def written(folder: Path) -> list[str]:
    """A run, a rubric, and a file in which a judge's replies stand."""
    held = [dataclasses.replace(row, reference="yes") for row in rows(20)]
    write_run(folder / "run", held, [{} for _ in held], about())
    (folder / "rubric.yaml").write_text("name: good\ncriterion: Good?\nlevels: [no, yes]\n")
    replies = [{"id": f"q{i}", "answer": f"Score: {1 + i % 2}"} for i in range(20)]
    (folder / "judge.jsonl").write_text("".join(json.dumps(r) + "\n" for r in replies))
    labels = "".join(f"q{i},{1 + (i % 2 and i > 4)}\n" for i in range(14))
    (folder / "labels.csv").write_text("item_id,label\n" + labels)
    return [
        "judge", str(folder / "run"), "--rubric", str(folder / "rubric.yaml"),
        "--with", str(folder / "judge.jsonl"), "--store", str(folder / "store"), "--quiet",
    ]  # fmt: skip


def test_a_run_is_judged(tmp_path: Path) -> None:
    asked = written(tmp_path)
    first = CliRunner().invoke(main, asked)
    assert first.exit_code == 0, first.output
    assert "0.500 [" in first.output
    assert "1: 10, 2: 10" in first.output
    assert "--labels FILE tells" in first.output
    labelled = CliRunner().invoke(main, [*asked, "--labels", str(tmp_path / "labels.csv")])
    assert "of 14 labelled items" in labelled.output
    assert "Cohen's kappa, people and the judge" in labelled.output
    assert "corrected by people" in labelled.output
    told = json.loads(CliRunner().invoke(main, [*asked, "--json"]).output)
    assert told["figure"]["mean"] == 0.5
    store = ["--store", str(tmp_path / "store"), "--min", "good=0.1"]
    gated = CliRunner().invoke(main, ["gate", "judged-faq-good", *store])
    assert gated.exit_code == 0, gated.output


def test_no_number_from_nonsense(tmp_path: Path) -> None:
    asked = written(tmp_path)
    (tmp_path / "judge.jsonl").write_text(
        "".join(json.dumps({"id": f"q{i}", "answer": "Hm."}) + "\n" for i in range(20))
    )
    refused = CliRunner().invoke(main, asked)
    assert refused.exit_code == 5
    assert "no usable judgement of 20 of 20" in " ".join(refused.output.split())


def test_the_projects_section_is_judged(tmp_path: Path) -> None:
    asked = written(tmp_path)
    project = tmp_path / "luthier.yaml"
    told = "judges:\n  - {runs: [run], rubric: rubric.yaml, judge: judge.jsonl}\n"
    told = told.replace("[run]", f"['{tmp_path / 'run'}']")
    project.write_text(f"name: p\ndata: {{sources: [{{kind: csv, path: rows.csv}}]}}\n{told}")
    options = ["--project", str(project), "--store", str(tmp_path / "store"), "--quiet", "--json"]
    found = CliRunner().invoke(main, ["judge", *options])
    assert found.exit_code == 0, found.output
    assert [one["figure"]["mean"] for one in json.loads(found.output)] == [0.5]
    assert CliRunner().invoke(main, ["judge", *options, "--with", "x"]).exit_code == 2
    assert CliRunner().invoke(main, asked[:2]).exit_code == 2
