"""Articles from HTML pages."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st

from luthier.data.sources._article import article_of

WORDS = "This is a sentence with enough words to be taken for an article by anyone. "
PAGE = f"""<html><head><title>Tea &amp; more | The Site</title></head><body>
<nav><ul><li><a href="/">Home</a></li><li><a href="/b">Blog</a></li></ul></nav>
<article><h1>Tea</h1><p>{WORDS * 2}With <b>bold</b> and <a href="x">a link</a>.</p>
<h2>Green</h2><p>{WORDS * 3}</p><ul><li>first item</li><li>second <i>item</i></li></ul>
<table><tr><th>Name</th><th>Price</th></tr><tr><td>Sencha</td><td>5</td></tr></table>
<pre>x = 1
  y = 2</pre></article><footer>Copyright nobody</footer></body></html>"""


def test_the_article_without_menus() -> None:
    article = article_of(PAGE)
    assert article.found
    said = "\n".join(text for _, text in article.paragraphs)
    assert [n for n, _ in article.paragraphs] == list(range(1, len(article.paragraphs) + 1))
    assert "With bold and a link ." in said or "With bold and a link." in said
    assert "- first item\n- second item" in said
    assert "Name | Price\nSencha | 5" in said
    assert "x = 1\n  y = 2" in said
    assert "Home" not in said
    assert "Copyright" not in said
    assert article.title == "Tea & more | The Site"
    assert article.title_at(1) == "Tea"
    assert article.title_at(4) == "Tea > Green"


def test_titles() -> None:
    other = article_of(PAGE.replace("Tea &amp; more | The Site", "Shop"))
    assert other.title_at(1) == "Shop > Tea"
    bare = article_of(f"<p>{WORDS * 5}</p>")
    assert bare.title_at(1) == ""


def test_all_visible_text_where_no_article_is_found() -> None:
    article = article_of("<title>T</title><body><div>a</div><div>b</div></body>")
    assert [text for _, text in article.paragraphs] == ["a", "b"]
    whole = article_of(PAGE, whole=True)
    assert whole.found
    assert whole.paragraphs[0] == (1, "Tea")
    assert article_of("").paragraphs == []
    assert article_of("<img src=x>").paragraphs == []


@given(st.lists(st.sampled_from(["<p>", "</div>", "<table><tr>", "<td>", "&#0;", "<head>", "ö "])))
@settings(max_examples=60, deadline=None)
def test_any_markup_is_read(pieces: list[str]) -> None:
    article = article_of("".join(pieces))
    assert all(text.strip() for _, text in article.paragraphs)
