"""Whether the measures of answers tell right from wrong, and made questions from real ones.

    python benchmarks/rag_measures.py

On XQuAD-en (240 paragraphs, 1,190 questions, ``$LUTHIER_DATA``), search by words. Answers of
other questions must look unfaithful and incomplete; a defeat is a faithfulness under .8 of right
answers, or above .05 of wrong ones. Made questions are asked beside the real ones.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from luthier.core.ledger import Ledger
from luthier.core.records import Document, Passage
from luthier.rag.access import Slice
from luthier.rag.legs import Legs, LegsSpec
from luthier.rag.measure import Search, Sought, compare, measure
from luthier.rag.measuring.answered import Answered, means, use
from luthier.rag.questions import MadeSpec, make_questions
from luthier.rag.stores.store import rows_of

METRICS = ("ndcg@10", "hit@1", "recall@5")
SHOWN = 3  # passages of a prompt
ASKED = 200


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    data = os.environ.get("LUTHIER_DATA")
    path = Path(data) / "xquad_en" / "xquad.en.json" if data else None
    parser.add_argument("--data", type=Path, default=path, help="xquad.en.json")
    options = parser.parse_args()
    if options.data is None or not options.data.is_file():
        print("SKIPPED, NOTHING WAS MEASURED: give --data or set LUTHIER_DATA", file=sys.stderr)
        return 0
    documents, asked = _read(options.data)
    passages = {
        d.id: Passage(d.id, d.id, d.title, d.text, d.origin, 0, len(d.text)) for d in documents
    }
    legs = Legs.of([rows_of(list(passages.values()), dict.fromkeys(passages, ""))], LegsSpec())
    _questions(documents, asked, legs)
    _answers(asked, passages, _search(legs, "bm25"))
    return 0


def _search(legs: Legs, weighting: str) -> Search:
    def search(text: str, part: Slice, k: int) -> Sequence[Passage]:
        hits = legs.lexical(text, k, part, weighting=weighting)  # type: ignore[arg-type]
        return legs.passages(hits.rows, part)

    return search


def _questions(documents: Sequence[Document], asked: Sequence[dict[str, str]], legs: Legs) -> None:
    access = {one.id: one.access for one in documents}
    bm25, tfidf = _search(legs, "bm25"), _search(legs, "tfidf")
    sets = {
        "real": [
            Sought(one["id"], one["question"], {one["document"]: 1.0}, group=one["document"])
            for one in asked
        ]
    }
    for style in ("words", "cloze"):
        ledger = Ledger()
        spec = MadeSpec(style=style)
        made = make_questions(documents, spec, ledger, search=bm25)
        sets[f"made ({style})"] = [one.sought() for one in made]
        print(f"made ({style}): {len(made)}; refused: {ledger.reasons()}")
    for name, questions in sets.items():
        first = measure(questions, bm25, access, metrics=METRICS)
        second = measure(questions, tfidf, access, metrics=METRICS)
        gap = compare(first, second, "ndcg@10")["all"].gain
        print(f"\n{name}\n{first.text()}")
        print(f"BM25 minus TF-IDF, nDCG@10: {gap.mean:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}]")


def _answers(asked: Sequence[dict[str, str]], passages: dict[str, Passage], search: Search) -> None:
    rng = random.Random(0)
    right, wrong, bare = [], [], []
    for one in rng.sample(list(asked), ASKED):
        shown = tuple(search(one["question"], Slice(), SHOWN))
        if one["document"] not in {passage.id for passage in shown}:
            continue
        question, answer, other = one["question"], one["answer"], rng.choice(asked)["answer"]
        right.append(use(Answered(question, answer, shown, answer)))
        wrong.append(use(Answered(question, other, shown, answer)))
        bare.append(use(Answered(question, answer, shown)))
    print(f"\nanswers with the right passage among {SHOWN}: {len(right)}")
    told = {"right": right, "of another question": wrong, "right, no reference": bare}
    for name, uses in told.items():
        figures = (
            f"{figure} {mean:.3f} (n {count})" if mean is not None else f"{figure} -"
            for figure, (mean, count) in means(uses).items()
        )
        print(f"{name:20} {'  '.join(figures)}")


def _read(path: Path) -> tuple[list[Document], list[dict[str, str]]]:
    documents, asked = [], []
    for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
        title = article["title"].replace("_", " ")
        for number, paragraph in enumerate(article["paragraphs"]):
            id_ = f"{article['title']}/{number}"
            documents.append(Document(id_, title, paragraph["context"], id_, "text", title))
            asked += [
                {
                    "id": row["id"],
                    "question": row["question"],
                    "document": id_,
                    "answer": row["answers"][0]["text"],
                }
                for row in paragraph["qas"]
            ]
    return documents, asked


if __name__ == "__main__":
    sys.exit(main())
