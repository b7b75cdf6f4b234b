"""Traffic lights: one judgement for each point a data set can fail on, with its reason."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from luthier.core.records import Document, Example

Colour = Literal["green", "yellow", "red", "grey"]


@dataclasses.dataclass(frozen=True, slots=True)
class Light:
    """One judgement.

    Attributes:
        name: What is judged.
        colour: ``green`` is fine, ``yellow`` wants a look, ``red`` will hurt; ``grey`` could not be
            judged.
        said: What was found, in a sentence.
        mend: The setting or the deed that mends it; "" for green ones.
        facts: The figures behind it, plain JSON.
    """

    name: str
    colour: Colour
    said: str
    mend: str = ""
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def worst(value: float, yellow: float, red: float) -> Colour:
    """Green below ``yellow``, red from ``red`` on."""
    return "red" if value >= red else "yellow" if value >= yellow else "green"


def size(train: Sequence[Example], minimum: int) -> Light:
    """Enough training rows? Under the minimum is yellow, under a tenth of it red."""
    count = len(train)
    colour: Colour = "green" if count >= minimum else "yellow" if count * 10 >= minimum else "red"
    return Light(
        "size",
        colour,
        f"{count:,} training rows; {minimum:,} are recommended at least",
        ""
        if colour == "green"
        else "Add sources, or let `data.synthesize` and `data.augment` make more rows.",
        {"train": count, "minimum": minimum},
    )


def items(test: Sequence[Example], minimum: int = 100) -> Light:
    """Enough test items to tell routes apart?"""
    count = len(test)
    half_width = 0.98 / max(count, 1) ** 0.5
    return Light(
        "test items",
        "green" if count >= minimum else "yellow" if count else "red",
        f"{count:,} test items: a share is known to about ±{half_width:.2f}"
        if count
        else "there is no test item: nothing can be told of the model's answers",
        "" if count >= minimum else "Add rows, or raise `data.split.test`.",
        {"test": count, "half_width_95": round(half_width, 4) if count else None},
    )


def closed(learned: Sequence[Example]) -> Light:
    """Does the model learn what not everyone may see?

    Args:
        learned: Rows of training and validation.
    """
    count = sum(e.closed for e in learned)
    return Light(
        "access",
        "yellow" if count else "green",
        f"{count:,} of {len(learned):,} rows to learn from say what not everyone may see, and what "
        "a model has learned, everyone can ask"
        if count
        else "no row to learn from has an access list",
        "Serve the model to those alone who may see them all, or leave them out: set "
        "`data.closed_rows` to refuse."
        if count
        else "",
        {"closed": count, "rows": len(learned)},
    )


def balance(train: Sequence[Example]) -> Light:
    """Are the classes (or else the kinds of rows) of like size?"""
    labels = Counter(e.label for e in train if e.label)
    what, one = "classes", "class"
    if not labels:
        labels, what, one = Counter(e.kind for e in train), "kinds of rows", "kind of row"
    if len(labels) < 2:
        return Light("balance", "grey", f"there is only one {one}" if labels else "there is no row")
    most, least = labels.most_common(1)[0], labels.most_common()[-1]
    ratio = most[1] / least[1]
    colour = worst(ratio, 5, 20)
    return Light(
        "balance",
        colour,
        f"{len(labels)} {what}; the largest ({most[0]}) has {ratio:.1f} times the rows of the "
        f"smallest ({least[0]})",
        "" if colour == "green" else "`data.balance` evens it out, by rows or by the loss.",
        {"ratio": round(ratio, 3), "counts": dict(labels.most_common(50))},
    )


def rare(train: Sequence[Example], minimum: int = 10) -> Light:
    """Has every class enough rows to be learned?"""
    labels = Counter(e.label for e in train if e.label)
    if not labels:
        return Light("rare classes", "grey", "rows have no labels")
    few = {label: n for label, n in labels.items() if n < minimum}
    return Light(
        "rare classes",
        worst(len(few) / len(labels), 1e-9, 0.2),
        f"{len(few)} of {len(labels)} classes have fewer than {minimum} training rows",
        "`data.augment` with `below`, or `data.balance`; better: collect more of them."
        if few
        else "",
        {"classes": dict(sorted(few.items(), key=lambda kv: kv[1])[:50])},
    )


def lengths(tokens: Sequence[int], limit: int, context: int) -> Light:
    """Do rows fit? Rows over the limit are refused by tuning.

    Args:
        tokens: Of each training row.
        limit: ``tune.max_length``.
        context: What the model takes.
    """
    if not tokens:
        return Light("lengths", "grey", "there is no training row")
    over = sum(n > limit for n in tokens)
    data = np.array(tokens)
    marks = {f"p{q}": int(np.percentile(data, q)) for q in (5, 50, 95, 100)}
    share = over / len(tokens)
    return Light(
        "lengths",
        worst(share, 1e-9, 0.05),
        f"{over:,} of {len(tokens):,} training rows ({share:.1%}) have more than {limit:,} tokens "
        f"and would be refused; half have up to {marks['p50']:,}, the longest {marks['p100']:,}",
        f"Raise `tune.max_length` (the model takes {context:,}), or cut the rows." if over else "",
        {"limit": limit, "context": context, "over": over, "quantiles": marks,
         "histogram": _histogram(data)},
    )  # fmt: skip


def missing(reasons: Mapping[str, int], columns: Mapping[str, int], rows: int) -> Light:
    """How many values were missing where rows were collected.

    Args:
        reasons: Counts of the collect stage's ledger, refused and changed.
        columns: In which columns values were missing, the most frequent first.
        rows: Rows and documents it passed on.
    """
    found = {r: n for r, n in reasons.items() if "missing" in r or r.startswith("empty")}
    total, filled = sum(found.values()), found.get("missing value filled", 0)
    share = total / max(rows + total - filled, 1)  # what is filled is still among the rows
    untreated = any(reason.startswith("empty") for reason in found)
    mend = (
        "Say what to do with them: `missing` of the source, by column."
        if untreated
        else "All are dealt with as `missing` of the source says; is the column worth keeping?"
    )
    where = ", ".join(f"{column} {n:,}" for column, n in list(columns.items())[:5])
    told = f" (for each hundred rows: {100 * share:.1f}; filled: {filled:,}), in: {where}"
    return Light(
        "missing values",
        worst(share, 0.01, 0.2),
        f"values that were missing: {total:,}{told if total else ''}",
        "" if share < 0.01 else mend,
        {"reasons": found, "columns": dict(columns)},
    )


def duplicates(
    exact: int, near: int, rows: int, *, by_cleaning: int = 0, by_splitting: int = 0
) -> Light:
    """How many texts say what an earlier one says.

    What cleaning left out was left out as the settings ask, and is only told. What splitting left
    out counts like what is left: nobody asked for it.

    Args:
        exact: Texts that repeat another word for word.
        near: And nearly.
        rows: Texts that were compared.
        by_cleaning: Rows that cleaning refused as repetitions.
        by_splitting: And splitting.
    """
    share = (exact + near + by_splitting) / max(rows + by_splitting, 1)
    before = [f"splitting {by_splitting:,}"] if by_splitting else []
    before += [f"cleaning {by_cleaning:,}"] if by_cleaning else []
    return Light(
        "duplicates",
        worst(share, 0.05, 0.3),
        f"texts that repeat another word for word: {exact:,}, nearly: {near:,}"
        + (f"; left out before by {', by '.join(before)}" if before else "")
        + f" ({share:.1%} repeat another)",
        ""
        if share < 0.05
        else "`data.clean.exact_duplicates: {}` leaves out what is said word for word, "
        "`data.clean.near_duplicates: {judges: all}` what is nearly said; by hand: the source.",
        {"exact": exact, "near": near, "texts": rows, "left_out_by_cleaning": by_cleaning,
         "left_out_by_splitting": by_splitting},
    )  # fmt: skip


def languages(counts: Mapping[str, int]) -> Light:
    """Is it one language?"""
    total = sum(counts.values())
    if not total:
        return Light("languages", "grey", "no text is long enough to tell its language")
    main, most = max(counts.items(), key=lambda kv: kv[1])
    other = 1 - most / total
    return Light(
        "languages",
        worst(other, 0.05, 0.3),
        f"{most / total:.1%} of the texts are in '{main}'; languages found: {len(counts)}",
        "" if other < 0.05 else "Name those that belong: `data.clean.language.allowed`.",
        {"counts": dict(counts)},
    )


def personal(counts: Mapping[str, int]) -> Light:
    """Is there personal data left?"""
    total = sum(counts.values())
    named = ", ".join(f"{n:,} {kind}" for kind, n in counts.items() if n)
    return Light(
        "personal data",
        worst(total, 1, 20),
        f"found: {named}" if total else "none of the kinds that patterns can tell was found",
        "`data.clean.pii` masks, replaces or refuses it." if total else "",
        {"counts": {k: n for k, n in counts.items() if n}},
    )


def agreement(annotated: Mapping[str, Any] | None) -> Light:
    """Do annotators agree? Krippendorff's alpha: 0.8 is reliable, below 0.667 it is not.

    Krippendorff 2004, Content Analysis, chapter 11.4.2.

    Args:
        annotated: ``annotate.json`` of the annotate stage, or None.
    """
    told = (annotated or {}).get("agreement") or {}
    alpha = told.get("Krippendorff's alpha", {}).get("value")
    if alpha is None:
        return Light(
            "label agreement",
            "grey",
            "no row was labelled by several annotators",
            "With `data.annotate.people.overlap` at 2 or more, agreement can be told.",
        )
    return Light(
        "label agreement",
        "green" if alpha >= 0.8 else "yellow" if alpha >= 0.667 else "red",
        f"Krippendorff's alpha is {alpha:.2f}",
        ""
        if alpha >= 0.8
        else "Sharpen `data.annotate.guidelines`; `luthier data tasks export --adjudicate` has the "
        "disagreements decided.",
        {"agreement": told},
    )


def said_by(row: Document | Example) -> str:
    """The text of a document, or all turns of a row."""
    return row.text if isinstance(row, Document) else "\n".join(m.content for m in row.messages)


def _histogram(data: np.ndarray[Any, Any], bins: int = 20) -> dict[str, list[float]]:
    counts, edges = np.histogram(data, bins=bins)
    return {"counts": [int(c) for c in counts], "edges": [round(float(e), 1) for e in edges]}
