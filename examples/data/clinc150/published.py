"""Write what CLINC150's publishers hold back as two files that Luthier reads.

test.jsonl    the texts of the test side, for `data.clean.decontaminate`
sides.json    which row stands on which side, for `data.split.keep`
"""

import json
from pathlib import Path

published = json.loads(Path("data/data_full.json").read_text(encoding="utf-8"))
lines = [json.dumps({"text": text, "label": label}) for text, label in published["test"]]
Path("test.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")

sides = {
    f"data/data_full.json:{records}[{number}]": side
    for records, side in (("train", "train"), ("test", "test"))
    for number in range(len(published[records]))
}
Path("sides.json").write_text(json.dumps(sides, indent=0), encoding="utf-8")
print(f"{len(lines):,} test texts, {len(sides):,} sides")
