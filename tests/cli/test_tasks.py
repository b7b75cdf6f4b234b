"""Rows go out to annotators as files and come back as labels, through the commands."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from luthier.cli.main import main
from luthier.core.ledger import Entry
from luthier.core.records import read_table
from luthier.data.annotate.labels import read_labels

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
    # 1 - 4/32 / (2 * 8 * 8 / (16 * 15))
    assert re.search(r"Krippendorff's alpha +0\.531 +-?0\.\d+ to 1\.000 +8 ", agreed)
    assert re.search(r"Cohen's kappa, ann and bob +0\.500 ", agreed)
    assert json.loads(call("agreement", "--json").output)[0]["name"] == "krippendorff_alpha"
    result = call("export", "--adjudicate", "--to", "csv")
    assert "adjudicator: 2 rows in tasks/adjudicator.csv" in result.output


def test_limits_and_bad_answers(shop: Path) -> None:
    assert "ann: 3 rows" in call("export", "--to", "csv", "--limit", "3").output
    path = shop / "tasks/ann.csv"
    path.write_text(path.read_text(encoding="utf-8-sig").replace(",ann,", ",ann,Another "))
    fill(path)
    result = call("import", "tasks/ann.csv")
    assert "3 rows, 0 new labels, 0 still open" in result.output
    assert "0 still open, 3 refused" in result.output
    assert result.output.count("refused: ann.csv") == 3
    call("import", "tasks/ann.csv")
    lines = read_table(shop / "annotation/ledger.parquet", Entry)
    assert [one.reason for one in lines] == ["changed text"] * 3, "once, however often imported"
    assert "no row has labels of two annotators yet" in call("agreement").output


def test_labels_of_people_nobody_named_are_refused(shop: Path) -> None:
    call("export", "--to", "csv")
    fill(shop / "tasks/ann.csv")
    path = shop / "tasks/ann.csv"
    path.write_text(path.read_text().replace(",ann,", ",anne,"))
    result = call("import", "tasks/ann.csv")
    assert "8 rows, 0 new labels, 0 still open, 8 refused" in result.output
    assert "unknown annotator (anne)" in result.output
    assert "known annotators: adjudicator, ann, bob" in result.output
    result = call("import", "tasks/ann.csv", "--annotator", "annn")
    assert result.exit_code == 2
    assert "no annotator is called 'annn'" in result.output
    assert "8 new labels" in call("import", "tasks/ann.csv", "--annotator", "ann").output
    assert "8 new labels" in call("import", "tasks/ann.csv", "--new-annotator", "anne").output


def test_one_person_under_two_names_is_noticed(shop: Path) -> None:
    rows = "".join(f"Text number {n} about a {('saw', 'plane')[n % 2]}\n" for n in range(21))
    (shop / "texts.csv").write_text(f"text\n{rows}")
    call("export", "--to", "csv")
    fill(shop / "tasks/ann.csv")
    fill(shop / "tasks/bob.csv")
    told = "ann and bob said the same of all 21 rows"
    assert told not in call("import", "tasks/ann.csv").output
    assert told in call("import", "tasks/bob.csv").output
    assert told in call("agreement").output


def test_a_label_that_left_the_scheme_is_set_aside_and_its_rows_are_open(shop: Path) -> None:
    call("export", "--to", "csv")
    fill(shop / "tasks/ann.csv")
    fill(shop / "tasks/bob.csv", wrong=2)
    call("import", "tasks/ann.csv", "tasks/bob.csv")
    (shop / "luthier.yaml").write_text(PROJECT.replace("[saw, plane]", "[saw, jointer]"))
    result = call("agreement")
    assert result.exit_code == 0, result.output
    assert "8 labels are no longer in the scheme and are set aside: plane" in result.output
    result = call("export", "--to", "csv", "--folder", "again")
    assert "ann: 4 rows in again/ann.csv" in result.output
    assert len(read_labels(shop / "annotation/labels.parquet")) == 16, "none is lost"


def test_more_overlap_than_annotators(shop: Path) -> None:
    (shop / "luthier.yaml").write_text(PROJECT.replace("overlap: 2", "overlap: 3"))
    result = call("export")
    assert result.exit_code == 2
    assert "`overlap` asks for 3 labels" in result.output


def test_a_project_that_labels_nothing(shop: Path) -> None:
    (shop / "luthier.yaml").write_text(PROJECT.partition("  annotate:")[0])
    result = call("export")
    assert result.exit_code == 2
    assert "Add a section `data.annotate`" in result.output
