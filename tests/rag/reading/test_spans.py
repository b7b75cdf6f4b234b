"""Rare words of the question weigh more, and the kind that is asked for helps."""

from __future__ import annotations

from luthier.core.records import Passage
from luthier.rag.reading.spans import find, weights

TEXT = (
    "The violin is old. The violin has a maple back. Makers met in Mittenwald. They agreed in 1884."
)
PASSAGE = Passage("v#0", "v", "Fiddles", TEXT, "v:1", 0, len(TEXT))


def test_rare_words_weigh_more() -> None:
    weight = weights("Is the violin of maple?", [PASSAGE])
    assert weight["mapl"] > weight["violin"] > 0


def test_the_sentence_before_and_the_kind_count_a_little() -> None:
    best = find("When did the makers in Mittenwald agree?", [PASSAGE])[0]
    assert best.text == "They agreed in 1884."
    assert best.kind
    assert 0 < best.holding < 1
