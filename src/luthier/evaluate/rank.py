"""Rank language models by the bits they need for the same text.

Perplexities of models with different vocabularies cannot be compared; bits per byte and perplexity
per word can, since bytes and words are the text's own. Every candidate scores every byte of every
text once.
"""

from __future__ import annotations

import dataclasses
import gc
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, assert_never

import numpy as np

from luthier.core.errors import ConfigError
from luthier.core.progress import Progress
from luthier.evaluate._rank_advice import recommend
from luthier.evaluate._rank_answers import Questions, answer_figures
from luthier.evaluate._rank_figures import (
    bootstrap_ratio,
    headline,
    interval_json,
    perplexity,
    units,
)
from luthier.evaluate._rank_score import Scored, score_folder, score_ngram
from luthier.evaluate._rank_texts import Text
from luthier.models.quantise import Quantisation

NGRAM, TUNED = "ngram", "tuned"
ORDER = 4
ORDERS = range(1, 11)
LINE_WORDS = 8
"""Words from which on a line says that a text was learned."""


@dataclasses.dataclass(frozen=True, slots=True)
class Counted:
    """An n-gram model that is trained for the occasion.

    Attributes:
        name: As it was asked for.
        order: Longest n-gram, in tokens.
    """

    name: str
    order: int


@dataclasses.dataclass(frozen=True, slots=True)
class Weights:
    """A model folder.

    Attributes:
        name: As it was asked for.
        folder: Where it lies.
        precision: Of the weights in memory; ``auto`` is bfloat16 on a GPU and float32 on a CPU.
        quantisation: Of the linear layers; see ``models.quantise``.
    """

    name: str
    folder: Path
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    quantisation: Quantisation = "none"


Candidate = Counted | Weights

_HELD: dict[str, dict[str, Any]] = {
    "float32": {"precision": "float32"},
    "bfloat16": {"precision": "bfloat16"},
    "8bit": {"quantisation": "8bit"},
    "4bit": {"quantisation": "4bit"},
}
"""What stands behind a colon."""


def candidate(name: str, base: Path, tuned: Path | None) -> Candidate:
    """What a name stands for.

    Args:
        name: ``ngram``, ``ngram:ORDER``, ``tuned``, ``starter``, a folder or a hub id; models
            with weights also with ``:float32``, ``:bfloat16``, ``:8bit`` or ``:4bit`` behind them.
        base: Folder that relative paths start from.
        tuned: The model folder that ``tuned`` means.

    Raises:
        ConfigError: An n-gram's order is no number from 1 to 10, weights cannot be held so, or
            nothing has been tuned.
        ModelError: No such model.
    """
    from luthier.models.load import ModelSpec, find

    kind, _, suffix = name.partition(":")
    if kind == NGRAM:
        if suffix and not (suffix.isdecimal() and int(suffix) in ORDERS):
            raise ConfigError(
                f"the order of an n-gram model is a number from {ORDERS[0]} to {ORDERS[-1]}",
                where=name,
            )
        return Counted(name, int(suffix or ORDER))
    held: dict[str, Any] = {}
    bare, _, last = name.rpartition(":")
    if last in _HELD:
        held, kind = _HELD[last], bare
    elif bare and not (base / name).exists():
        raise ConfigError(
            f"weights cannot be held as '{last}'",
            where=name,
            mend=f"As one of: {', '.join(_HELD)}.",
        )
    else:
        kind = name
    if kind == TUNED:
        if tuned is None:
            raise ConfigError(
                "nothing has been tuned on the rows of this project",
                where=name,
                mend="`luthier run` tunes; this command trains n-gram models only.",
            )
        return Weights(name, tuned, **held)
    return Weights(name, find(ModelSpec(name=kind), base), **held)


def rank(
    texts: Sequence[Text],
    candidates: Sequence[Candidate],
    progress: Progress,
    *,
    learned: Sequence[str] = (),
    questions: Questions | None = None,
    device: str = "cpu",
    seed: int = 0,
    confidence: float = 0.95,
    resamples: int = 10_000,
) -> dict[str, Any]:
    """Score texts with every candidate and order the candidates by bits per byte.

    Args:
        texts: At least one; none empty.
        candidates: At least one; no name twice.
        progress: A bar for each.
        learned: What n-gram models are trained on.
        questions: What models are asked besides, or None.
        device: Where model folders compute (``cpu``, ``cuda``).
        seed: Of the resampling.
        confidence: Of all intervals.
        resamples: Bootstrap samples.

    Returns:
        Plain JSON: ``texts`` (their number, groups, bytes, words), ``candidates`` (the best first;
        see docs/models/ranking.md), ``best``, ``headline``, ``recommendation`` (``name``,
            ``sentence``), ``questions`` (what was asked, or None), ``drawn`` (how many groups or
            texts the intervals resample), ``confidence``, ``resamples``, ``seed``.

    Raises:
        ConfigError: A name stands twice.
        ModelError: A candidate cannot be loaded or trained.
    """
    _check_names([c.name for c in candidates])
    said = [text.text for text in texts]
    scored = {}
    for one in candidates:
        scored[one.name] = _score(one, said, learned, questions, device, progress)
        gc.collect()  # one model in memory at a time
    order = sorted(candidates, key=lambda c: (float(scored[c.name].nats.sum()), c.name))
    settings: dict[str, Any] = {"confidence": confidence, "resamples": resamples, "seed": seed}
    best = scored[order[0].name]
    rows = [_row(one, scored[one.name], best, texts, settings) for one in order]
    for row in rows:
        if row["kind"] == "ngram":
            row["texts_learned_too"] = _met(said, learned)
    if questions is not None:
        _add_answers(rows, scored, questions, settings)
    verdicts = _among_models(order, scored, texts, settings)
    return {
        **about(texts),
        "candidates": rows,
        "best": order[0].name,
        "headline": headline(rows),
        "recommendation": recommend(rows, verdicts, questions.metric if questions else ""),
        "questions": None if questions is None else questions.as_json(),
        **settings,
    }


