"""Words that give way to their neighbours."""

from __future__ import annotations

from luthier.data.augment._neighbours import Neighbours
from luthier.data.augment.embeddings import EmbeddingsAugmenter, with_neighbours

NEAR = Neighbours(
    {
        "send": (("move", 0.9), ("mail", 0.4)),
        "money": (("cash", 0.8),),
        "please": (("kindly", 0.9),),
    }
)


def test_near_words_replace() -> None:
    spec = EmbeddingsAugmenter(rate=1.0)
    assert with_neighbours("Send money, please", spec, NEAR, 3, 0) == ["Move cash, please"]
    looser = EmbeddingsAugmenter(rate=1.0, min_word_similarity=0.3)
    assert sorted(with_neighbours("Send money", looser, NEAR, 3, 0)) == ["Mail cash", "Move cash"]


def test_kept_words_and_words_without_neighbours() -> None:
    spec = EmbeddingsAugmenter()
    assert with_neighbours('"send money" 5', spec, NEAR, 3, 0) == []
    assert with_neighbours("send it", spec, NEAR, 3, 0, {"send"}) == []
    assert with_neighbours("hello", spec, NEAR, 3, 0) == []


def test_rate_is_a_share_of_the_words_with_neighbours() -> None:
    found = with_neighbours("send money", EmbeddingsAugmenter(rate=0.5), NEAR, 5, 0)
    assert sorted(found) == ["move money", "send cash"]
