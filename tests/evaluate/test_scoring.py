"""Each kind of item has its scores; what does not apply is absent."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from gated_runs import run
from sklearn.metrics import brier_score_loss

from luthier.core.records import Message, Passage
from luthier.evaluate.runs.rows import Row, from_rows
from luthier.evaluate.scoring import (
    asked_scores,
    choice_scores,
    figure,
    item_scores,
    resources,
    suite_scores,
    text_scores,
)
from luthier.evaluate.suite import Item, Kind
from luthier.models.generate import Reply

ASKED = (Message("user", "?"),)


def same(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """An encoder to which all texts are alike."""
    return np.ones((len(texts), 1), dtype=np.float32)


def scored(
    kind: Kind, said: str, *references: str, options: tuple[str, ...] = ()
) -> dict[str, float]:
    item = Item("a", kind, ASKED, references, options)
    return item_scores(item, Reply(said, 1, 1, 0.1, "stop"))


def test_words_take_the_best_reference() -> None:
    assert scored("qa", "the Four", "six", "four") == {
        "exact_match": 1.0, "token_f1": 1.0, "answered": 1.0,
    }  # fmt: skip
    assert scored("conversation", "yes") == {}
    assert scored("classification", "Refund", "refund") == {"accuracy": 1.0}


@pytest.mark.parametrize(
    ("said", "right"), [("So it is $1,018.00.", 1.0), ("18 of 20", 0.0), ("none", 0.0)]
)
def test_a_number_is_the_last_one_said(said: str, right: float) -> None:
    assert scored("generation", said, "1018")["number_match"] == right
    assert "number_match" not in scored("generation", said, "a thousand")


def test_a_choice_by_likelihood() -> None:
    item = Item("a", "choice", ASKED, ("a longer one",), ("short", "a longer one"))
    told = choice_scores(item, [2.0, 3.0])
    assert (told["accuracy"], told["accuracy_per_byte"]) == (0.0, 1.0)
    assert math.isclose(told["choice_probability"], math.exp(-1) / (1 + math.exp(-1)))


def test_brier_is_sklearns() -> None:
    item = Item("a", "choice", ASKED, ("b",), ("a", "b", "c"))
    nats = [1.0, 0.5, 3.0]
    shares = np.exp(-np.array(nats)) / np.exp(-np.array(nats)).sum()
    wanted = brier_score_loss(["b"], shares[None], labels=["a", "b", "c"], scale_by_half=True)
    assert math.isclose(choice_scores(item, nats)["brier"], wanted)
    assert math.isclose(choice_scores(item, nats)["confidence"], shares[1])


def test_structured_answers() -> None:
    found = scored("structured", '{"b": "x"}', '{"a": 1, "b": "x"}')
    assert found == {"json_valid": 1.0, "json_match": 0.0, "field_accuracy": 0.5}


def test_to_refuse_is_right_where_there_is_no_answer() -> None:
    item = Item("a", "qa", ASKED, answerable=False)
    refused = item_scores(item, Reply("I don't know.", 1, 1, 0.1, "stop"))
    assert refused == {"exact_match": 1.0, "token_f1": 1.0, "refused": 1.0}
    assert item_scores(item, Reply("In 1066.", 1, 1, 0.1, "stop"))["refused"] == 0.0
    assert scored("qa", "", "1066")["answered"] == 0.0


def test_passages_have_the_figures_of_the_rag_room() -> None:
    texts = ("Tea is made of leaves.", "Coffee is made of beans.")
    passages = tuple(
        Passage(str(n), f"d{n}", "", text, f"d{n}", 0, len(text)) for n, text in enumerate(texts)
    )
    reply = Reply(texts[0], 1, 1, 0.1, "stop", passages)
    found = item_scores(Item("a", "retrieval", ASKED, relevant=("d1", "d7")), reply)
    assert (found["recall@5"], found["mrr"], found["hit@1"]) == (0.5, 0.5, 0.0)
    asked = (Message("user", "What is tea made of?"),)
    found = item_scores(Item("a", "qa", asked, (texts[0],)), reply)
    assert (found["faithfulness"], found["attribution"], found["completeness"]) == (1.0, 0.5, 1.0)


def test_metrics_that_are_asked_for() -> None:
    items = [
        Item("a", "qa", ASKED, ("the cat sat on the mat",)),
        Item("b", "choice", ASKED, ("x",), ("x", "y")),
        Item("c", "generation", ASKED, ("a dog barks",)),
        Item("d", "conversation", ASKED),
    ]
    said = ["the cat sat on the mat", "x", "", "hello"]
    found = asked_scores(items, said, ("bleu", "chrf", "rouge", "similarity"), lambda: same)
    names = ["bleu", "chrf", "rouge_1", "rouge_2", "rouge_l", "similarity"]
    assert [list(own) for own in found.scores] == [names, [], names, []]
    assert found.scores[0] == pytest.approx(dict.fromkeys(names, 1.0))
    assert found.scores[2] == dict.fromkeys(names, 0.0)
    assert list(found.figures) == ["corpus_bleu", "corpus_chrf"]
    assert found.figures["corpus_bleu"].n == 2
    nothing = asked_scores(items[1:2], said[1:2], ("similarity",), lambda: same)
    assert nothing.scores == ({},)


def test_what_answers_took() -> None:
    told = run({"exact_match": [1.0] * 20}, latency_s=[0.1, 0.3])
    found = resources(told)
    assert (found["latency_s"].mean, found["latency_p50_s"].mean) == pytest.approx((0.2, 0.2))
    assert (found["latency_p50_s"].low, found["latency_p50_s"].high) == (0.1, 0.3)
    assert found["completion_tokens"].mean == 2
    assert "cost" not in found


def row(text: str, nats: float, tokens: int) -> Row:
    return Row(
        text, "text", "", (), "", "", "", "", text, 0, 0, None, None, "", nats, tokens,
        (), (), (), "",
    )  # fmt: skip


def test_perplexity_is_over_all_tokens() -> None:
    rows = from_rows([row("ab", 2.0, 1), row("abcdef", 3.0, 4)], [{}, {}], {})
    told = suite_scores(rows)
    assert math.isclose(told["perplexity"].mean, math.exp(5 / 5))
    assert math.isclose(told["bits_per_byte"].mean, 5 / 8 / math.log(2))
    assert told["perplexity"].low <= math.e <= told["perplexity"].high
    item = Item("t", "text", references=("abcd",))
    assert text_scores(item, 8.0, 2) == {"nats_per_token": 4.0, "bits_per_byte": 2 / math.log(2)}


def test_a_figure_leaves_out_what_does_not_apply_and_is_never_of_no_width() -> None:
    nan = np.nan
    mixed = figure(np.array([1.0, nan, 0.0]), ["a", "b", "c"])
    assert (mixed.mean, mixed.n) == (0.5, 2)
    same = figure(np.ones(20), [str(n) for n in range(20)])
    assert (same.mean, same.n) == (1.0, 20)
    assert 0.8 < same.low < 1.0
