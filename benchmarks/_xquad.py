"""XQuAD-en's paragraphs and questions, as the benchmarks of answers read them."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from pathlib import Path

from luthier.core.records import Document, Passage
from luthier.rag.measure import Sought
from luthier.rag.reading.asked import kind_of


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """A question and where its answer stands.

    Attributes:
        id: Its id in XQuAD.
        text: The question.
        answer: The first reference answer.
        answers: All of them.
        start: Offset of the first in the paragraph.
        paragraph: Number of the paragraph.
        passage: The paragraph, as one passage.
    """

    id: str
    text: str
    answer: str
    answers: tuple[str, ...]
    start: int
    paragraph: int
    passage: Passage

    @property
    def sought(self) -> Sought:
        """As Luthier's measures take it."""
        document = self.passage.document_id
        return Sought(
            self.id, self.text, {document: 1.0}, kind_of(self.text), group=document,
            answers=self.answers,
        )  # fmt: skip


def read(folder: Path | None) -> list[Question]:
    """All questions; none, and a loud line, where the data is missing."""
    base = os.environ.get("LUTHIER_DATA")
    folder = folder or (Path(base) / "xquad_en" if base else None)
    if folder is None or not (folder / "xquad.en.json").is_file():
        print(
            f"SKIPPED, NOTHING WAS MEASURED: no xquad.en.json at {folder}; "
            "give --data or set LUTHIER_DATA",
            file=sys.stderr,
        )
        return []
    told = json.loads((folder / "xquad.en.json").read_text(encoding="utf-8"))
    rows: list[Question] = []
    number = 0
    for article in told["data"]:
        title = article["title"].replace("_", " ")
        for paragraph in article["paragraphs"]:
            text, name = paragraph["context"], f"{article['title']}:{number}"
            passage = Passage(f"{name}#0", name, title, text, name, 0, len(text))
            for asked in paragraph["qas"]:
                answers = tuple(a["text"] for a in asked["answers"])
                start = asked["answers"][0]["answer_start"]
                rows.append(
                    Question(
                        asked["id"], asked["question"], answers[0], answers, start, number, passage
                    )
                )
            number += 1
    return rows


def documents(questions: list[Question]) -> list[Document]:
    """The paragraphs, one document each."""
    passages = {q.passage.document_id: q.passage for q in questions}
    return [
        Document(p.document_id, p.title, p.text, p.origin, "text", p.document_id)
        for p in passages.values()
    ]
