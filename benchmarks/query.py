"""What each step of a query gains and costs, never on SciFact's test claims.

    python benchmarks/query.py --data DATA --claims CLAIMS --vectors scifact.npy

``DATA`` holds ``scifact`` (BEIR's layout) and ``xquad_en``; ``CLAIMS`` is a folder with
``queries.jsonl`` and ``qrels/train.tsv`` of SciFact's training claims. Of XQuAD only the paragraphs
with even numbers ask; all paragraphs are searched. Typos, courtesy, follow-ups and double questions
are made by seeded rules, see ``_query_rules.py``. Every step is held against the same questions
without it, in pairs; nDCG@10 by words, by meaning, and by both (convex, 0.5). A step that loses is
a defeat where its page does not say so.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from _query_rules import courteous, doubled, follow_ups, hundred_thousand, misspelt

from luthier.core.records import Message, Passage
from luthier.core.statistics import paired_bootstrap
from luthier.models.encode import Encoder, Vectors, load_encoder
from luthier.rag.access import Slice
from luthier.rag.legs import Hits, Legs
from luthier.rag.queries.feedback import FeedbackSpec
from luthier.rag.queries.fold import FoldRules
from luthier.rag.queries.linear_map import LearnSpec, LinearMap, learn
from luthier.rag.queries.spelling import Speller, SpellingSpec, whole_words
from luthier.rag.queries.split import SplitRules
from luthier.rag.query import Ask, QuerySpec, Tools, process
from luthier.rag.stores.store import rows_of

PART, DEPTH = Slice(), 100
LEGS = ("words", "meaning", "both")
Question = str | Sequence[Message]
PLAIN = QuerySpec(normalise=False)
USUAL = QuerySpec()


@dataclasses.dataclass(frozen=True)
class Asked:
    """One question and the documents that answer it."""

    question: Question
    relevant: frozenset[str]


class Corpus:
    """Passages in memory, and what the steps need of them."""

    def __init__(self, passages: list[Passage], vectors: Vectors, encoder: Encoder) -> None:
        digests = {p.document_id: p.document_id for p in passages}
        self.legs = Legs.of([rows_of(passages, digests, vectors)])
        rows = self.legs.places([p.id for p in passages])
        self.places = {p.document_id: int(row) for p, row in zip(passages, rows, strict=True)}
        self.vectors = self.legs.vectors(list(range(len(passages))))
        self.encoder = encoder
        self._known: dict[str, Vectors] = {}
        words = self.legs.vocabulary(PART)
        whole = whole_words(encoder.folder / "tokenizer.json")
        started = time.process_time()
        self.speller = Speller(words)
        self.speller_s = time.process_time() - started
        self.tools = Tools(
            encode=self.encode,
            nearest=self.nearest,
            speller=self.speller,
            # a word that is nowhere as it is written may be found by its stem
            frequency=lambda word: words.get(word) or len(self.legs.lexical(word, 1, PART)),
            known=whole.__contains__,
        )

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors of questions; each text is encoded once."""
        new = list(dict.fromkeys(text for text in texts if text not in self._known))
        if new:
            self._known.update(zip(new, self.encoder.encode(new), strict=True))
        return np.stack([self._known[text] for text in texts])

    def nearest(self, vector: Vectors, count: int) -> Vectors:
        """For feedback."""
        return self.legs.vectors(self.legs.dense(vector, count, PART).rows)

    def found(self, asks: Sequence[Ask]) -> dict[str, dict[int, float]]:
        """Rows with scores by words, by meaning and by both; asks joined by their weights."""
        joined: dict[str, dict[int, float]] = {leg: {} for leg in LEGS}
        for ask in asks:
            vector = self.encode([ask.text])[0] if ask.vector is None else ask.vector
            words = scaled(self.legs.lexical(ask.text, DEPTH, PART))
            meaning = scaled(self.legs.dense(vector, DEPTH, PART))
            both = {
                row: 0.5 * words.get(row, 0.0) + 0.5 * meaning.get(row, 0.0)
                for row in {*words, *meaning}
            }
            for leg, scores in zip(LEGS, (words, meaning, both), strict=True):
                for row, score in scores.items():
                    joined[leg][row] = joined[leg].get(row, 0.0) + ask.weight * score
        return joined

    def ndcg(self, asked: Asked, asks: Sequence[Ask]) -> list[float]:
        """nDCG@10 by each leg."""
        wanted = {self.places[one] for one in asked.relevant}
        values = []
        for scores in self.found(asks).values():
            ranking = sorted(scores, key=lambda row: (-scores[row], row))[:10]
            gained = sum(1 / math.log2(i + 2) for i, row in enumerate(ranking) if row in wanted)
            values.append(gained / sum(1 / math.log2(i + 2) for i in range(min(10, len(wanted)))))
        return values


