"""Adversarial examples: texts near a row's that the user's own model gets wrong.

As training rows they are the hardest there are; how often the search succeeds is a measure of
robustness, reported beside them. A classifier is nearly never wrong about texts close to rows it
was trained on, so each training row is attacked against a classifier that has not seen its group.
The search and its sources stand in ``_attack.py``. Two things differ from TextFooler as published:
neighbours come from the vectors the user names instead of counter-fitted ones, and there is no
part-of-speech filter.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal, assert_never

import numpy as np
from pydantic import Field

from luthier.core.records import Example
from luthier.core.spec import Spec
from luthier.data.augment._attack import Attack, Limits, attack
from luthier.data.augment._intervals import mean, share
from luthier.data.augment._labels import Classify
from luthier.data.augment._neighbours import Encode, EncoderVectors, Neighbours, VectorsSpec
from luthier.data.augment._random import number_for, random_for
from luthier.data.augment.characters import CharacterEdit, misspell
from luthier.models.encode import Vectors

_EDITS: tuple[CharacterEdit, ...] = ("swap", "typo", "delete", "insert")
_SAMPLES = 12


class AdversarialAugmenter(Spec):
    """Searches texts that a model gets wrong."""

    kind: Literal["adversarial"] = "adversarial"
    method: Literal["textfooler", "deepwordbug"] = "textfooler"
    """``textfooler`` replaces words by near ones, ``deepwordbug`` misspells them."""
    target: Literal["classifier", "answer"] = "classifier"
    """Which model is attacked: the classifier, or the answering model by the likelihood it gives
    each label as the answer."""
    vectors: VectorsSpec = EncoderVectors()
    """textfooler: which vectors say what is near."""
    nearest: int = Field(default=20, ge=1)
    """textfooler: only so many neighbours of a word are tried."""
    min_word_similarity: float = Field(default=0.5, ge=-1.0, le=1.0)
    """textfooler: neighbours with a smaller cosine are not tried."""
    min_similarity: float = Field(default=0.8, ge=-1.0, le=1.0)
    """Least cosine of an altered text to the row's own."""
    max_changed: float = Field(default=0.4, gt=0.0, le=1.0)
    """Largest share of a text's words that are altered."""
    max_queries: int = Field(default=300, ge=2)
    """Texts the model is asked about for each row, at most."""
    rows: int = Field(default=200, ge=1)
    """So many training rows are attacked to learn from, and so many validation rows for the
    robustness report; a hash of their names chooses them."""
    folds: int = Field(default=5, ge=2, le=20)
    """The classifier is trained so many times, each time without one part of the training rows,
    which are then attacked against it."""


def folds_of(rows: Sequence[Example], folds: int, seed: int) -> list[int]:
    """A fold for each row: groups stay whole, and each label is spread over the folds.

    Args:
        rows: Labelled rows.
        folds: How many there are.
        seed: Of the order in which groups are dealt out.

    Returns:
        As many numbers from 0 to ``folds - 1`` as rows.
    """
    label = {row.group: row.label for row in reversed(rows)}
    dealt = sorted(label, key=lambda group: (label[group], number_for(seed, "fold", group)))
    fold = {group: place % folds for place, group in enumerate(dealt)}
    return [fold[row.group] for row in rows]


def attack_texts(
    texts: Sequence[str],
    labels: Sequence[str],
    spec: AdversarialAugmenter,
    classify: Classify,
    neighbours: Neighbours,
    encode: Encode,
    seed: int,
    advance: Callable[[], None],
    keep: Collection[str] = (),
) -> list[Attack]:
    """Attack a model with each of some texts.

    Args:
        texts: Classified texts.
        labels: Their right labels. A label the model does not know counts as got wrong.
        spec: Settings.
        classify: The model.
        neighbours: Of the words; unused by deepwordbug.
        encode: The encoder that similarity is measured with.
        seed: Of the misspellings.
        advance: Called after each text.
        keep: Words never altered, in lower case.
    """
    column = {label: i for i, label in enumerate(classify.labels)}
    limits = Limits(spec.max_queries, spec.max_changed, spec.min_similarity)
    done = []
    for text, label in zip(texts, labels, strict=True):
        options = functools.partial(_options, spec=spec, neighbours=neighbours, key=(seed, text))
        similarity = _Similarity(encode)
        right = column.get(label, -1)
        done.append(attack(text, right, classify, options, similarity, limits, keep))
        advance()
    return done


def robustness(attacks: Sequence[Attack], seed: int) -> dict[str, Any]:
    """What attacks say of a model, with 95 % intervals, as plain JSON.

    ``accuracy`` is before, ``accuracy_under_attack`` after; ``success_rate`` is the share of
    rightly answered texts that an attack turned; words changed and queries are means. Whether a
    turned text still means the same is not checked here: ``samples`` are there to be read.

    Args:
        attacks: From ``attack_texts``.
        seed: Of the bootstrap.
    """
    right = [a for a in attacks if a.correct]
    turned = [a for a in right if a.found]
    return {
        "attacked": len(attacks),
        "accuracy": share(len(right), len(attacks)),
        "accuracy_under_attack": share(len(right) - len(turned), len(attacks)),
        "success_rate": share(len(turned), len(right)),
        "words_changed": mean([a.changed for a in turned], seed),
        "share_of_words_changed": mean([a.changed / a.words for a in turned], seed),
        "queries": mean([a.queries for a in right], seed),
        "out_of_queries": sum(a.exhausted for a in right),
        "samples": [[a.text, a.found] for a in turned[:_SAMPLES]],
    }


class _Similarity:
    """Cosine of altered texts to a text, whose own vector is computed once."""

    def __init__(self, encode: Encode) -> None:
        self._encode = encode
        self._own: Vectors | None = None

    def __call__(self, text: str, others: Sequence[str]) -> list[float]:
        if self._own is None:
            self._own = self._encode([text])[0]
        return [float(c) for c in np.asarray(self._encode(others)) @ self._own]


def _options(
    word: str, *, spec: AdversarialAugmenter, neighbours: Neighbours, key: tuple[int, str]
) -> list[str]:
    match spec.method:
        case "textfooler":
            return neighbours.of(word, spec.nearest, spec.min_word_similarity)
        case "deepwordbug":
            chance = random_for(*key, word)
            made = [misspell(word, edit, chance) for edit in _EDITS] if len(word) > 2 else []
            return list(dict.fromkeys(m for m in made if m is not None and m != word))
        case _:
            assert_never(spec.method)
