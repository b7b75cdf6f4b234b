"""Each augmenter's candidates for the rows it is given: one ``match`` over all kinds."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, assert_never

from pydantic import Field

from luthier.core.errors import ConfigError
from luthier.core.progress import Progress
from luthier.core.records import Example
from luthier.data.augment._labels import Classify, Learn, ScoredLabels
from luthier.data.augment._neighbours import Encode, Neighbours, find_neighbours
from luthier.data.augment._preserve import kept_in
from luthier.data.augment._random import number_for
from luthier.data.augment.adversarial import (
    AdversarialAugmenter,
    attack_texts,
    folds_of,
    robustness,
)
from luthier.data.augment.back_translation import BackTranslationAugmenter, back_translated
from luthier.data.augment.characters import CharactersAugmenter, misspelt
from luthier.data.augment.embeddings import EmbeddingsAugmenter, with_neighbours
from luthier.data.augment.sentences import SentencesAugmenter, reordered
from luthier.data.augment.synonyms import (
    SynonymsAugmenter,
    near_only,
    read_thesaurus,
    usable_words,
    vocabulary,
    with_synonyms,
)
from luthier.data.augment.words import WordsAugmenter, disturbed
from luthier.models.generate import Generate

Augmenter = Annotated[
    AdversarialAugmenter
    | BackTranslationAugmenter
    | CharactersAugmenter
    | EmbeddingsAugmenter
    | SentencesAugmenter
    | SynonymsAugmenter
    | WordsAugmenter,
    Field(discriminator="kind"),
]


@dataclasses.dataclass(frozen=True, slots=True)
class Workshop:
    """What augmenters may use.

    Attributes:
        base: Folder that relative paths start from.
        folder: The stage's folder.
        progress: Shows a bar for each augmenter.
        seed: Of all choices.
        per_row: Candidates for each row.
        keep: Words never altered, in lower case.
        encode: The encoder.
        answer: The answering model, if there is one.
        classify: The user's classifier, if there is one.
        prompt: What the answering model is asked to get a label.
        training: All training rows.
        validation: All validation rows.
        learn: Trains a classifier like the user's on some rows, if there is one.
        checked: Whether the encoder compares each candidate with its parent.
    """

    base: Path
    folder: Path
    progress: Progress
    seed: int
    per_row: int
    keep: Collection[str]
    encode: Encode
    answer: Generate | None
    classify: Classify | None
    prompt: str
    training: Sequence[Example]
    validation: Sequence[Example]
    learn: Learn | None = None
    checked: bool = True


def make_candidates(
    augmenter: Augmenter, rows: Sequence[Example], shop: Workshop
) -> tuple[list[list[str]], dict[str, Any]]:
    """For each row the texts that may take its question's place, and what else was found out.

    Args:
        augmenter: Which, with its settings.
        rows: Training rows.
        shop: What it may use.

    Returns:
        As many lists as rows, and the robustness report of an attack, else nothing.

    Raises:
        ConfigError: The augmenter needs a model that is not there.
        DataError: A file it needs cannot be read.
        ResourceError: A program, thesaurus or library is missing.
    """
    texts = [row.question for row in rows]
    number, seed = shop.per_row, shop.seed
    asked = [(row.question, kept_in(row, shop.keep), bool(row.label)) for row in rows]
    match augmenter:
        case CharactersAugmenter():
            return [misspelt(t, augmenter, number, seed, keep) for t, keep, _ in asked], {}
        case WordsAugmenter():
            return [disturbed(t, augmenter, number, seed, keep, is_) for t, keep, is_ in asked], {}
        case SentencesAugmenter():
            return [reordered(t, augmenter, number, seed, keep, is_) for t, keep, is_ in asked], {}
        case SynonymsAugmenter():
            replace = _replacing(augmenter, texts, shop)
            return [replace(text=t, keep=keep) for t, keep, _ in asked], {}
        case EmbeddingsAugmenter():
            near = _neighbours(augmenter, texts, shop)
            made = [with_neighbours(t, augmenter, near, number, seed, k) for t, k, _ in asked]
            return made, {}
        case BackTranslationAugmenter():
            return back_translated(texts, augmenter, number, seed, shop.answer, shop.keep), {}
        case AdversarialAugmenter():
            return _attacked(augmenter, rows, shop)
        case _:
            assert_never(augmenter)


def _replacing(
    spec: SynonymsAugmenter, texts: Sequence[str], shop: Workshop
) -> Callable[..., list[str]]:
    """``with_synonyms`` with all that it reads, but for the text and what stays of it."""
    said = [text for row in shop.training for text in (row.question, row.answer)]
    usable = usable_words(spec, shop.base, said)
    own = vocabulary(texts)
    thesaurus = read_thesaurus(shop.base / spec.path, own | usable, spec.similar)
    if shop.checked:
        thesaurus = near_only(thesaurus, own, usable, shop.encode, spec)
    return functools.partial(
        with_synonyms,
        spec=spec,
        thesaurus=thesaurus,
        usable=usable,
        number=shop.per_row,
        seed=shop.seed,
        checked=shop.checked,
    )


def scorer(answer: Generate | None, shop_rows: Sequence[Example], prompt: str) -> ScoredLabels:
    """The answering model as a classifier over the labels of some rows.

    Raises:
        ConfigError: There is no answering model.
    """
    if answer is None:
        raise ConfigError(
            "this asks the answering model for labels, and there is none",
            where="augment",
            mend="Name a model, or let `judge` be neighbours and `target` classifier.",
        )
    return ScoredLabels(answer, sorted({row.label for row in shop_rows if row.label}), prompt)


def _attacked(
    spec: AdversarialAugmenter, rows: Sequence[Example], shop: Workshop
) -> tuple[list[list[str]], dict[str, Any]]:
    """Successful attacks on training rows, and how the model held out on both sides."""
    model = _target(spec, shop)
    attacked = _some(rows, spec.rows, shop.seed)
    held_out = _some(shop.validation, spec.rows, shop.seed)
    texts = [row.question for row in (*attacked, *held_out)]
    needed = spec.method == "textfooler"
    near = _neighbours(spec, texts, shop) if needed else Neighbours({})
    found: dict[str, list[str]] = {}
    with shop.progress.task(f"Attacking ({spec.method})", len(texts)) as task:
        strike = functools.partial(
            attack_texts, spec=spec, neighbours=near, encode=shop.encode, seed=shop.seed,
            advance=task.advance, keep=shop.keep,
        )  # fmt: skip
        attacks = []
        for unaware, chosen in _unaware(spec, attacked, shop):
            asked, labels = [row.question for row in chosen], [row.label for row in chosen]
            made = strike(asked, labels, classify=unaware)
            attacks += made
            pairs = zip(chosen, made, strict=True)
            found |= {row.id: [one.found] for row, one in pairs if one.found}
        asked, labels = [row.question for row in held_out], [row.label for row in held_out]
        unseen = strike(asked, labels, classify=model)
    report = {
        "method": spec.method,
        "target": spec.target,
        "folds": spec.folds if spec.target == "classifier" else None,
        "train": robustness(attacks, shop.seed),
        "validation": robustness(unseen, shop.seed),
    }
    return [found.get(row.id, []) for row in rows], {"robustness": report}


def _unaware(
    spec: AdversarialAugmenter, attacked: Sequence[Example], shop: Workshop
) -> Iterator[tuple[Classify, list[Example]]]:
    """Models that have not seen the rows which they are attacked with.

    The answering model is asked as it is: what it has seen is not known here. Rows without which
    fewer than two labels are left are not attacked.
    """
    if spec.target == "answer":
        yield _target(spec, shop), list(attacked)
        return
    if shop.learn is None:
        raise ConfigError(
            "there is nothing to train a classifier with that has not seen the rows it is asked",
            where="augment.augmenters.target",
            mend="Pass `learn`, or set `target: answer`.",
        )
    training = [row for row in shop.training if row.label]
    folds = folds_of(training, spec.folds, shop.seed)
    fold_of = {row.id: fold for row, fold in zip(training, folds, strict=True)}
    for fold in range(spec.folds):
        chosen = [row for row in attacked if fold_of[row.id] == fold]
        others = [row for row in training if fold_of[row.id] != fold]
        if chosen and len({row.label for row in others}) > 1:
            yield shop.learn(others), chosen


def _target(spec: AdversarialAugmenter, shop: Workshop) -> Classify:
    match spec.target:
        case "answer":
            return scorer(shop.answer, shop.training, shop.prompt)
        case "classifier":
            if shop.classify is None:
                raise ConfigError(
                    "there is no classifier to attack",
                    where="augment.augmenters.target",
                    mend="Name a classifier, or set `target: answer`.",
                )
            return shop.classify
        case _:
            assert_never(spec.target)


def _neighbours(
    spec: EmbeddingsAugmenter | AdversarialAugmenter, texts: Sequence[str], shop: Workshop
) -> Neighbours:
    questions = dict.fromkeys((*texts, *(row.question for row in shop.training)))
    return find_neighbours(
        spec.vectors,
        list(questions),
        [row.answer for row in shop.training if not row.label],
        base=shop.base,
        folder=shop.folder,
        seed=shop.seed,
        encode=shop.encode,
        number=spec.nearest,
    )


def _some(rows: Sequence[Example], number: int, seed: int) -> list[Example]:
    labelled = [row for row in rows if row.label]
    return sorted(labelled, key=lambda row: number_for(seed, "attack", row.id))[:number]