def measured(
    corpus: Corpus, asked: Sequence[Asked], spec: QuerySpec, tools: Tools
) -> tuple[np.ndarray, float, int]:
    """nDCG@10 of each question by each leg, CPU ms of the steps, questions that were changed."""
    if texts := [a.question for a in asked if isinstance(a.question, str)]:
        corpus.encode(texts)  # all at once
    values, spent, changed = [], 0.0, 0
    for one in asked:
        started = time.process_time()
        made = process(one.question, spec, tools)
        spent += time.process_time() - started
        changed += bool(made.changes)
        values.append(corpus.ndcg(one, made.asks))
    return np.array(values), spent / len(asked) * 1000, changed


def table(title: str, corpus: Corpus, rows: Sequence[tuple[str, list[Asked], QuerySpec]]) -> None:
    """Print steps, each held against the first row of its questions."""
    print(f"\n{title}\n{'':36}  " + "  ".join(f"{leg:>27}" for leg in LEGS) + "  changed  CPU ms")
    base: dict[int, np.ndarray] = {}
    for name, asked, spec in rows:
        values, ms, changed = measured(corpus, asked, spec, corpus.tools)
        first = base.setdefault(id(asked), values)
        cells = [_cell(values[:, leg], first[:, leg]) for leg in range(len(LEGS))]
        print(f"{name:36}  " + "  ".join(cells) + f"  {changed:7}  {ms:6.2f}", flush=True)


def mapped(title: str, corpus: Corpus, asked: list[Asked], groups: Callable[[Asked], str]) -> None:
    """Learn maps from seven tenths of the documents, and hold them against none on the rest."""
    names = sorted({groups(one) for one in asked})
    order = np.random.default_rng(0).permutation(len(names))
    last = {names[i] for i in order[: round(0.3 * len(names))]}
    train = [one for one in asked if groups(one) not in last]
    held = [one for one in asked if groups(one) in last]
    pairs = [(one.question, corpus.places[d]) for one in train for d in sorted(one.relevant)]
    questions = corpus.encode([str(question) for question, _ in pairs])
    base, _, _ = measured(corpus, held, USUAL, corpus.tools)
    print(f"\n{title}: {len(pairs)} pairs, {len(held)} questions held out")
    print(f"{'':36}  " + "  ".join(f"{leg:>27}" for leg in LEGS))
    print(f"{'no map':36}  " + "  ".join(_cell(base[:, i], base[:, i]) for i in range(3)))
    for method in ("ridge", "procrustes"):
        one = learn(questions, [p for _, p in pairs], corpus.vectors, "", LearnSpec(method=method))
        forced = LinearMap(one.matrix, dataclasses.replace(one.learned, low=1.0))
        tools = dataclasses.replace(corpus.tools, map=forced)
        values, _, _ = measured(corpus, held, QuerySpec(map="map"), tools)
        cells = "  ".join(_cell(values[:, i], base[:, i]) for i in range(3))
        told = one.learned
        verdict = "used" if told.helps else "not used"
        print(
            f"{method + f' ({told.strength:g}), {verdict}':36}  {cells}  "
            f"held-out folds {told.before:.3f} -> {told.after:.3f} "
            f"[{told.low:+.3f}, {told.high:+.3f}]",
            flush=True,
        )


