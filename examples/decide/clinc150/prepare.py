"""Write CLINC150 (Larson et al. 2019, CC BY 3.0) as intents in JSON, with a sheet for each intent.

    LUTHIER_DATA=... python prepare.py

LUTHIER_DATA holds clinc150/data_full.json. Written are

rows.jsonl      20 training rows, 2 validation rows and 2 test rows of each intent, as published
sheets.jsonl    for retrieval: each intent with its name and five training texts
sides.json      which row is on which side
"""

import json
import os
from pathlib import Path

SIZES = {"train": 20, "val": 2, "test": 2}
SIDES = {"train": "train", "val": "validation", "test": "test"}
SHOWN = 5

here = Path(__file__).parent
told = json.loads((Path(os.environ["LUTHIER_DATA"]) / "clinc150" / "data_full.json").read_text())
rows, sides, texts = [], {}, {}
for part, size in SIZES.items():
    seen = {}
    for text, intent in told[part]:
        seen[intent] = seen.get(intent, 0) + 1
        if seen[intent] > size:
            continue
        name = f"{part}:{intent}:{seen[intent]}"
        sides[name] = SIDES[part]
        rows.append(
            {
                "question": f"Which intent is this? {text}",
                "answer": json.dumps({"intent": intent}),
                "tag": "form",
                "group": name,
            }
        )
        if part == "train":
            texts.setdefault(intent, []).append(text)
sheets = [
    {
        "title": intent.replace("_", " "),
        "text": "\n".join([f"{json.dumps({'intent': intent})} is said as:", *said[:SHOWN]]),
    }
    for intent, said in texts.items()
]
for name, lines in (("rows", rows), ("sheets", sheets)):
    text = "\n".join(json.dumps(line) for line in lines) + "\n"
    (here / f"{name}.jsonl").write_text(text, encoding="utf-8")
(here / "sides.json").write_text(json.dumps(sides, indent=0), encoding="utf-8")
print(f"{len(rows):,} rows of {len(sheets)} intents")
