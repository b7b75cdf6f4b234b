"""BM25's k1 and b for one corpus, chosen without a test question.

Questions with known answers are best (a training or validation side). Without any, the corpus asks
itself: each title is a question whose answer is the text under it, and the titles are left out of
what is searched. A title is a short summary, so this says how long texts and repeated words behave
in this corpus, not how people ask.

Many settings are tried on few questions, so the best of them is partly luck. Its gain is therefore
told by cross-validation (Stone 1974): each fold of the questions, apart by document, is searched
with what the other folds find best. The best setting is taken only where the paired interval of
that gain over the present setting lies above zero.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from luthier.core.statistics import Interval, folds, paired_bootstrap
from luthier.rag.access import Slice
from luthier.rag.legs import Legs, LegsSpec
from luthier.rag.measuring.metrics import score

Floats = npt.NDArray[np.float64]

K1 = (0.6, 0.9, 1.2, 1.5, 2.0)
B = (0.3, 0.4, 0.6, 0.75, 0.9)
MOST_QUESTIONS = 400
"""Titles that are asked at most."""
_FEWEST, _FOLDS = 20, 5
_SHORTEST = 3  # words of a title that is a question
_DEPTH = 100


@dataclasses.dataclass(frozen=True, slots=True)
class Tuned:
    """What was chosen.

    Attributes:
        k1: See `LegsSpec`.
        b: See `LegsSpec`.
        best: The setting with the highest mean, chosen or not.
        gain: Of choosing so over the present setting, nDCG@10, paired and cross-validated; None
            without questions.
        questions: How many were asked.
    """

    k1: float
    b: float
    best: tuple[float, float]
    gain: Interval | None
    questions: int

    @property
    def text(self) -> str:
        """In words."""
        if self.gain is None:
            return f"{self.questions} questions are too few to choose by; k1 and b stay as they are"
        gain = f"{self.gain.mean:+.4f} [{self.gain.low:+.4f}, {self.gain.high:+.4f}] nDCG@10"
        verdict = "taken" if (self.k1, self.b) == self.best else "not taken, it may be luck"
        return (
            f"k1 {self.best[0]:g}, b {self.best[1]:g} is best on {self.questions} questions: "
            f"{gain}; {verdict}"
        )


def tune_words(
    batches: Iterable[pa.RecordBatch | pa.Table],
    spec: LegsSpec,
    questions: Sequence[tuple[str, Mapping[str, float]]] = (),
    *,
    part: Slice | None = None,
    seed: int = 0,
) -> Tuned:
    """Choose k1 and b.

    Args:
        batches: Rows as `PassageStore.rows` gives them.
        spec: The present settings; its k1 and b stay where nothing is surely better.
        questions: Each with the grades of document ids; without any, titles are asked.
        part: Whose passages; by default what everyone may see.
        seed: Of the titles that are chosen where there are many.

    Raises:
        StoreError: The rows are no passages.
        ResourceError: The stemmer is not installed.
    """
    tables = [_bare(batch) for batch in batches]
    asked = list(questions)
    if not asked:
        asked = _titles(tables, seed)
        tables = [_untitled(table) for table in tables]
    present = (spec.k1, spec.b)
    if len(asked) < _FEWEST or spec.weighting != "bm25":
        return Tuned(*present, present, None, len(asked))
    legs, where = Legs.of(tables, spec), part or Slice()
    documents = np.array(_documents(tables, legs), object)
    grades = [dict(relevant) for _, relevant in asked]
    tried = {}
    for k1, b in dict.fromkeys([present, *itertools.product(K1, B)]):
        found = [legs.lexical(text, _DEPTH, where, k1=k1, b=b).rows for text, _ in asked]
        rankings = [list(dict.fromkeys(documents[rows].tolist())) for rows in found]
        tried[k1, b] = score(rankings, grades, ["ndcg@10"])["ndcg@10"]
    best = max(tried, key=lambda setting: float(np.nanmean(tried[setting])))
    sought = [max(relevant, key=relevant.__getitem__, default="") for relevant in grades]
    gaps = _chosen_elsewhere(tried, sought, seed) - tried[present]
    gain = paired_bootstrap(gaps[~np.isnan(gaps)], seed=seed)
    chosen = best if gain.low > 0 else present
    return Tuned(*chosen, best, gain, len(asked))


def _chosen_elsewhere(
    tried: Mapping[tuple[float, float], Floats], documents: Sequence[str], seed: int
) -> Floats:
    """Figures of each question with the setting that is best on the other folds."""
    fold = folds(documents, _FOLDS, seed)
    figures = np.empty(len(fold))
    for number in range(_FOLDS):
        here = fold == number
        if here.any():
            best = max(tried, key=lambda setting: float(np.nanmean(tried[setting][~here])))
            figures[here] = tried[best][here]
    return figures


def _bare(batch: pa.RecordBatch | pa.Table) -> pa.Table:
    """Without vectors, which this does not read."""
    table = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
    return table.drop_columns([name for name in table.column_names if name == "vector"])


def _untitled(table: pa.Table) -> pa.Table:
    place = table.schema.get_field_index("title")
    field = table.schema.field(place)
    return table.set_column(place, field, pa.array([""] * len(table), field.type))


def _titles(tables: Sequence[pa.Table], seed: int) -> list[tuple[str, Mapping[str, float]]]:
    """Titles of one document each, as questions."""
    owners: dict[str, set[str]] = {}
    for table in tables:
        pairs = zip(table["title"].to_pylist(), table["document_id"].to_pylist(), strict=True)
        for title, document in pairs:
            owners.setdefault(title, set()).add(document)
    usable = sorted(
        (title, next(iter(ids)))
        for title, ids in owners.items()
        if len(ids) == 1 and len(title.split()) >= _SHORTEST
    )
    order = np.random.default_rng(seed).permutation(len(usable))[:MOST_QUESTIONS]
    return [(usable[i][0], {usable[i][1]: 1.0}) for i in sorted(order.tolist())]


def _documents(tables: Sequence[pa.Table], legs: Legs) -> list[str]:
    """The document of each row of the legs."""
    of = {
        passage: document
        for table in tables
        for passage, document in zip(
            table["id"].to_pylist(), table["document_id"].to_pylist(), strict=True
        )
    }
    return [of[passage] for passage in legs.ids(range(legs.count))]
