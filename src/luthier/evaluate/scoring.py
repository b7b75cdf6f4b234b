"""Scores of one answer, and figures over all items of a run.

``item_scores`` holds one answer against its item; a metric that does not apply is absent.
``suite_scores`` are figures that are no mean over items. All lie between 0 and 1, higher is
better, except nats, bits and perplexities, of which less is better.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from luthier.core.statistics import Interval, bootstrap_mean, wilson
from luthier.evaluate import metrics

if TYPE_CHECKING:
    from luthier.evaluate.runs.rows import Floats, RunRows
    from luthier.evaluate.suite import Item
    from luthier.models.generate import Reply

SCORING_VERSION = 1
Figure = Interval
_LETTER = re.compile(r"^\W*(?:(?i:answer|option)\W*)?(?:([A-Z])(?:[).:,\s]|$)|([a-z])(?:[).:]|$))")
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


def item_scores(item: Item, reply: Reply) -> dict[str, float]:
    """How good one answer is.

    Args:
        item: What was asked, and what is right.
        reply: The answer; that to a choice names an option by its letter or its text.
    """
    scores: dict[str, float] = {}
    match item.kind:
        case "classification":
            scores["accuracy"] = _best(metrics.exact_match, reply.said, item.references)
        case "choice":
            scores["accuracy"] = float(picked(item, reply.text) == item.reference)
        case "structured":
            scores |= _structured(item, reply.said)
        case "retrieval":
            scores |= _retrieved(item, reply)
        case "qa" | "generation" | "conversation":
            scores |= _in_words(item, reply.said)
        case "text":
            pass
    if reply.passages and (found := metrics.faithfulness(reply.text, _shown(reply))) is not None:
        scores["faithfulness"] = found
    return scores


def choice_scores(item: Item, nats: Sequence[float]) -> dict[str, float]:
    """Scores of a choice made by likelihood.

    Args:
        item: Its options and the right one.
        nats: Negative log-likelihood of each option, in order.

    Returns:
        ``accuracy``: the likeliest is right; ``accuracy_per_byte``: the likeliest by byte of UTF-8
        is, which does not favour short options (Gao et al., lm-evaluation-harness, ``acc_norm``);
        ``choice_probability``: the right one's share of all options' likelihood.
    """
    right = item.options.index(item.reference)
    losses = np.asarray(nats)
    sizes = np.array([max(1, len(option.encode())) for option in item.options])
    likely = np.exp(losses.min() - losses)
    return {
        "accuracy": float(losses.argmin() == right),
        "accuracy_per_byte": float((losses / sizes).argmin() == right),
        "choice_probability": float(likely[right] / likely.sum()),
    }


def text_scores(item: Item, nats: float, tokens: int) -> dict[str, float]:
    """Cross-entropy of a text: nats for each token, bits for each byte of UTF-8."""
    size = len(item.reference.encode())
    return {"nats_per_token": nats / max(1, tokens), "bits_per_byte": nats / math.log(2) / size}


def suite_scores(rows: RunRows, *, confidence: float = 0.95, seed: int = 0) -> dict[str, Figure]:
    """Figures that are no mean over items.

    Returns:
        ``perplexity`` (of a token) and ``bits_per_byte`` over all texts, longer ones weighing more.
    """
    texts = rows.kinds == "text"
    told: dict[str, Figure] = {}
    if texts.any():
        nats, tokens = rows.nll_nats[texts], rows.reference_tokens[texts]
        sizes = np.array(
            [len(t.encode()) for t, is_text in zip(rows.references, texts, strict=True) if is_text],
            dtype=np.float64,
        )
        how: dict[str, Any] = {
            "groups": rows.groups[texts], "confidence": confidence, "seed": seed,
        }  # fmt: skip
        told["perplexity"] = _mapped(_ratio(nats, tokens, **how), math.exp)
        told["bits_per_byte"] = _mapped(_ratio(nats, sizes, **how), lambda x: x / math.log(2))
    return told


def figure(
    values: Floats, groups: Sequence[str], *, confidence: float = 0.95, seed: int = 0
) -> Figure:
    """A mean with its interval, groups resampled together; nan values do not apply.

    Where all values are 0, or all 1, resampling says nothing: then it is Wilson's interval over
    the groups.
    """
    there = ~np.isnan(values)
    kept, own = values[there], np.asarray(groups)[there]
    if kept.min() == kept.max() and kept[0] in (0.0, 1.0):
        n = len(np.unique(own))
        found = wilson(n if kept[0] else 0, n, confidence=confidence)
        return Interval(float(kept[0]), found.low, found.high, len(kept))
    return bootstrap_mean(kept, groups=own.tolist(), confidence=confidence, seed=seed)


def picked(item: Item, text: str) -> str | None:
    """The option that an answer names, or None: by its letter (``B``), or by its text."""
    said = metrics.normalise(text)
    whole = [option for option in item.options if metrics.normalise(option) == said]
    if len(whole) == 1:
        return whole[0]
    letter = _LETTER.match(text)
    place = ord((letter.group(1) or letter.group(2)).upper()) - ord("A") if letter else -1
    if 0 <= place < len(item.options):
        return item.options[place]
    named = [o for o in item.options if metrics.normalise(o) and metrics.normalise(o) in said]
    return named[0] if len(named) == 1 else None


def _best(metric: Any, said: str, references: Sequence[str], **more: Any) -> float:
    return max(float(metric(said, reference, **more)) for reference in references)


def _in_words(item: Item, said: str) -> dict[str, float]:
    if not item.references:
        return {}
    scores = {
        "exact_match": _best(metrics.exact_match, said, item.references),
        "token_f1": _best(metrics.token_f1, said, item.references),
    }
    numbers = [_NUMBER.fullmatch(reference.strip()) for reference in item.references]
    if item.kind == "generation" and all(numbers):
        scores["number_match"] = _best(_same_number, said, item.references)
    return scores


def _same_number(said: str, reference: str) -> bool:
    """Whether the last number of an answer is the reference's."""
    found = _NUMBER.findall(said)
    return bool(found) and _value(found[-1]) == _value(reference)


