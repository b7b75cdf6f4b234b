"""Write XQuAD's English questions (Artetxe et al. 2020, CC BY-SA 4.0) split in two ways.

    LUTHIER_DATA=... python prepare.py

LUTHIER_DATA holds xquad_en/xquad.en.json. Written are

paragraphs.jsonl    all questions on a paragraph are on one side of the split
within.jsonl        each question is on a side by itself: the paragraphs of the test are known
"""

import json
import os
from pathlib import Path

told = json.loads((Path(os.environ["LUTHIER_DATA"]) / "xquad_en" / "xquad.en.json").read_text())
rows = [
    {
        "title": article["title"],
        "context": paragraph["context"],
        "question": asked["question"],
        "answers": [{"text": asked["answers"][0]["text"]}],
        "paragraph": f"{article['title']}:{number}",
        "id": asked["id"],
    }
    for article in told["data"]
    for number, paragraph in enumerate(article["paragraphs"])
    for asked in paragraph["qas"]
]
for name, group in (("paragraphs", "paragraph"), ("within", "id")):
    lines = [
        json.dumps(
            {k: row[k] for k in ("title", "context", "question", "answers")} | {"group": row[group]}
        )
        for row in rows
    ]
    Path(__file__).with_name(f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
print(f"{len(rows):,} questions on {len({row['paragraph'] for row in rows})} paragraphs")