def main() -> int:
    """Print the tables."""
    default = Path(os.environ["LUTHIER_DATA"]) if "LUTHIER_DATA" in os.environ else None
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=default, help="default: $LUTHIER_DATA")
    parser.add_argument("--claims", type=Path, help="SciFact's training claims")
    parser.add_argument("--vectors", type=Path, help="kept vectors of SciFact, made if missing")
    parser.add_argument("--only", choices=("scifact", "xquad", "speller"))
    options = parser.parse_args()
    if options.data is None:
        print("SKIPPED, NOTHING WAS MEASURED: give --data or set LUTHIER_DATA", file=sys.stderr)
        return 0
    if options.only in (None, "speller"):
        speed(_rows(options.data / "scifact" / "corpus.jsonl"))
    if options.only == "speller":
        return 0
    encoder = load_encoder("minilm", precision="float32")
    if options.only != "scifact":
        on_xquad(options.data / "xquad_en" / "xquad.en.json", encoder)
    if options.only != "xquad" and options.claims is None:
        print("SKIPPED: SciFact, whose training claims are not given (--claims)", file=sys.stderr)
    elif options.only != "xquad":
        on_scifact(options.data / "scifact", options.claims, options.vectors, encoder)
    return 0


def speed(rows: Sequence[Mapping[str, str]]) -> None:
    """CPU time of spelling with 100,000 words: SciFact's, and more made of their halves."""
    texts = [f"{row['title']} {row['text']}".lower() for row in rows]
    frequencies = hundred_thousand(texts)
    started = time.process_time()
    speller = Speller(frequencies)
    made_s = time.process_time() - started
    questions = [row["title"] for row in rows[:1000]]
    print(f"\nSpeller of {len(frequencies)} words: made in {made_s:.2f} s of CPU")
    for errors in (0, 1, 2):
        asked = [misspelt(question, i, errors) for i, question in enumerate(questions)]
        started = time.process_time()
        for question in asked:
            speller.mend(question)
        ms = (time.process_time() - started) / len(asked) * 1000
        print(f"{errors} misspelt word(s) in a title: {ms:.2f} ms of CPU", flush=True)


