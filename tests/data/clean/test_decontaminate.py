"""Runs of words of an evaluation file are found wherever they stand; near misses are not."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from luthier.core.errors import DataError
from luthier.data.clean.decontaminate import DecontaminateSpec, check_decontaminated, read_index
from luthier.data.clean.facts import facts_of

ITEM = "A luthier has twelve boards of spruce and sells three of them on Monday; how many are left?"
SHORT = "Which tree gives the best tonewood?"


def write(folder: Path, name: str, text: str) -> DecontaminateSpec:
    data = text.encode()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return DecontaminateSpec(files=(name,))


def reason(spec: DecontaminateSpec, folder: Path, text: str) -> str | None:
    verdict = check_decontaminated(facts_of(text), spec, read_index(spec, folder))
    return verdict[0] if verdict else None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("e.jsonl", json.dumps({"q": {"text": [ITEM]}, "a": 9})),
        ("e.jsonl.gz", json.dumps({"q": ITEM})),
        ("e.json", json.dumps([{"q": ITEM}])),
        ("e.csv", f'id,q\n1,"{ITEM}"\n'),
        ("e.tsv", f"id\tq\n1\t{ITEM}\n"),
        ("e.txt", f"first\n\n{ITEM}\n"),
    ],
)
def test_every_kind_of_file(name: str, text: str, tmp_path: Path) -> None:
    spec = write(tmp_path, name, text)
    assert reason(spec, tmp_path, f"Say: {ITEM.upper()} Nine.") == "stands in an evaluation file"
    assert reason(spec, tmp_path, "Boards of spruce are sold on Monday.") is None


def test_a_short_item_is_looked_for_as_a_whole(tmp_path: Path) -> None:
    spec = write(tmp_path, "e.txt", f"{SHORT}\n\nYes.")
    assert reason(spec, tmp_path, f"He asked: {SHORT}") == "stands in an evaluation file"
    assert reason(spec, tmp_path, "Which tree gives the best fruit?") is None
    assert reason(spec, tmp_path, "Yes. Yes. Yes.") is None


@given(st.integers(1, 18), st.integers(0, 5))
def test_a_run_of_the_limit_is_found_and_a_shorter_one_is_not(length: int, start: int) -> None:
    import tempfile

    words = [f"w{i}" for i in range(30)]
    with tempfile.TemporaryDirectory() as folder:
        spec = write(Path(folder), "e.txt", " ".join(words))
        text = " ".join(["before", *words[start : start + length], "after"])
        assert (reason(spec, Path(folder), text) is not None) == (length >= spec.words)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for name, text in (("e.json", "{"), ("e.jsonl", "{}\nx")):
        with pytest.raises(DataError, match="cannot read this evaluation file"):
            read_index(write(tmp_path, name, text), tmp_path)
    with pytest.raises(DataError, match="cannot read this evaluation file"):
        read_index(DecontaminateSpec(files=("none.txt",)), tmp_path)
