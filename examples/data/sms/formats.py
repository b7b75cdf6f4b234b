"""Write the messages once more in every format that Luthier reads, into the folder `formats`.

`luthier data collect formats.yaml` reads them all.
"""

import gzip
import json
import sqlite3
from pathlib import Path

import datasets
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

rows = [
    {"text": "see you at nine by the mill", "label": "ham"},
    {"text": "Txt WIN to 60999 for a prize", "label": "spam"},
    {"text": 'she said "no",\nthen yes', "label": "ham"},
]
folder = Path("formats")
folder.mkdir(exist_ok=True)
lines = "".join(json.dumps(row) + "\n" for row in rows)

(folder / "m.tsv").write_text(
    "text\tlabel\n" + "".join(f"{json.dumps(r['text'])[1:-1]}\t{r['label']}\n" for r in rows[:2])
)
(folder / "m.json").write_text(json.dumps({"messages": rows}))
(folder / "m.jsonl").write_text(lines)
(folder / "m.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
(folder / "m.jsonl.zst").write_bytes(zstandard.compress(lines.encode()))
pq.write_table(pa.Table.from_pylist(rows), folder / "m.parquet")

book = openpyxl.Workbook()
book.active.append(["text", "label"])
for row in rows:
    book.active.append([row["text"], row["label"]])
book.save(folder / "m.xlsx")

(folder / "phone.db").unlink(missing_ok=True)
with sqlite3.connect(folder / "phone.db") as base:
    base.execute("CREATE TABLE messages (id INTEGER PRIMARY KEY, text TEXT, label TEXT)")
    base.executemany("INSERT INTO messages (text, label) VALUES (:text, :label)", rows)

datasets.disable_progress_bars()
datasets.Dataset.from_list(rows).save_to_disk(str(folder / "hub"))