def on_xquad(file: Path, encoder: Encoder) -> None:
    """Questions of every second paragraph."""
    passages, asked, answers = [], [], []
    for article in json.loads(file.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            name = f"p{len(passages)}"
            passages.append(_passage(name, "", paragraph["context"]))
            if len(passages) % 2:
                asked.append([q["question"] for q in paragraph["qas"]])
                answers.append([q["answers"][0]["text"] for q in paragraph["qas"]])
    names = [f"p{2 * i}" for i in range(len(asked))]
    clean = [
        Asked(q, frozenset({name})) for name, own in zip(names, asked, strict=True) for q in own
    ]
    vectors = encoder.encode([p.text for p in passages])
    corpus = Corpus(passages, vectors, encoder)
    _tell("XQuAD", corpus, clean)
    table("XQuAD, as they are", corpus, [*_steps(clean), ("split", clean, USUAL_SPLIT)])
    _made(corpus, clean)
    turns = follow_ups(asked, answers)
    leaning = [Asked(c, frozenset({names[i]})) for i, c, _ in turns]
    rows = [
        ("with the name in it", [Asked(q, frozenset({names[i]})) for i, _, q in turns], USUAL),
        ("last question alone", leaning, USUAL),
        ("fold: rules", leaning, QuerySpec(fold=FoldRules())),
    ]
    table("XQuAD, follow-ups with a pronoun for the name", corpus, rows)
    two = [Asked(q, frozenset(names[i] for i in own)) for q, own in doubled(asked)]
    rows = [("whole", two, USUAL), ("split: rules", two, USUAL_SPLIT)]
    table("XQuAD, two questions in one", corpus, rows)
    mapped("XQuAD, learned map", corpus, clean, lambda one: min(one.relevant))


def on_scifact(folder: Path, claims: Path, kept: Path | None, encoder: Encoder) -> None:
    """Training claims."""
    passages, clean = claims_of(folder, claims)
    corpus = Corpus(passages, vectors_of(passages, kept, encoder), encoder)
    _tell("SciFact, training claims", corpus, clean)
    table("SciFact, as they are", corpus, _steps(clean))
    _made(corpus, clean)
    mapped("SciFact, learned map", corpus, clean, lambda one: min(one.relevant))


def claims_of(folder: Path, claims: Path) -> tuple[list[Passage], list[Asked]]:
    """SciFact's abstracts, each a passage, and its training claims."""
    rows = _rows(folder / "corpus.jsonl")
    passages = [_passage(row["_id"], row["title"], row["text"]) for row in rows]
    texts = {row["_id"]: row["text"] for row in _rows(claims / "queries.jsonl")}
    relevant: dict[str, set[str]] = {}
    for line in (claims / "qrels" / "train.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        if int(grade) > 0:
            relevant.setdefault(query, set()).add(document)
    return passages, [Asked(texts[q], frozenset(own)) for q, own in relevant.items()]


def vectors_of(passages: Sequence[Passage], kept: Path | None, encoder: Encoder) -> Vectors:
    """Vectors of titles and texts, read from a file where there is one."""
    if kept is not None and kept.is_file():
        return np.asarray(np.load(kept), dtype=np.float32)
    vectors = encoder.encode([f"{p.title}\n{p.text}" for p in passages])
    if kept is not None:
        np.save(kept, vectors)
    return vectors


USUAL_SPLIT = QuerySpec(split=SplitRules())


def _steps(clean: list[Asked]) -> list[tuple[str, list[Asked], QuerySpec]]:
    pulls = [(1, 0.1), (3, 0.1), (3, 0.3), (10, 0.3), (3, 1.0)]
    return [
        ("nothing", clean, PLAIN),
        ("normalise", clean, USUAL),
        ("simplify", clean, QuerySpec(simplify=True)),
        ("spelling", clean, QuerySpec(spelling=SpellingSpec())),
        *((f"feedback, {m} passages, beta {b}", clean, _feedback(m, b)) for m, b in pulls),
    ]


def _feedback(passages: int, beta: float) -> QuerySpec:
    return QuerySpec(feedback=FeedbackSpec(passages=passages, beta=beta))


def _made(corpus: Corpus, clean: list[Asked]) -> None:
    """Tables of questions that were made worse by rule."""
    for errors in (1, 2):
        wrong = [
            Asked(misspelt(str(a.question), i, errors), a.relevant) for i, a in enumerate(clean)
        ]
        rows = [
            ("as typed", wrong, USUAL),
            ("spelling", wrong, QuerySpec(spelling=SpellingSpec())),
        ]
        table(f"{errors} misspelt word(s) in each", corpus, rows)
    polite = [Asked(courteous(str(a.question), i), a.relevant) for i, a in enumerate(clean)]
    rows = [("as asked", polite, USUAL), ("simplify", polite, QuerySpec(simplify=True))]
    table("with courtesy around each", corpus, rows)


def _tell(name: str, corpus: Corpus, asked: Sequence[Asked]) -> None:
    terms = len(corpus.speller.frequencies)
    print(
        f"\n{name}: {corpus.legs.count} passages, {len(asked)} questions, {terms} words; "
        f"the speller took {corpus.speller_s:.2f} s of CPU to make"
    )


def _cell(values: np.ndarray, base: np.ndarray) -> str:
    if np.array_equal(values, base):
        return f"{values.mean():6.4f}  {'same':>19}"
    gain = paired_bootstrap(values - base)
    return f"{values.mean():6.4f}  {gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"[:40]


def scaled(hits: Hits) -> Mapping[int, float]:
    """Scores by row, brought to 0..1."""
    if not len(hits):
        return {}
    low, high = float(hits.scores.min()), float(hits.scores.max())
    spread = high - low or 1.0
    return {
        int(row): (float(score) - low) / spread
        for row, score in zip(hits.rows, hits.scores, strict=True)
    }


def _passage(name: str, title: str, text: str) -> Passage:
    return Passage(f"{name}#0", name, title, text, f"{name}:1", 0, len(text))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


if __name__ == "__main__":
    sys.exit(main())
