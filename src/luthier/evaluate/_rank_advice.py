"""Which ranked model to start from: one sentence with its reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

UNCLEAR = ("cannot tell apart",)
_CLOSE = 0.9  # a saving of less than a tenth of the memory is not worth a word


def recommend(
    rows: Sequence[Mapping[str, Any]], verdicts: Mapping[str, str], metric: str = ""
) -> dict[str, Any]:
    """Recommend one of the ranked models.

    Of the models that cannot be told apart from the best it is the one whose peak memory is
    smallest. The best is decided by the answers, if at least two models were asked and one of them
    had any of them right, else by bits per byte. N-gram models are left out: they can be neither
    tuned nor asked.

    Args:
        rows: See ``rank.rank``; the best by bits per byte first.
        verdicts: Of each model but the first: how its bits per byte compare with the first's.
        metric: What answers were measured by; "" if nobody was asked.

    Returns:
        ``name`` (None if nothing can be recommended), ``sentence``.
    """
    models = [row for row in rows if row["kind"] == "model"]
    if not models:
        return _nothing("No recommendation: n-gram models can be neither tuned nor asked.")
    if len(models) == 1:
        return _only(models[0], rows)
    asked = [row for row in models if row.get("few_shot")]
    if metric and len(asked) >= 2 and any(row["few_shot"]["score"]["mean"] > 0 for row in asked):
        return _by_answers(asked, models, metric)
    return _by_bits(models, rows, verdicts)


def _by_answers(
    asked: Sequence[Mapping[str, Any]], models: Sequence[Mapping[str, Any]], metric: str
) -> dict[str, Any]:
    said = metric.replace("token_f1", "token F1")
    if any(row["few_shot"].get("verdict") == "too few questions" for row in asked):
        return _nothing(f"No recommendation: too few questions to compare the models' {said}.")
    best = next(row for row in asked if "verdict" not in row["few_shot"])
    near = [best] + [r for r in asked if r["few_shot"].get("verdict") in UNCLEAR]
    silent = [row["name"] for row in models if not row.get("few_shot")]
    also = f" ({', '.join(silent)} could not be asked)" if silent else ""
    return _chosen(best, near, f"few-shot {said}", f"the highest few-shot {said}, clearly", also)


def _by_bits(
    models: Sequence[Mapping[str, Any]],
    rows: Sequence[Mapping[str, Any]],
    verdicts: Mapping[str, str],
) -> dict[str, Any]:
    best, *others = models
    said = [verdicts[row["name"]] for row in others]
    if "too few texts" in said:
        return _nothing("No recommendation: too few texts to tell the models apart.")
    near = [best] + [r for r, one in zip(others, said, strict=True) if one in UNCLEAR]
    clearly = "the fewest bits per byte of the models, clearly"
    return _chosen(best, near, "bits per byte", clearly, _counted(rows, best))


def _chosen(
    best: Mapping[str, Any], near: Sequence[Mapping[str, Any]], of: str, clearly: str, also: str
) -> dict[str, Any]:
    chosen = min(near, key=lambda row: (_memory(row), row is not best))
    if len(near) == 1:
        reasons = [clearly]
    else:
        rest = [row["name"] for row in near if row is not chosen]
        reasons = [f"cannot be told apart in {of} from {' and '.join(rest)}"]
        reasons += _saving(chosen, [row for row in near if row is not chosen])
    reasons.append(_licence(chosen))
    return {"name": chosen["name"], "sentence": f"{chosen['name']}: {', '.join(reasons)}{also}."}


def _only(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    sentence = f"{row['name']}: the only model among the candidates, {_licence(row)}"
    return {"name": row["name"], "sentence": f"{sentence}{_counted(rows, row)}."}


def _counted(rows: Sequence[Mapping[str, Any]], chosen: Mapping[str, Any]) -> str:
    """A word on n-gram models that need fewer bits."""
    place = next(n for n, row in enumerate(rows) if row is chosen)
    before = [row["name"] for row in rows[:place] if row["kind"] == "ngram"]
    if not before:
        return ""
    return f"; {before[0]}, counted in your own texts, needs fewer bits: tune before you use it"


def _saving(chosen: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> list[str]:
    share = _memory(chosen) / max(1, min(_memory(row) for row in others))
    if share > _CLOSE:
        return ["the same memory"] if share <= 1 else []
    words = ((0.15, "a tenth"), (0.29, "a quarter"), (0.4, "a third"), (0.6, "half"))
    told = next((word for most, word in words if share <= most), f"{share:.0%}")
    if share < 0.08:
        told = f"{share:.1%}"
    return [f"{told} of the memory"]


def _memory(row: Mapping[str, Any]) -> int:
    """Its peak, where that was measured, else the weights."""
    return int(row.get("peak_bytes") or row["memory_bytes"])


def _licence(row: Mapping[str, Any]) -> str:
    named = row.get("licence")
    return f"licence {named}" if named else "its card names no licence"


def _nothing(sentence: str) -> dict[str, Any]:
    return {"name": None, "sentence": sentence}
