"""What belongs together stays together where it fits, else it is cut at its joints."""

from __future__ import annotations

from chunk_checks import word_offsets

from luthier.rag.chunkers._blocks import Content
from luthier.rag.chunkers._measure import Measure
from luthier.rag.chunkers.recursive import RecursiveChunks, recursive_spans

Seen = tuple[str, str, str]


def cut(text: str, size: int, content: Content = "markdown", overlap: int = 0) -> list[Seen]:
    """Kind, text, and context without the text itself."""
    measure = Measure(text, word_offsets)
    found: list[Seen] = []
    for one in recursive_spans(measure, content, 0, len(text), size=size, overlap=overlap):
        above = "\n".join(text[a:b] for a, b in one.context[:-1])
        found.append((one.kind, text[one.start : one.end], above))
    return found


def test_sections_begin_with_their_headings() -> None:
    text = "# Tea\n\nIt is hot.\n\n## Green\n\nIt is green.\n\n## Black\n\nIt is black."
    assert cut(text, 8) == [
        ("", "# Tea\n\nIt is hot.", ""),
        ("", "## Green\n\nIt is green.", ""),
        ("", "## Black\n\nIt is black.", ""),
    ]


def test_what_follows_shows_the_heading_it_stands_under() -> None:
    text = "# Tea\n\none two three four.\n\nfive six seven eight."
    assert cut(text, 8) == [
        ("", "# Tea\n\none two three four.", ""),
        ("", "five six seven eight.", "# Tea"),
    ]


def test_a_table_that_fits_is_kept_whole() -> None:
    table = "| a | b |\n|---|---|\n| 1 | 2 |"
    text = f"one two three four five six.\n\n{table}\n\nseven eight nine ten eleven."
    assert [seen[:2] for seen in cut(text, 22)] == [
        ("", "one two three four five six."),
        ("table", table),
        ("", "seven eight nine ten eleven."),
    ]


def test_a_long_table_is_cut_between_rows_and_shows_its_header() -> None:
    rows = [f"tea{n} | {n}" for n in range(6)]
    text = "\n".join(["name | price", *rows])
    assert cut(text, 7, "prose") == [
        ("table", "name | price\ntea0 | 0", ""),
        ("table", "tea1 | 1\ntea2 | 2", "name | price"),
        ("table", "tea3 | 3\ntea4 | 4", "name | price"),
        ("table", "tea5 | 5", "name | price"),
    ]


def test_a_ruled_header_is_shown_with_its_rule() -> None:
    text = "| a | b |\n|---|---|\n" + "| one | two |\n" * 4
    seen = cut(text, 21)
    assert seen[0][1].startswith("| a | b |\n|---|---|\n| one")
    assert {above for _, _, above in seen[1:]} == {"| a | b |\n|---|---|"}


def test_a_row_too_long_is_cut_itself() -> None:
    text = "a | b\n" + " ".join(f"w{n}" for n in range(20)) + " | c\nd | e"
    assert all(len(word_offsets(body)) <= 6 for _, body, _ in cut(text, 6, "prose"))


def test_a_list_is_cut_between_its_outer_items() -> None:
    text = "- one two\n  - inner\n- three four\n  and more\n- five six"
    assert [body for _, body, _ in cut(text, 7, "prose")] == [
        "- one two\n  - inner",
        "- three four\n  and more",
        "- five six",
    ]


def test_turns_stay_whole() -> None:
    text = "Ann: one two three.\nBob: four five.\nAnn: six seven eight nine."
    assert cut(text, 9, "conversation") == [
        ("conversation", "Ann: one two three.", ""),
        ("conversation", "Bob: four five.", ""),
        ("conversation", "Ann: six seven eight nine.", ""),
    ]


def test_a_long_paragraph_is_cut_at_its_sentences_with_overlap() -> None:
    text = "one two three. four five six. seven eight nine."
    assert [body for _, body, _ in cut(text, 8, "prose", 2)] == [
        "one two three. four five six.",
        "six. seven eight nine.",
    ]


def test_headings_alone_are_headings() -> None:
    text = "\n".join(f"# Title {n}" for n in range(8))
    seen = cut(text, 9)
    assert {kind for kind, _, _ in seen} == {"heading"}
    assert "\n".join(body for _, body, _ in seen) == text


def test_a_header_row_that_fills_the_room_is_not_repeated() -> None:
    text = "one two three four five | six\n" + "a | b\n" * 8
    assert {above for _, _, above in cut(text, 9, "prose")} == {""}


def test_a_slice_can_be_cut_alone() -> None:
    text = "Out.\n\nIn one.\n\nIn two.\n\nOut."
    measure = Measure(text, word_offsets)
    found = recursive_spans(measure, "prose", 6, 23, size=4, overlap=0)
    assert [text[one.start : one.end] for one in found] == ["In one.", "In two."]


def test_settings_have_todays_sizes() -> None:
    assert (RecursiveChunks().chunk_size, RecursiveChunks().chunk_overlap) == (160, 32)
