"""Do test questions stand in what was trained on, or word for word in the retrieval corpus?

Three parties are held against each other: training rows, test items, and the documents that
retrieval searches. A shared document is expected with retrieval and only counted; a shared
group, row or question is a leak.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from luthier.core.errors import DataError, LeakageError
from luthier.core.progress import Progress
from luthier.core.records import Document, Example, Side
from luthier.core.store import write_atomic
from luthier.data.alike import Kind, Overlap, Shingle, overlap, overlaps, words
from luthier.data.prepare import read_documents, read_examples

LEAKAGE_VERSION = 2
SHORTEST_QUESTION = 5
"""Words a question needs to be sought in the corpus: shorter ones stand in prose by chance."""
_TOLD = 5  # findings, in the message
_KINDS = get_args(Kind)


@dataclasses.dataclass(frozen=True, slots=True)
class LeakageReport:
    """What the three parties share.

    Attributes:
        train_rows: Rows looked at, training and validation.
        test_items: Items looked at.
        documents: Documents of the retrieval corpus looked at.
        overlaps: Test items alike to a training row (at most one line for each item).
        shared_groups: Groups with rows on both sides.
        questions_in_corpus: Test questions word for word in a document.
        sources_in_corpus: Test items whose document can be retrieved: expected with retrieval.
        too_short: Questions not sought in the corpus, having fewer than five words.
    """

    train_rows: int
    test_items: int
    documents: int
    overlaps: tuple[Overlap, ...]
    shared_groups: tuple[str, ...]
    questions_in_corpus: tuple[Overlap, ...]
    sources_in_corpus: int
    too_short: int

    @property
    def leaks(self) -> bool:
        """Whether any finding makes the comparison worthless."""
        return bool(self.overlaps or self.shared_groups or self.questions_in_corpus)

    def lines(self) -> list[str]:
        """The findings in words, one sentence each."""
        counts = Counter(overlap.kind for overlap in self.overlaps)
        kinds = ", ".join(f"{count} {kind}" for kind, count in counts.items())
        found = f" ({kinds})" if kinds else ""
        sought = self.test_items - self.too_short
        short = f" ({self.too_short} too short to tell)" if self.too_short else ""
        rows, corpus = len(self.overlaps), len(self.questions_in_corpus)
        found_again = f"{rows:,} of {self.test_items:,} test items are near-copies of one of "
        in_corpus = f"{corpus:,} of {sought:,} test questions stand word for word in one of "
        return [
            f"{found_again}{self.train_rows:,} training and validation rows{found}",
            f"{len(self.shared_groups):,} groups have rows on both sides of the split",
            f"{in_corpus}{self.documents:,} documents{short}",
            f"{self.sources_in_corpus:,} of {self.test_items:,} source documents are in the corpus",
        ]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data: the fields, ``leaks`` and ``lines``."""
        return {**dataclasses.asdict(self), "leaks": self.leaks, "lines": self.lines()}

    def require_clean(self, listing: Path | None = None) -> None:
        """Pass if nothing leaks.

        Args:
            listing: A file that gets all findings if something does.

        Raises:
            LeakageError: Something does; names both rows of the first findings.
        """
        if not self.leaks:
            return
        if listing is not None:
            write_atomic(listing, json.dumps(self.as_dict(), indent=2, ensure_ascii=False))
        everything = (*self.overlaps, *self.questions_in_corpus)
        worst = sorted(everything, key=lambda o: (_KINDS.index(o.kind), -o.similarity))
        rows = [f"'{o.text[:60]}' ({o.test_origin}): {_found(o)}" for o in worst[:_TOLD]]
        rows += [f"both sides have the group '{name}'" for name in self.shared_groups[:_TOLD]]
        raise LeakageError(
            f"the test side leaks: {'; '.join(self.lines()[:3])}. First: {'; '.join(rows[:_TOLD])}",
            mend="Remove those rows or documents, or give rows that belong together one group."
            + (f" All are listed in {listing}." if listing else ""),
        )


def _found(overlap: Overlap) -> str:
    match overlap.kind:
        case "in the corpus":
            return f"in the corpus, {overlap.other_origin}"
        case "near-duplicate":
            return f"near-duplicate ({overlap.similarity:.2f}) of {overlap.other_origin}"
        case _:
            return f"{overlap.kind} as {overlap.other_origin}"


def check(
    train: Sequence[Example], test: Sequence[Example], documents: Sequence[Document]
) -> LeakageReport:
    """Look for test items in training rows and in the retrieval corpus.

    When rows count as alike stands at ``data.alike.overlaps``.

    Args:
        train: Training and validation rows.
        test: Test items.
        documents: What retrieval searches; empty without retrieval.
    """
    groups = {row.group for row in train} & {item.group for item in test}
    corpus, too_short = _in_corpus(test, documents)
    ids = {document.id for document in documents}
    return LeakageReport(
        train_rows=len(train),
        test_items=len(test),
        documents=len(documents),
        overlaps=tuple(overlaps(train, test)),
        shared_groups=tuple(sorted(groups - {""})),
        questions_in_corpus=tuple(corpus),
        sources_in_corpus=sum(item.document_id in ids for item in test),
        too_short=too_short,
    )


def _in_corpus(test: Sequence[Example], documents: Sequence[Document]) -> tuple[list[Overlap], int]:
    """Questions word for word in a document, by the first words of each question."""
    openings: defaultdict[Shingle, list[tuple[Example, list[str]]]] = defaultdict(list)
    too_short = 0
    for item in test:
        question = words(item.question)
        if len(question) < SHORTEST_QUESTION:
            too_short += 1
        else:
            openings[tuple(question[:SHORTEST_QUESTION])].append((item, question))
    found: dict[str, Overlap] = {}
    for document in documents if openings else ():
        text = words(f"{document.title}\n{document.text}")
        windows = zip(*(text[i:] for i in range(SHORTEST_QUESTION)), strict=False)
        for start, window in enumerate(windows):
            for item, question in openings.get(window, ()):
                if item.id not in found and text[start : start + len(question)] == question:
                    found[item.id] = overlap("in the corpus", item, document.id, document.origin)
    return list(found.values()), too_short


def require_clean(
    corpus: Path | None,
    prepared: Path,
    folder: Path,
    progress: Progress,
    listing: Path | None = None,
) -> dict[str, Any]:
    """Check a prepared split against its corpus and write ``leakage.json``; a stage function.

    Args:
        corpus: Folder of the documents that retrieval searches; None without retrieval.
        prepared: Folder of the split examples.
        folder: Where to write.
        progress: Shows one bar.
        listing: A file that gets all findings if something leaks, for ``folder`` is then not kept.

    Raises:
        DataError: There are no test rows.
        LeakageError: Something leaks.
    """
    test = read_examples(prepared, "test")
    if not test:
        raise DataError(
            "no row fell on the test side, so there would be nothing to compare on",
            where="data.split",
            mend="Collect more rows, give `data.split.test` a larger share, or set "
            "`evaluate: null` to compare nothing.",
        )
    sides: tuple[Side, ...] = ("train", "validation")
    train = [e for side in sides for e in read_examples(prepared, side)]
    with progress.task("checking for leakage", 1) as task:
        report = check(train, test, read_documents(corpus) if corpus else [])
        task.advance()
    report.require_clean(listing)
    write_atomic(folder / "leakage.json", json.dumps(report.as_dict()))
    return {"leakage": report.as_dict()}
