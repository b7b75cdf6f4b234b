"""Programs are cut before definitions, the outermost first."""

from __future__ import annotations

from chunk_checks import texts, word_offsets
from hypothesis import given, strategies as st

from luthier.rag.chunkers._code import code_spans
from luthier.rag.chunkers._measure import Measure

PROGRAM = '''import os

LIMIT = 3


@cached
def first(a):
    return a


# About the second.
def second(b):
    c = b
    return c


print(first(1))


class Pot:
    """Holds tea."""

    def fill(self, tea):
        self.tea = tea

    async def pour(self):
        return self.tea
'''


def cut(text: str, size: int) -> list[tuple[str, str]]:
    measure = Measure(text, word_offsets)
    found = []
    for one in code_spans(measure, 0, len(text.rstrip()), size):
        assert one.kind == "code"
        above = "\n".join(text[a:b] for a, b in one.context[:-1])
        found.append((text[one.start : one.end], above))
    return found


def test_definitions_stay_whole_with_what_leads_to_them() -> None:
    assert cut(PROGRAM, 20)[:3] == [
        ("import os\n\nLIMIT = 3\n\n\n@cached\ndef first(a):\n    return a", ""),
        ("# About the second.\ndef second(b):\n    c = b\n    return c", ""),
        ("print(first(1))", ""),
    ]


def test_methods_show_the_class_they_are_in() -> None:
    assert cut(PROGRAM, 20)[3:] == [
        ('class Pot:\n    """Holds tea."""', ""),
        ("    def fill(self, tea):\n        self.tea = tea", "class Pot:"),
        ("    async def pour(self):\n        return self.tea", "class Pot:"),
    ]


def test_other_languages_are_cut_at_their_definitions() -> None:
    text = (
        "fn one() {\n    a();\n}\n\npub fn two() {\n    b();\n}\n\nexport function three() {\n}\n"
    )
    assert [body for body, _ in cut(text, 12)] == [
        "fn one() {\n    a();\n}",
        "pub fn two() {\n    b();\n}",
        "export function three() {\n}",
    ]


def test_a_long_body_is_cut_between_lines_and_keeps_its_indentation() -> None:
    text = "def f():\n" + "".join(f"    a{n} = {n}\n" for n in range(12))
    found = cut(text, 14)
    assert found[0][0].startswith("def f():\n    a0 = 0")
    assert all(body.startswith("    a") and above == "def f():" for body, above in found[1:])


def test_what_fits_is_one() -> None:
    assert cut(PROGRAM, 500) == [(PROGRAM.rstrip(), "")]


@given(texts, st.integers(4, 30))
def test_spans_hold_everything_in_order(text: str, size: int) -> None:
    place = 0
    body = text.strip()
    if not body:
        return
    for one in code_spans(Measure(body, word_offsets), 0, len(body), size):
        assert place <= one.start < one.end
        assert not body[place : one.start].strip()
        assert all(0 <= a < b <= len(body) for a, b in one.context)
        place = one.end
    assert not body[place:].strip()