def _check_names(names: Sequence[str]) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError("this candidate stands twice", where=", ".join(twice))


def _add_answers(
    rows: Sequence[dict[str, Any]],
    scored: Mapping[str, Scored],
    questions: Questions,
    settings: dict[str, Any],
) -> None:
    """Figures of what each candidate answered."""
    answered = {name: own.answered for name, own in scored.items()}
    told = answer_figures(answered, questions, **settings)
    for row in rows:
        row["few_shot"] = told[row["name"]]


def about(texts: Sequence[Text]) -> dict[str, Any]:
    """The texts in figures, and what of them the intervals resample."""
    groups = [text.group for text in texts]
    distinct, drawn = len(set(groups)), units(groups)[1]
    counts = {
        "texts": len(texts),
        "groups": distinct,
        "bytes": sum(text.size_bytes for text in texts),
        "words": _words(texts),
    }
    drawn_from = "groups" if drawn == distinct else "texts"
    return {"texts": counts, "drawn": drawn, "drawn_from": drawn_from}


def _row(
    one: Candidate, own: Scored, best: Scored, texts: Sequence[Text], settings: dict[str, Any]
) -> dict[str, Any]:
    """All that is told of one candidate."""
    sizes = np.array([text.size_bytes for text in texts], dtype=np.float64)
    groups = [text.group for text in texts]
    row = {"name": one.name, **_kind(one), **_figures(own, int(sizes.sum()), _words(texts))}
    bits = bootstrap_ratio(own.nats / math.log(2), sizes, groups, **settings)
    row["bits_per_byte"] = interval_json(row["bits_per_byte"], bits)
    return row if own is best else row | _against(own, best, sizes, groups, settings)


def _among_models(
    order: Sequence[Candidate],
    scored: Mapping[str, Scored],
    texts: Sequence[Text],
    settings: dict[str, Any],
) -> dict[str, str]:
    """How each model compares with the best of the models, n-gram models left out."""
    sizes = np.array([text.size_bytes for text in texts], dtype=np.float64)
    groups = [text.group for text in texts]
    names = [c.name for c in order if isinstance(c, Weights)]
    if not names:
        return {}
    best = scored[names[0]]
    return {
        name: _against(scored[name], best, sizes, groups, settings)["verdict"] for name in names[1:]
    }


def _words(texts: Sequence[Text]) -> int:
    return sum(len(text.text.split()) for text in texts)


def _score(
    one: Candidate,
    texts: Sequence[str],
    learned: Sequence[str],
    questions: Questions | None,
    device: str,
    progress: Progress,
) -> Scored:
    match one:
        case Counted():
            return score_ngram(one.name, one.order, learned, texts, progress)
        case Weights():
            return score_folder(
                one.name,
                one.folder,
                texts,
                progress,
                questions=questions,
                device=device,
                precision=one.precision,
                quantisation=one.quantisation,
            )
        case _:
            assert_never(one)


def _kind(one: Candidate) -> dict[str, Any]:
    match one:
        case Counted():
            return {"kind": "ngram", "licence": None}
        case Weights():
            from luthier.models.card import licence
            from luthier.models.folder import folder_digest

            digest = folder_digest(one.folder)
            return {"kind": "model", "digest": digest, "licence": licence(one.folder)}
        case _:
            assert_never(one)


def _figures(own: Scored, size: int, words: int) -> dict[str, Any]:
    nats, tokens = float(own.nats.sum()), int(own.tokens.sum())
    return {
        "bytes": size,
        "bits_per_byte": nats / math.log(2) / size,
        "perplexity_per_token": perplexity(nats, tokens),
        "perplexity_per_word": perplexity(nats, words),
        "tokens": tokens,
        "tokens_per_word": tokens / words if words else None,
        "mb_per_s": size / 1e6 / max(own.facts["seconds"], 1e-9),
        "changed_texts": own.changed,
        "unknown_tokens": own.unknown,
        **own.facts,
    }


def _against(
    own: Scored, best: Scored, sizes: Any, groups: Sequence[str], settings: dict[str, Any]
) -> dict[str, Any]:
    """Bits per byte more than the best needs, and whether that is clear."""
    more = (own.nats - best.nats) / math.log(2)
    found = bootstrap_ratio(more, sizes, groups, **settings)
    if found is None:
        verdict = "too few texts"
    else:
        verdict = "worse" if found.excludes_zero else "cannot tell apart"
    mean = float(more.sum() / sizes.sum())
    return {"against_best": interval_json(mean, found), "verdict": verdict}


def _met(texts: Sequence[str], learned: Sequence[str]) -> int:
    """Texts that stand among the learned ones as a whole, or with a line of eight words."""
    known = {part for text in learned for part in _parts(text)}
    return sum(not known.isdisjoint(_parts(text)) for text in texts)


def _parts(text: str) -> set[str]:
    lines = (" ".join(line.split()) for line in text.splitlines())
    return {" ".join(text.split()), *(line for line in lines if line.count(" ") >= LINE_WORDS - 1)}