def _value(number: str) -> float:
    return float(number.strip().replace(",", ""))


def _structured(item: Item, said: str) -> dict[str, float]:
    given, valid = _json(said)
    scores = {"json_valid": float(valid)}
    if not item.references:
        return scores
    wanted, there = _json(item.reference)
    if there:
        scores["json_match"] = float(valid and given == wanted)
        if isinstance(wanted, dict) and wanted:
            held = given if isinstance(given, dict) else {}
            right = sum(key in held and held[key] == value for key, value in wanted.items())
            scores["field_accuracy"] = right / len(wanted)
    return scores


def _json(text: str) -> tuple[Any, bool]:
    try:
        return json.loads(text), True
    except (ValueError, RecursionError):
        return None, False


def _retrieved(item: Item, reply: Reply) -> dict[str, float]:
    found = list(dict.fromkeys(passage.document_id for passage in reply.passages))
    places = [rank for rank, name in enumerate(found, 1) if name in item.relevant]
    return {
        "recall": len(places) / len(item.relevant),
        "reciprocal_rank": 1 / places[0] if places else 0.0,
    }


def _shown(reply: Reply) -> list[str]:
    return [passage.text for passage in reply.passages]


def _ratio(
    above: Floats, below: Floats, *, groups: Sequence[str], confidence: float, seed: int
) -> Figure:
    """Sum over sum, with the interval of its groups' influence on it (the delta method)."""
    ratio = float(above.sum() / below.sum())
    influence = (above - ratio * below) / below.mean()
    found = bootstrap_mean(influence, groups=list(groups), confidence=confidence, seed=seed)
    return Interval(ratio, ratio + found.low, ratio + found.high, len(above))


def _mapped(found: Figure, turn: Any) -> Figure:
    return Interval(turn(found.mean), turn(found.low), turn(found.high), found.n)
