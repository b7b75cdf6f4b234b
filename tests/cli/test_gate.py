"""``luthier gate``: outcomes, exit codes, files, and errors that are no outcome."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result
from gated_runs import about, right, run

from luthier.cli.main import main

PROJECT = """
name: gated
data: {sources: [{kind: jsonl, path: rows.jsonl}]}
gates:
  rules:
    - {kind: level, suite: faq, metric: exact_match, min: 0.7}
    - {kind: non-inferiority, metric: exact_match, margin: 0.1}
"""


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, wrong, told in (
        ("new", 15, about("tuned")),
        ("old", 20, about("base")),
        ("other", 20, about("base", digest="d2")),
    ):
        run({"exact_match": right(100, wrong)}, told, tmp_path / name)
    return tmp_path


def _call(*words: object) -> Result:
    return CliRunner().invoke(main, ["gate", *map(str, words)])


@pytest.mark.parametrize(
    ("rule", "outcome", "code"),
    [("0.7", "pass", 0), ("0.95", "fail", 2), ("0.82", "inconclusive", 3)],
)
def test_outcomes_have_their_exit_codes(runs: Path, rule: str, outcome: str, code: int) -> None:
    result = _call("new", "--min", f"exact_match={rule}")
    assert result.exit_code == code, result.output
    assert result.output.splitlines()[-1] == f"gate: {outcome}"


def test_rules_of_the_project(runs: Path) -> None:
    Path("luthier.yaml").write_text(PROJECT)
    result = _call("new", "--against", "old", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    assert [check["outcome"] for check in told["checks"]] == ["pass", "pass"]
    assert told["against"] == {"faq": "base"}


def test_options_stand_in_for_the_projects_rules(runs: Path) -> None:
    Path("luthier.yaml").write_text(PROJECT)
    told = json.loads(_call("new", "--min", "exact_match=0.5", "--json").output)
    assert [check["claim"] for check in told["checks"]] == ["exact_match is at least 0.5"]


def test_files_for_ci(runs: Path) -> None:
    result = _call("new", "--against", "old", "--better", "exact_match", "--not-worse",
                   "exact_match=0.2", "--each", "tag", "--junit", "j.xml",
                   "--markdown", "m.md")  # fmt: skip
    assert result.exit_code in (0, 3)
    assert ET.parse("j.xml").getroot().get("tests") == "3"
    assert Path("m.md").read_text().startswith("### Gate: ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere", "--min", "exact_match=0.5"), "no run 'nowhere'"),
        (("new",), "has no rules"),
        (("new", "--min", "exact_match"), "expected METRIC=VALUE"),
        (("new", "--min", "exact_mach=0.5"), "Did you mean 'exact_match'"),
        (("new", "--better", "exact_match"), "needs a run of 'faq'"),
        (("new", "--against", "other", "--better", "exact_match"), "same items"),
        (("new", "--against", "old", "--not-worse", "exact_match=0"), "greater than 0"),
        (("new", "--min", "exact_match=0.5", "--each", "tag"), "--each needs"),
        (("new", "--min", "exact_match=0.5", "--junit", "no/where.xml"), "cannot write"),
        ((), "Missing argument"),
        (("new", "--confidence", "2"), "--confidence"),
    ],
)
def test_what_cannot_be_asked_is_neither_fail_nor_inconclusive(
    runs: Path, words: tuple[str, ...], said: str
) -> None:
    result = _call(*words)
    assert result.exit_code == 10, result.output
    assert said in " ".join(result.output.split())


def test_a_broken_project_file_is_no_failed_gate(runs: Path) -> None:
    Path("luthier.yaml").write_text(PROJECT.replace("margin: 0.1", "margins: 0.1"))
    result = _call("new", "--against", "old")
    assert result.exit_code == 10
    assert "margins" in result.output


def test_several_seeds_and_every_look(runs: Path) -> None:
    told = json.loads(_call("new", "old", "--min", "exact_match=0.5", "--json").output)
    assert told["checks"][0]["method"] == "items and seeds"
    looked = _call("new", "--min", "exact_match=0.5", "--sequential")
    assert "clear after" in looked.output


def test_a_report_shows_the_gate_and_its_runs(runs: Path) -> None:
    result = _call("new", "--against", "old", "--min", "exact_match=0.95", "--html", "g.html")
    assert result.exit_code == 2, result.output
    text = Path("g.html").read_text("utf-8")
    assert "<title>faq: gate fail" in text
    assert "tuned and base: cannot tell" in text
