"""BLEU, chrF and ROUGE are what their libraries say of whole corpora, and of hand-made pairs."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import pytest
import sacrebleu

from luthier.core.errors import ResourceError
from luthier.evaluate.scorers import overlap

SAID = ["the cat sat on the mat", "a dog", "", "Er ging nach Hause ."]
REFERENCES = [
    ["the cat is on the mat", "a cat sat on the mat"], ["the dog barks"], ["something"],
    ["Er ging heim.", "Er ging nach Hause."],
]  # fmt: skip
STREAMS = [[own[0] for own in REFERENCES], [own[-1] for own in REFERENCES]]


def test_a_corpus_is_no_mean_of_its_sentences() -> None:
    once = np.ones((1, 4))
    each, whole = overlap.bleu(SAID, REFERENCES)
    assert whole(once)[0] == pytest.approx(sacrebleu.corpus_bleu(SAID, STREAMS).score / 100)
    assert each[0] == pytest.approx(sacrebleu.sentence_bleu(SAID[0], REFERENCES[0]).score / 100)
    assert each[2] == 0
    each, whole = overlap.chrf(SAID, REFERENCES)
    assert whole(once)[0] == pytest.approx(sacrebleu.corpus_chrf(SAID, STREAMS).score / 100)
    assert each[3] == pytest.approx(sacrebleu.sentence_chrf(SAID[3], REFERENCES[3]).score / 100)
    twice = [SAID[0], SAID[0], SAID[3]]
    streams = [[s[0], s[0], s[3]] for s in STREAMS]
    times = np.array([[2.0, 0.0, 0.0, 1.0]])
    assert whole(times)[0] == pytest.approx(sacrebleu.corpus_chrf(twice, streams).score / 100)


def test_bleu_by_hand() -> None:
    _, whole = overlap.bleu(["a b c d e"], [["a b c d f"]])
    precisions = [4 / 5, 3 / 4, 2 / 3, 1 / 2]
    assert whole(np.ones((1, 1)))[0] == pytest.approx(np.prod(precisions) ** 0.25)


def test_rouge_by_hand_takes_the_best_reference() -> None:
    found = overlap.rouge("the cat sat", ["nothing", "the cat ran away"])
    assert found["rouge_1"] == pytest.approx(2 * 2 / (3 + 4))
    assert found["rouge_2"] == pytest.approx(2 * 1 / (2 + 3))
    assert found["rouge_l"] == pytest.approx(2 * 2 / (3 + 4))
    assert overlap.rouge("кот", ["кот"]) == {}


def test_the_extra_is_named_where_a_library_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith(("sacrebleu", "rouge_score")):
            raise ImportError("absent", name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ResourceError, match=r"BLEU needs the library"):
        overlap.bleu(SAID, REFERENCES)
    with pytest.raises(ResourceError, match=r"ROUGE needs the library"):
        overlap.rouge("a", ["a"])
