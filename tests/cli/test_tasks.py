"""Rows go out to annotators as files and come back as labels, through the commands."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from luthier.cli.main import main

PROJECT = """
name: shop
data:
  sources: [{kind: csv, path: texts.csv, text: text}]
  questions: null
  annotate:
    labels: [saw, plane]
    people: {annotators: [ann, bob], overlap: 2}
rag: null
evaluate: null
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "luthier.yaml").write_text(PROJECT)
    tools = ("saw", "plane")
    rows = "".join(f"Text number {n} about a {tools[n % 2]}\n" for n in range(8))
    (tmp_path / "texts.csv").write_text(f"text\n{rows}")
    return tmp_path


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["data", "tasks", *arguments])


def fill(path: Path, wrong: int = 0) -> None:
    """Label every row by the tool it names; the first ``wrong`` ones the other way round."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        says_saw = ("saw" in row["text"]) != (number < wrong)
        row["label"] = "saw" if says_saw else "plane"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_out_back_and_agreement(shop: Path) -> None:
    result = call("export", "--to", "csv")
    assert result.exit_code == 0, result.output
    assert "ann: 8 rows in tasks/ann.csv" in result.output
    fill(shop / "tasks/ann.csv")
    fill(shop / "tasks/bob.csv", wrong=2)
    result = call("import", "tasks/ann.csv", "tasks/bob.csv")
    assert "tasks/bob.csv: 8 rows, 8 new labels, 0 still open" in result.output
    assert "0 new labels" in call("import", "tasks/ann.csv").output
    assert "nothing is left to label" in call("export", "--to", "csv").output
    agreed = call("agreement").output
    assert "krippendorff alpha: 0.531" in agreed  # 1 - 4/32 / (2 * 8 * 8 / (16 * 15))
    result = call("export", "--adjudicate", "--to", "csv")
    assert "adjudicator: 2 rows in tasks/adjudicator.csv" in result.output


def test_limits_and_bad_answers(shop: Path) -> None:
    assert "ann: 3 rows" in call("export", "--to", "csv", "--limit", "3").output
    path = shop / "tasks/ann.csv"
    path.write_text(path.read_text(encoding="utf-8-sig").replace(",ann,", ",ann,Another "))
    fill(path)
    result = call("import", "tasks/ann.csv")
    assert "3 rows, 0 new labels, 0 still open" in result.output
    assert result.output.count("refused: ann.csv") == 3
    assert "no row has labels of two annotators yet" in call("agreement").output


def test_a_project_that_labels_nothing(shop: Path) -> None:
    (shop / "luthier.yaml").write_text(PROJECT.partition("  annotate:")[0])
    result = call("export")
    assert result.exit_code == 2
    assert "Add a section `data.annotate`" in result.output
