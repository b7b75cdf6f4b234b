"""The visible text of HTML pages."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st

from luthier.data.sources._sections import sections
from luthier.data.sources.html import html_paragraphs

PAGE = """<html><head><title>No</title><style>p {}</style></head>
<body><nav><p>Menu</p></nav>
<h1>A heading</h1>
<p>First   <b>bold</b>
words &amp; more.</p><script>bad()</script>
<pre>x = 1
  y = 2</pre>
</body></html>"""


def test_html_is_stripped_with_lines() -> None:
    assert list(html_paragraphs(PAGE)) == [
        (3, "A heading"),
        (4, "First bold words & more."),
        (6, "x = 1\n  y = 2"),
    ]


PIECES = ["<p>", "</p>", "<b>", "</div>", "word ", "two words\n", "<br>"]
CELLS = ["<td>", "</td>", "<tr>", "<li>", "<table>"]


@given(st.lists(st.sampled_from([*PIECES, *CELLS])))
@settings(max_examples=100, deadline=None)
def test_all_words_are_kept_in_order(pieces: list[str]) -> None:
    page = "".join(pieces)
    said = [w for _, text in html_paragraphs(page) for w in text.split() if w not in ("|", "-")]
    assert "".join(said) == "".join("".join(p for p in pieces if "<" not in p).split())


def test_broken_markup_is_read() -> None:
    assert [t for _, t in html_paragraphs("<p>a<p>b</i></div><td>c &bogus; <")] == [
        "a",
        "b",
        "c &bogus; <",
    ]


TABLE = """<p>Before</p>
<table><caption>Prices</caption>
<thead><tr><th>Tea</th><th>Price</th><th></th></tr></thead>
<tr><td><p>Sencha</p></td>
    <td> 5 <b>euros</b></td><td></td></tr>
<tr><td></td><td></td></tr>
<tr><td>One<br>two</td><td>three
</table><p>After</p>
<table><tr><td>alone</td></tr><tr><td>below</td></tr></table>"""


def test_cells_of_tables_stand_apart_and_rows_on_their_lines() -> None:
    found = list(html_paragraphs(TABLE))
    assert found == [
        (1, "Before"),
        (2, "Prices"),
        (3, "Tea | Price |"),
        (4, "\nSencha | 5 euros |"),
        (7, "One"),
        (7, "two | three"),
        (8, "After"),
        (9, "alone"),
        (9, "below"),
    ]
    ((line, text),) = sections(found, 1000)
    assert line == 1
    assert "Prices\n\nTea | Price |\nSencha | 5 euros |\n\nOne" in text


def test_pages_laid_out_by_tables() -> None:
    page = (
        "<table><tr><td><table><tr><td>a</td><td>b</td></tr></table>c</td>"
        "<td><p>First.</p><p>Second.</p><pre>  x\n  y</pre></td></tr></table>"
    )
    assert [text for _, text in html_paragraphs(page)] == [
        "a | b", "c", "First.", "Second.", "  x\n  y",
    ]  # fmt: skip


def test_lists_keep_their_bullets() -> None:
    page = """<ul><li>one</li>
<li><p>two</p><p>more</p><ol><li>inner</ol></li><li></li></ul>end"""
    assert list(html_paragraphs(page)) == [
        (1, "- one"), (2, "\n- two"), (2, "more"), (2, "- inner"), (2, "end"),
    ]  # fmt: skip
