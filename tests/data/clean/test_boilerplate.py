"""Boilerplate lines go; paragraphs that mention the same things stay."""

from __future__ import annotations

from luthier.data.clean.boilerplate import (
    BoilerplateSpec,
    line_hash,
    shared_lines,
    strip_boilerplate,
)

SPEC = BoilerplateSpec()


def test_known_phrases_go() -> None:
    text = "Skip to main content\nThe news.\n© 2024 X Ltd. All rights reserved.\nWe use cookies!"
    assert strip_boilerplate(text, SPEC, frozenset()) == "The news."


def test_long_lines_and_other_lines_stay() -> None:
    text = "Their privacy policy says: " + "word " * 40 + "\nCookies are baked here."
    assert strip_boilerplate(text, SPEC, frozenset()) == text


def test_own_phrases() -> None:
    spec = BoilerplateSpec(phrases=("ACME Corp",))
    assert strip_boilerplate("a\nfrom acme corp\nAll rights reserved", spec, frozenset()) == (
        "a\nAll rights reserved"
    )


def test_lines_that_many_documents_share_go() -> None:
    spec = BoilerplateSpec(phrases=(), shared_by=3)
    footer = "Call our friendly  staff today"
    pages = [[f"Page {i} is about {i}.\n{footer}\n{footer}", "Home"] for i in range(3)]
    shared = shared_lines(lambda: iter(pages), spec)
    assert shared == {line_hash(footer.upper())}
    assert strip_boilerplate(pages[0][0], spec, shared) == "Page 0 is about 0."
    fewer = pages[:2]  # twice in each of two documents are two documents, not four
    assert shared_lines(lambda: iter(fewer), spec) == frozenset()
    assert shared_lines(lambda: iter(pages), SPEC) == frozenset()


def test_short_lines_are_never_called_shared() -> None:
    spec = BoilerplateSpec(phrases=(), shared_by=2)
    pages = [["See also\nfirst text of all"], ["See also\nsecond text of all"]]
    assert shared_lines(lambda: iter(pages), spec) == frozenset()
