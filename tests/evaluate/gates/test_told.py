"""JUnit XML and Markdown of a gate."""

from xml.etree import ElementTree as ET

import pytest
from gated_runs import about, right, run

from luthier.evaluate.gate import GateResult, gate
from luthier.evaluate.gates.rules import GatesSpec, Level, NoRegression
from luthier.evaluate.gates.told import junit, markdown, notes, number


@pytest.fixture
def result() -> GateResult:
    levels = tuple(Level(kind="level", metric="f1", min=bound) for bound in (0.5, 0.99, 0.82))
    rule = NoRegression(kind="no-regression", metric="f1", margin=0.2)
    new = run({"f1": right(100, 15)}, about("a|b\x07"), tags=["x|y"] * 9 + ["rare"])
    return gate(GatesSpec(rules=(*levels, rule)), [new], [new])


def test_junit_counts_and_names(result: GateResult) -> None:
    root = ET.fromstring(junit(result))
    assert {k: root.get(k) for k in ("tests", "failures", "skipped", "errors")} == {
        "tests": "4", "failures": "1", "skipped": "1", "errors": "0",
    }  # fmt: skip
    (suite,) = root.findall("testsuite")
    assert (suite.get("name"), suite.get("failures")) == ("faq", "1")
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failed == ["faq: f1 is at least 0.99"]
    skipped = next(case.find("skipped") for case in suite if case.find("skipped") is not None)
    assert skipped is not None
    assert "more items would" in (skipped.get("message") or "")


def test_markdown_is_a_table_that_no_bar_breaks(result: GateResult) -> None:
    text = markdown(result)
    assert text.startswith("### Gate: fail\n")
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 4
    assert all(line.replace("\\|", "").count("|") == 6 for line in table)
    assert "**inconclusive**" in text


def test_notes_tell_what_was_left_out(result: GateResult) -> None:
    assert "faq (rare): 10 items, too few to be judged" in notes(result)


@pytest.mark.parametrize(("value", "text"), [(-0.0001, "0.000"), (-0.1, "-0.100"), (2, "2.000")])
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text
