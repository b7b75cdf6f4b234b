"""A gate's result for others to read: JUnit XML and Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from luthier.core.statistics import Interval
    from luthier.evaluate.gate import Check, GateResult

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def bounds(interval: Interval) -> str:
    """``0.742 [0.690, 0.790]``."""
    return f"{number(interval.mean)} [{number(interval.low)}, {number(interval.high)}]"


def number(value: float) -> str:
    """A figure with three digits behind the point, and no minus before zero."""
    text = f"{value:.3f}"
    return text.removeprefix("-") if text.strip("-0.") == "" else text


def title(check: Check) -> str:
    """``faq: exact_match is at least 0.7``, and the part in brackets."""
    part = f" ({check.part})" if check.part else ""
    return f"{check.suite}{part}: {check.claim}"


def seen(check: Check) -> str:
    """The figure with its interval, for a difference with the two means before it."""
    if check.old is None:
        return bounds(check.interval)
    return f"{number(check.old)} to {number(check.new)}, by {bounds(check.interval)}"


def markdown(result: GateResult) -> str:
    """A heading, a table, and what was left out; for a comment on a merge request."""
    lines = [
        f"### Gate: {result.outcome}",
        "",
        f"| outcome | claim | seen ({result.confidence * 100:g} % interval) | items | so |",
        "|---|---|---|---:|---|",
    ]
    for check in result.checks:
        mark = f"**{check.outcome}**" if check.outcome != "pass" else "pass"
        cells = [mark, title(check), seen(check), f"{check.interval.n:,}", check.words]
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    lines += [""] + [f"- {line}" for line in notes(result)]
    return "\n".join(lines).rstrip() + "\n"


def notes(result: GateResult) -> list[str]:
    """What a reader must know beside the table."""
    told = [f"{suite}: {who}" for suite, who in result.runs.items()]
    told += [f"{suite}, held against: {who}" for suite, who in result.against.items()]
    told += [
        f"{one.suite} ({one.part}): {one.items} items, too few to be judged"
        for one in result.left_out
    ]
    told += [
        f"{title(check)}: {check.unfit:,} items left out, the metric does not apply"
        for check in result.checks
        if check.unfit
    ]
    told += [
        f"{title(check)}: clear after {check.settled:,} of {check.interval.n:,} items"
        for check in result.checks
        if check.settled
    ]
    return told


def junit(result: GateResult) -> str:
    """JUnit XML: a test case for each claim; what is inconclusive is ``skipped``, with the reason.

    CI systems show a skipped test as neither good nor bad; the exit code (3) tells it from a pass.
    """
    count = {
        outcome: str(sum(check.outcome == outcome for check in result.checks))
        for outcome in ("fail", "inconclusive")
    }
    numbers = {
        "tests": str(len(result.checks)),
        "failures": count["fail"],
        "errors": "0",
        "skipped": count["inconclusive"],
    }
    root = ET.Element("testsuites", {"name": "luthier gate", **numbers})
    for suite in dict.fromkeys(check.suite for check in result.checks):
        own = [check for check in result.checks if check.suite == suite]
        held = ET.SubElement(root, "testsuite", _counts(suite, own))
        for check in own:
            _case(held, check)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _counts(suite: str, checks: list[Check]) -> dict[str, str]:
    return {
        "name": _clean(suite),
        "tests": str(len(checks)),
        "failures": str(sum(check.outcome == "fail" for check in checks)),
        "errors": "0",
        "skipped": str(sum(check.outcome == "inconclusive" for check in checks)),
    }


def _case(held: ET.Element, check: Check) -> None:
    case = ET.SubElement(
        held,
        "testcase",
        {"classname": _clean(f"gate.{check.suite}"), "name": _clean(title(check)), "time": "0"},
    )
    message = {"message": _clean(f"{seen(check)}: {check.words}")}
    if check.outcome == "fail":
        found = ET.SubElement(case, "failure", {**message, "type": check.rule})
        found.text = _clean(f"{title(check)}\n{seen(check)}\np = {check.p_fail:.4g}")
    elif check.outcome == "inconclusive":
        ET.SubElement(case, "skipped", message)
    out = ET.SubElement(case, "system-out")
    out.text = _clean(f"{seen(check)}, {check.interval.n:,} items, {check.method}: {check.words}")


def _clean(text: str) -> str:
    """XML cannot hold control characters."""
    return _NO_XML.sub("�", text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
