"""SQuAD's normal form, answers that are data, support by passages, perplexity."""

import math

import pytest

from luthier.evaluate import metrics


def test_normalise_follows_squad() -> None:
    assert metrics.normalise("The  quick, brown Fox's an A!") == "quick brown foxs"


@pytest.mark.parametrize(
    ("answer", "reference", "wanted"),
    [
        ("width of 70", "70", 0.5),
        ("The Cat", "cat", 1.0),
        ("dog", "cat", 0.0),
        ("", "cat", 0.0),
        ("x x y", "y y", 0.4),
    ],
)
def test_token_f1(answer: str, reference: str, wanted: float) -> None:
    assert metrics.token_f1(answer, reference) == pytest.approx(wanted)


def test_repeated_tokens_count_as_often_as_they_stand_in_both() -> None:
    assert metrics.token_f1("cat cat cat", "cat") == pytest.approx(0.5)


def test_a_reference_without_tokens_must_be_met_literally() -> None:
    assert metrics.token_f1("*", "*") == 1.0
    assert metrics.token_f1(",", "*") == 0.0
    assert metrics.exact_match("*", "*")
    assert not metrics.exact_match(",", "*")


def test_spacing_of_json_does_not_change_its_f1() -> None:
    reference = '{"name": "fill", "args": ["text", "width"]}'
    compact = '{"name":"fill","args":["text","width"]}'
    assert metrics.token_f1(compact, reference, kind="form") == 1.0
    assert metrics.token_f1('{"name":"fill"}', reference, kind="form") == pytest.approx(4 / 7)


def test_punctuation_decides_exact_match_of_data_only() -> None:
    assert metrics.exact_match("It's 70.", "its 70")
    assert not metrics.exact_match('["name", "fill"]', '{"name": "fill"}', kind="form")
    assert metrics.exact_match(' {"name":  1} ', '{"name": 1}', kind="form")


def test_json_match_compares_content() -> None:
    reference = '{"name": "fill", "args": ["text"]}'
    assert metrics.json_match('{"args":["text"], "name":"fill"}', reference) is True
    assert metrics.json_match('{"args":["text"], "name":"wrap"}', reference) is False
    assert metrics.json_match('{"args":["text"], "name":"fill"', reference) is False
    assert metrics.json_match("true", "1") is False
    assert metrics.json_match(reference, "not json") is None
    assert metrics.json_match(reference, reference, kind="fact") is None


def test_faithfulness_is_the_share_of_backed_words() -> None:
    passages = ["Wrap a single paragraph of text.", "The default width is 70 columns."]
    assert metrics.faithfulness("the default width is 70", passages) == 1.0
    assert metrics.faithfulness("The width is 80 metres", passages) == pytest.approx(2 / 5)
    assert metrics.faithfulness("width text default", passages) == 0.0
    assert metrics.faithfulness("70", passages) == 1.0
    assert metrics.faithfulness("80", passages) == 0.0


def test_faithfulness_does_not_join_words_across_passages() -> None:
    assert metrics.faithfulness("one two", ["so one", "two more"]) == 0.0


def test_faithfulness_is_unknown_without_passages_or_answer() -> None:
    assert metrics.faithfulness("70", []) is None
    assert metrics.faithfulness("", ["The default width is 70."]) is None


def test_perplexity_weighs_by_tokens() -> None:
    assert metrics.perplexity([(2 * math.log(4), 2), (6 * math.log(4), 6)]) == pytest.approx(4)
    assert metrics.perplexity([(0.0, 1), (3.0, 3)]) == pytest.approx(math.exp(0.75))
    assert metrics.perplexity([]) is None
    assert metrics.perplexity([(1e6, 1)]) == math.inf
