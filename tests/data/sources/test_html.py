"""The visible text of HTML pages."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st

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


@given(
    st.lists(st.sampled_from(["<p>", "</p>", "<b>", "</div>", "word ", "two words\n", "<br>"]))
)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_all_words_are_kept_in_order(pieces: list[str]) -> None:
    page = "".join(pieces)
    said = " ".join(text for _, text in html_paragraphs(page)).split()
    assert "".join(said) == "".join("".join(p for p in pieces if "<" not in p).split())


def test_broken_markup_is_read() -> None:
    assert [t for _, t in html_paragraphs("<p>a<p>b</i></div><td>c &bogus; <")] == [
        "a",
        "b",
        "c &bogus; <",
    ]
